"""What a user has in hand -> the Program it compiles to: functions, what JAX makes of them, StableHLO, programs' bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from . import configuration, foreign
from .compiler.errors import InvalidInputError
from .compiler.pipeline import compile_program
from .compiler.program.program import Program
from .compiler.program.program_bytes import MAGIC
from .compiler.stages import Stages
from .compiler.targets import Target
from .compiler.targets import target as find_target
from .registration import register
from .sharding_functions import FUNCTIONS


def program_of(
    source: Any,
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    target: str | Target | None = None,
    static_argnums: int | Iterable[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    stages: Stages | None = None,
) -> Program:
    """Return the compiled program of `source`; nothing is executed.

    Args:
        source: a function that JAX can trace, jitted or not, called with `args` and `kwargs`; or, without arguments, a
            jax.stages.Lowered or Compiled, a jax.export.Exported, a Program, bytes or a file's path (a Path, or a string) of
            StableHLO or of a program.
        target: a target's name, a TOML file of one, or a Target. None: the one that a compiled program carries, else
            that of JAX_ASCEND_TARGET. A program for another target is compiled again, from the StableHLO it carries.
        static_argnums, static_argnames: as of jax.jit; a function that is jitted already has its own.
        stages: where to leave each stage.

    Raises:
        InvalidInputError: `source` is none of these, or its arguments do not fit.
        UnsupportedOpsError: it has ops that are not lowered.
        TargetError: there is no such target, or it cannot be.
    """
    device = None if target is None else find_target(target)
    given = _given(source)
    if given is None:
        if not callable(source):
            raise InvalidInputError(
                f"[estimate] got a {type(source).__name__}; expected a function with its arguments, a Lowered, Compiled or "
                "Exported object, or a file of StableHLO."
            )
        given = _traced(source, tuple(args), dict(kwargs or {}), static_argnums, static_argnames)
    elif [*args] or kwargs:
        raise InvalidInputError(
            f"[estimate] a {type(source).__name__} has its arguments already; expected none, got {len([*args])} and "
            f"{sorted(kwargs or {})}."
        )
    if isinstance(given, Program):
        if device is None or given.target == device:
            return given
        if not given.stablehlo:
            raise InvalidInputError(
                f"[estimate] program {given.name} is for {given.target.name} and does not carry its StableHLO, so it cannot be "
                f"compiled for {device.name}. Compile it for that target."
            )
        given = given.stablehlo
    return compile_program(
        given, device or find_target(configuration.TARGET.get()), stages, foreign.handlers(), FUNCTIONS
    )


def _given(source: Any) -> bytes | Program | None:
    """Return the StableHLO or the program that a source is; None for what has to be traced."""
    if isinstance(source, Program):
        return source
    if isinstance(source, (str, Path)):
        try:
            source = Path(source).read_bytes()
        except OSError as error:
            raise InvalidInputError(
                f"[estimate {source}] cannot be read: {error.strerror}; expected a file of StableHLO or of a program."
            ) from error
    if isinstance(source, bytes):
        return Program.decode(source) if source.startswith(MAGIC) else source
    import jax

    if isinstance(source, jax.stages.Lowered):
        return _bytecode(source)
    if isinstance(source, jax.stages.Compiled):
        return _compiled(source)
    serialized = getattr(source, "mlir_module_serialized", None)  # of a jax.export.Exported
    return serialized if isinstance(serialized, bytes) else None


def _compiled(compiled: Any) -> Program:
    """Return the program in an executable for this platform."""
    executable = compiled.runtime_executable()
    platform: str = executable.client.platform if hasattr(executable, "client") else ""
    try:
        data = cast("bytes", executable.serialize())
    except Exception as error:  # jaxlib has several types for what a platform does not offer
        raise InvalidInputError(f"[estimate] the compiled object cannot be serialised: {error}") from error
    start = data.find(MAGIC)
    if start < 0:
        raise InvalidInputError(
            f"[estimate] the object is compiled for {platform or 'another platform'}; expected one for ascend. Give the "
            "Lowered object instead, or the function."
        )
    return Program.decode(data[start:])


def _traced(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    static_argnums: int | Iterable[int] | None,
    static_argnames: str | Iterable[str] | None,
) -> bytes:
    import jax
    from jax.extend import source_info_util

    register()  # JAX asks for the platform's rules before it looks for the platform
    source_info_util.register_exclusion(str(Path(__file__).parent))  # our frames are not the user's
    jitted: Any = function
    if not hasattr(function, "trace"):
        jit: Any = jax.jit  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        jitted = jit(function, static_argnums=static_argnums, static_argnames=static_argnames)
    elif static_argnums is not None or static_argnames is not None:
        raise InvalidInputError(
            "[estimate] static_argnums and static_argnames are for functions that are not jitted; this one is, and has its own."
        )
    return _bytecode(jitted.trace(*args, **kwargs).lower(lowering_platforms=("ascend",)))


def _bytecode(lowered: Any) -> bytes:
    from jax.interpreters import mlir

    module = lowered.compiler_ir("stablehlo")
    assert module is not None
    return mlir.module_to_bytecode(_on_its_mesh(module))


def _on_its_mesh(module: Any) -> Any:
    """Return a module for as many devices as its mesh has: JAX counts those of arguments and results alone.

    So a function whose abstract mesh is named inside of it only, as by shard_map, is lowered for one device.
    """
    from jaxlib.mlir import ir
    from jaxlib.mlir.dialects import sdy

    meshes = [sdy.MeshAttr(op.attributes["mesh"]) for op in module.body.operations if op.operation.name == "sdy.mesh"]
    devices = max((math.prod(sdy.MeshAxisAttr(axis).size for axis in mesh.axes) for mesh in meshes), default=1)
    count = "mhlo.num_partitions"
    attributes = module.operation.attributes
    if devices == 1 or count not in attributes or ir.IntegerAttr(attributes[count]).value > 1:
        return module
    copy = module.operation.clone()
    copy.attributes[count] = ir.IntegerAttr.get(attributes[count].type, devices)
    return copy
