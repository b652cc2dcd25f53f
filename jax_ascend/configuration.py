"""Every environment variable this package reads, in one table.

Values are read when they are needed, so a program may set them before its first use of a device.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .compiler.errors import InvalidInputError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def _size(text: str) -> int:
    number = text.strip().lower().removesuffix("b")
    digits = number.rstrip("kmgi")
    return int(float(digits) * _UNITS[number[len(digits) :]])


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


@dataclass(frozen=True)
class Variable:
    """One environment variable: how its text is read, and its value when unset."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    expected: str
    meaning: str

    def get(self) -> Any:
        """Return the value; InvalidInputError if the text cannot be read."""
        text = os.environ.get(self.name, "")
        if not text:
            return self.default
        try:
            return self.parse(text)
        except (ValueError, KeyError):
            raise InvalidInputError(
                f"[configuration] {self.name} is unusable; expected {self.expected}, got {text!r}."
            ) from None


DEVICES = Variable(
    "JAX_ASCEND_DEVICES", _positive, 1, "a positive integer", "number of emulated devices in this process"
)
TARGET = Variable(
    "JAX_ASCEND_TARGET", str, "ascend910b", "a target's name or a TOML file", "the device that is emulated"
)
HBM_BYTES = Variable(
    "JAX_ASCEND_HBM_BYTES", _size, 0, "bytes, as in 500000000 or 16GiB", "device memory; unset means the target's"
)
DUMP = Variable("JAX_ASCEND_DUMP", str, None, "a directory", "where every compiler stage of every program is written")
CHECK = Variable(
    "JAX_ASCEND_CHECK",
    lambda text: {"0": False, "1": True}[text],
    False,
    "0 or 1",
    "check every compiled kernel for hazards: races between pipes, unpaired flags, reads of bytes nobody wrote",
)
PRIORITY = Variable(
    "JAX_ASCEND_PRIORITY", int, -1, "an integer", "above 0 the default device (JAX_PLATFORMS=ascend,cpu does it too)"
)

PROCESS_SECONDS = Variable(
    "JAX_ASCEND_PROCESS_SECONDS",
    _positive,
    600,
    "a positive integer",
    "how long a process waits for another one of `jax.distributed` that lives, but sends nothing",
)
HOST = Variable(
    "JAX_ASCEND_HOST",
    str,
    "",
    "a name or an address",
    "where the processes of other machines reach this one; unset means its host name",
)

VARIABLES = (DEVICES, TARGET, HBM_BYTES, DUMP, CHECK, PRIORITY, PROCESS_SECONDS, HOST)


def target_text(name: str = "") -> str:
    """Return the text of a target (compiler/target_text.py) by its name or file, "" being the configured one.

    Raises:
        InvalidInputError: there is no such target, or it cannot be.
    """
    from .compiler.target_text import print_target
    from .compiler.targets import TargetError, target

    try:
        return print_target(target(name or TARGET.get()))
    except TargetError as error:
        where = "" if name else f"[configuration] {TARGET.name} is unusable: "
        raise InvalidInputError(f"{where}{error}") from None


def client_options() -> dict[str, str | int]:
    """Return the options a client is created with."""
    return {
        "target": target_text(),
        "devices": DEVICES.get(),
        "hbm_bytes": HBM_BYTES.get(),
        "process_seconds": PROCESS_SECONDS.get(),
        "host": HOST.get(),
    }
