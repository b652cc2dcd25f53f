"""What Python itself must not decide while a program is compiled, written or read: its collector and its limit on frames."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Generator[None]:
    """Keep the garbage collector from walking the IRs while they grow: a third of the compile time of a GPT step."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_NESTING = 100_000  # frames: more than the graphs that MLIR's own reader can take need
_usual_limit = sys.getrecursionlimit()  # before the first of the compilations that are running
_deep_compilations = 0
_deep_lock = threading.Lock()


@contextmanager
def recursion_allowed() -> Generator[None]:
    """Let programs nest as deeply as they are given: Python's limit on frames is for those that recurse by mistake.

    The limit is one for all threads; it is put back when no compilation needs it any more.
    """
    global _deep_compilations, _usual_limit
    with _deep_lock:
        if _deep_compilations == 0:
            _usual_limit = sys.getrecursionlimit()
            sys.setrecursionlimit(max(_usual_limit, _NESTING))
        _deep_compilations += 1
    try:
        yield
    finally:
        with _deep_lock:
            _deep_compilations -= 1
            if _deep_compilations == 0:
                sys.setrecursionlimit(_usual_limit)
