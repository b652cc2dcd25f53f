"""From what PJRT's Compile receives to an MLIR module of the StableHLO dialect.

jaxlib's own MLIR does the reading. VHLO portable artifacts are the normal input; StableHLO text or bytecode
serves the command line and tests, and may still hold CHLO ops, which are legalised here.
"""

from __future__ import annotations

import io

from jax.interpreters import mlir as jax_mlir
from jaxlib.mlir import ir, passmanager
from jaxlib.mlir.dialects import stablehlo

from ..errors import ModuleFormatError

_BYTECODE = b"ML\xefR"
_ARTIFACT = b"StableHLO_v"  # the producer that the head of a portable artifact names
_BYTES_PER_CONTEXT = 1 << 20  # a context keeps every type and constant it has seen


class _Context:
    """One MLIR context for many programs: making one takes 2 ms, half the compile time of a small function."""

    current: ir.Context | None = None
    seen = 0

    @classmethod
    def reading(cls, size: int) -> ir.Context:
        """Return the context to read a program of `size` bytes in."""
        if cls.current is None or cls.seen + size > _BYTES_PER_CONTEXT:
            cls.current, cls.seen = jax_mlir.make_ir_context(), 0
        cls.seen += size
        return cls.current


def deserialize(program: bytes | str) -> ir.Module:
    """Return the StableHLO module of a portable artifact, of MLIR bytecode or of MLIR text.

    The module keeps its context alive; drop it as soon as the Graph exists. Raises ModuleFormatError.
    """
    if isinstance(program, str):
        program = program.encode()
    context = _Context.reading(len(program))
    failure: Exception | None = None
    if program.startswith(_BYTECODE) and _ARTIFACT in program[:64]:
        try:
            return stablehlo.deserialize_portable_artifact(context, program)
        except Exception as artifact_error:  # jaxlib raises several types here; the message is what matters
            failure = artifact_error
    try:
        with context:
            module = ir.Module.parse(program)
    except (ir.MLIRError, ValueError) as parse_error:
        raise ModuleFormatError(
            f"[frontend] cannot read the program; expected a StableHLO portable artifact, MLIR bytecode or text, got "
            f"{len(program)} bytes that fail with: {failure or parse_error}. "
            f"Check that jaxlib {stablehlo.get_current_version()} is not older than the writer."
        ) from parse_error
    _legalize_chlo(context, module)
    return module


def bytecode(module: ir.Module) -> bytes:
    """Return a module as MLIR bytecode: constants take their own bytes, where text would take twice as many."""
    out = io.BytesIO()
    module.operation.write_bytecode(out)
    return out.getvalue()


def _legalize_chlo(context: ir.Context, module: ir.Module) -> None:
    """Expand CHLO ops into StableHLO, as JAX does before it calls a plugin (in place)."""
    stablehlo.register_stablehlo_passes()
    with context:
        passmanager.PassManager.parse("builtin.module(func.func(chlo-legalize-to-stablehlo))").run(module.operation)
