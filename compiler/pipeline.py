"""StableHLO in, a Program out: the whole compiler, read from top to bottom.

    artifact -> module     frontend        MLIR, then Graph
    graph    -> graph      FRONT_PASSES    divide over devices, inline, simplify, decompose (passes/__init__.py lists them)
    graph    -> program    BACK_PASSES     fuse, lower, allocate, synchronise, place, write (compilation.py)

Every pass is a function of its input and the Target. All go through one hook (stages.py), which names and times them,
checks what they leave if asked to, and writes it to a file if there is a dump directory, also when a later one fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from . import frontend
from .compilation import BACK_PASSES, Compilation, Pass
from .errors import CompileError, ModuleFormatError, Refusal, UnsupportedOpsError
from .export import export_module
from .frontend.user_functions import UserFunctions
from .interpreter import collector_paused, recursion_allowed
from .partition import partition
from .passes import GRAPH_PASSES, GraphPass
from .passes.combine_collectives import combine_collectives
from .passes.eliminate_common_subexpressions import eliminate_common_subexpressions
from .passes.eliminate_dead_code import eliminate_dead_code
from .program.program import Program
from .stages import Stages
from .targets import Target


def compile_artifact(
    artifact: bytes,
    compile_options: bytes,
    device: Target,
    dump_directory: str | None = None,
    check: bool = False,
    handlers: Mapping[str, str] | None = None,
    functions: UserFunctions | None = None,
) -> bytes:
    """Compile what PJRT_Client_Compile receives to a Program's bytes.

    Args:
        artifact: StableHLO as a portable artifact (VHLO bytecode), MLIR bytecode or text.
        compile_options: a serialised CompileOptionsProto; partition and replica counts are read from the module.
        device: what to compile for.
        dump_directory: where to write every stage, one sub-directory per compilation.
        check: verify what every pass leaves.
        handlers: the targets of custom calls that are registered, each with why it cannot be called, or "".
        functions: of the user's that take part in the compilation.

    Raises:
        UnsupportedOpsError: the module has ops that are not lowered, all listed with their source lines.
        CompileError: anything else that went wrong, with the stage's name.
    """
    del compile_options
    return compile_program(artifact, device, Stages(dump_directory, check), handlers, functions).encode()


def compile_program(
    artifact: bytes | str,
    target: Target,
    stages: Stages | None = None,
    handlers: Mapping[str, str] | None = None,
    functions: UserFunctions | None = None,
) -> Program:
    """Compile StableHLO to a Program for `target`. Raises as compile_artifact."""
    with collector_paused(), recursion_allowed():
        return _compile_program(artifact, target, stages or Stages(), handlers or {}, functions)


def _compile_program(
    artifact: bytes | str, target: Target, stages: Stages, handlers: Mapping[str, str], functions: UserFunctions | None
) -> Program:
    with stages.stage("deserialize"):
        mlir = frontend.deserialize(artifact)
        bytecode = frontend.bytecode(mlir)
        stages.module = frontend.module_name(mlir)
    stages.dump("stablehlo", lambda: str(mlir.operation.get_asm(enable_debug_info=False)))
    with stages.stage("propagate"):
        given, mlir = mlir, frontend.propagated(mlir)
    if mlir is not given:
        stages.dump("propagate", lambda: str(mlir.operation.get_asm(enable_debug_info=False)))
    refused: list[Refusal] = []
    with stages.stage("import"):
        module = frontend.import_module(mlir, refused, handlers, functions)
        if refused:
            mlir = frontend.propagated(frontend.legalize(given))
            refused.clear()
            module = frontend.import_module(mlir, refused, handlers, functions)
    stages.dump("graph", lambda: str(module.main))
    if functions is not None:
        for number, sharding in module.inspected:
            functions.inspect(number, sharding)
    return compile_module(Compilation(module, target, bytecode), stages, refused)


def compile_module(compilation: Compilation, stages: Stages, refused: Sequence[Refusal] = ()) -> Program:
    """Run all passes on an imported module and return its program; `refused` are the ops the import did not accept."""
    unsupported = list(refused)
    for graph_pass in FRONT_PASSES:
        try:
            stages.run(graph_pass, compilation)
        except UnsupportedOpsError as more:
            unsupported += more.ops
        except CompileError:
            if not unsupported:
                raise
            break  # of what stands for the results of refused ops
    if unsupported:
        raise UnsupportedOpsError(compilation.module.name, unsupported)
    for back_pass in BACK_PASSES:
        stages.run(back_pass, compilation)
    return compilation.program


def _on_graph(graph_pass: GraphPass) -> Pass:
    return Pass(
        graph_pass.__name__,
        lambda c: graph_pass(c.module, c.target),
        lambda c: str(c.module.main),
        lambda c: c.module.main.verify(),
    )


def _partition(c: Compilation) -> None:
    partition(c.module, c.target)
    if c.module.mesh is not None:
        for tidy in (eliminate_common_subexpressions, eliminate_dead_code, combine_collectives):
            tidy(c.module, c.target)
        with suppress(ModuleFormatError):  # JAX shows the program before, then; nothing is compiled from this
            c.stablehlo = frontend.bytecode(frontend.deserialize(export_module(c.module)))


def _show_partitioned(c: Compilation) -> str:
    return "\n".join((*(f"// {note}" for note in c.module.notes), str(c.module.main)))


assert GRAPH_PASSES[0] is partition, "[pipeline] a program is divided before all else"
FRONT_PASSES = (
    Pass(partition.__name__, _partition, _show_partitioned, lambda c: c.module.main.verify()),
    *map(_on_graph, GRAPH_PASSES[1:]),
)
PASSES = (*FRONT_PASSES, *BACK_PASSES)
