"""The functions of ZeroMQ that several processes exchange data with: addresses of what libzmq hands to C.

It comes with pyzmq, or with the system. Only a client of several processes asks for it, once.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from .compiler.errors import UnsupportedError


def addresses(names: list[str]) -> list[int]:
    """Return the addresses of functions of libzmq 4; UnsupportedError if there is no such library."""
    tried: list[str] = []
    for path in _libraries():
        try:
            library = ctypes.CDLL(path)
            return [ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names]
        except (OSError, AttributeError) as error:
            tried.append(str(error))
    raise UnsupportedError(
        "[client] devices of several processes exchange data by ZeroMQ; expected pyzmq or the system's libzmq 4, got "
        f"{'; '.join(tried) or 'neither'}. Run `pip install pyzmq` in the environment of each process."
    )


def _libraries() -> Iterator[str]:
    found = importlib.util.find_spec("zmq")
    if found is not None and found.origin is not None:  # its wheels carry a library beside the package
        yield from map(str, sorted((Path(found.origin).parents[1] / "pyzmq.libs").glob("libzmq*.so*")))
    system = ctypes.util.find_library("zmq")
    if system:
        yield system
