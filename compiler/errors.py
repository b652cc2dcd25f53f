"""The exceptions of this package, one tree, and the status code each becomes at the PJRT C API.

Messages read `[place] what is wrong; expected E, got G. Next step.` C++ has one exception with the same codes
(plugin/error.h), caught once at the C API.

    AscendError
        InvalidInputError       INVALID_ARGUMENT: what the user passed can never work
            ModuleFormatError   no MLIR module that can be read
            DecodeError         bytes that are no program
            TextError           text that is no kernel or program
            TargetError         no such target, or one that cannot be
        UnsupportedError        UNIMPLEMENTED: right, and this package cannot run it yet
            UnsupportedOpsError all the ops of a module that have no lowering
        InternalError           INTERNAL: a defect of this package
            CompileError        a pass failed
            HazardError         a compiled kernel that silicon could execute wrongly
            KernelError         a kernel that breaks a rule of the instruction set
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .graph.location import Location

INVALID_ARGUMENT = 3
UNIMPLEMENTED = 12
INTERNAL = 13


class AscendError(Exception):
    """Anything this package reports; `code` is the PJRT status code."""

    code: ClassVar[int] = INTERNAL


class InvalidInputError(AscendError):
    """The user passed something that can never work."""

    code = INVALID_ARGUMENT


class ModuleFormatError(InvalidInputError):
    """A module that cannot be read as MLIR; the message says why."""


class DecodeError(InvalidInputError):
    """Words that are no instruction, or bytes that are no program; the message says where and why."""


class TextError(InvalidInputError):
    """Text that is no kernel or program; the message names the line."""


class TargetError(InvalidInputError):
    """No such target, or one that cannot be; the message names the field."""


class UnsupportedError(AscendError):
    """The program is right, and this package cannot run it yet."""

    code = UNIMPLEMENTED


class InternalError(AscendError):
    """A defect of this package."""


class CompileError(InternalError):
    """A pass that failed; the message names it. The cause is chained."""


class HazardError(InternalError):
    """A compiled kernel that silicon could execute wrongly: a defect of the compiler, found by JAX_ASCEND_CHECK."""


class KernelError(InternalError):
    """A kernel that breaks a rule; the message says which, where, and what was expected."""


class UnsupportedOp(Exception):
    """One op, or use of an op, that has no lowering; the argument says why. Collected into UnsupportedOpsError."""


Refusal = tuple[str, "Location", str]
"""Op name, source location, reason."""


class UnsupportedOpsError(UnsupportedError):
    """Ops of a module that have no lowering, all of them.

    `ops` lists them, one entry per distinct triple.
    """

    def __init__(self, module: str, ops: list[Refusal]) -> None:
        self.ops = list(dict.fromkeys(ops))
        lines = [f"  {name} at {loc or 'unknown'}{': ' + why if why else ''}" for name, loc, why in self.ops]
        super().__init__(
            f"[compiler, module {module}] {len(self.ops)} unsupported op(s); expected ops that "
            f"jax_ascend.compiler.frontend.accepted_ops() lists, got\n" + "\n".join(lines) + "\n"
            "Rewrite these lines or run them on another platform, e.g. under jax.default_device(jax.devices('cpu')[0])."
        )
