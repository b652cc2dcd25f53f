"""The exceptions this package raises, and the status code each becomes at the PJRT C API.

Messages read `[place] what is wrong; expected E, got G. Next step.`
"""

from __future__ import annotations

from typing import ClassVar

INVALID_ARGUMENT = 3
UNIMPLEMENTED = 12
INTERNAL = 13


class AscendError(Exception):
    """Anything this package reports; `code` is the PJRT status code."""

    code: ClassVar[int] = INTERNAL


class InvalidInputError(AscendError):
    """The user passed something that can never work."""

    code = INVALID_ARGUMENT


class UnsupportedError(AscendError):
    """The program is right, and this package cannot run it yet."""

    code = UNIMPLEMENTED


class HazardError(AscendError):
    """A compiled kernel that silicon could execute wrongly: a defect of the compiler, found by JAX_ASCEND_CHECK."""


def status_of(error: BaseException) -> int:
    """Return the status code of `error`: its own, or that of the exception it was raised from."""
    link: BaseException | None = error
    while link is not None:
        code = getattr(link, "code", None)
        if isinstance(code, int) and 1 <= code <= 16:
            return code
        if isinstance(link, NotImplementedError):
            return UNIMPLEMENTED
        link = link.__cause__
    return INTERNAL
