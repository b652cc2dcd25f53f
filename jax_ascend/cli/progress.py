"""Says on stderr what a command is doing, once it takes longer than two seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from ..compiler.stages import Stages

PATIENCE = 2.0  # seconds until something is said
_EVERY = 0.2  # seconds between looks; on a terminal the line is written over


class Progress:
    """A line that says what is going on; `now` sets it. Nothing is said about what is over within PATIENCE."""

    def __init__(self, what: str):
        self._what = what
        self._start = time.monotonic()
        self._done = threading.Event()
        self._said = ""
        self._terminal = sys.stderr.isatty()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def running(self) -> bool:
        """Whether it has been entered."""
        return self._thread.ident is not None

    def now(self, what: str) -> None:
        """Say that something else is being done."""
        self._what = what

    def __enter__(self) -> Progress:
        self._start = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self._said and self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _run(self) -> None:
        quiet = PATIENCE  # in a file, a line now and then
        while not self._done.wait(_EVERY):
            seconds = time.monotonic() - self._start
            if seconds < PATIENCE:
                continue
            if self._terminal:
                print(f"\r\x1b[K{self._what} ... {seconds:.0f} s", end="", file=sys.stderr, flush=True)
            elif self._what != self._said and seconds >= quiet:
                print(f"{self._what} ... (after {seconds:.0f} s)", file=sys.stderr, flush=True)
                quiet = seconds + PATIENCE
            else:
                continue
            self._said = self._what


class ShownStages(Stages):
    """Stages of a compilation that a Progress names."""

    def __init__(self, progress: Progress):
        super().__init__()
        self._progress = progress

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Name the stage, and run it."""
        self._progress.now(f"compiling: {name.replace('_', ' ')}")
        with super().stage(name):
            yield
