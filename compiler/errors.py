"""What a user's program can be refused for. Messages: [place] what is wrong; expected E, got G. Next step."""

from __future__ import annotations


class ModuleFormatError(ValueError):
    """A module that cannot be read as MLIR; the message says why."""


class UnsupportedOp(Exception):
    """One op, or use of an op, that has no lowering; the argument says why. Collected into UnsupportedOpsError."""


Refusal = tuple[str, str, str]
"""Op name, source location, reason."""


class UnsupportedOpsError(NotImplementedError):
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
