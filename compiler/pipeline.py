"""StableHLO in, a Program out: the whole compiler, read from top to bottom.

    artifact -> module          frontend        MLIR, then Graph
    graph    -> graph           GRAPH_PASSES    inline, simplify, decompose
    graph    -> schedule        codegen         fuse into regions, lower each to kernels
    schedule -> program         codegen         storage, stream commands, bytes

Every arrow is a function of its input and the Target. With a dump directory every stage is written to a file, also when a
later one fails.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import frontend
from .codegen.steps import AicpuLaunch, Launch
from .cost_analysis import count_bytes, count_operations
from .errors import Refusal, UnsupportedOpsError
from .graph.module import Module
from .passes import GRAPH_PASSES
from .planning.plan_program import plan_program
from .planning.schedule_graph import Branches, Loop, Schedule, Scheduler
from .program.program import Costs, Program
from .targets import Target, memory_kind


class CompileError(Exception):
    """A compilation that failed; the message names the stage. The cause is chained."""


class Stages:
    """Names, times and dumps the stages of one compilation."""

    def __init__(self, dump_directory: str | Path | None = None):
        self.directory = Path(dump_directory) if dump_directory else None
        self.seconds: dict[str, float] = {}
        self.texts: dict[str, str] = {}
        self.keep = False  # keep the texts in memory, for the command line

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; an exception of unknown origin gets the stage's name."""
        start = time.perf_counter()
        try:
            yield
        except UnsupportedOpsError:
            raise
        except Exception as e:
            where = f" Earlier stages are in {self.directory}." if self.directory else ""
            raise CompileError(f"[compiler, {name}] {e}{where}") from e
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def dump(self, name: str, text: Callable[[], str]) -> None:
        """Write a stage's text if somebody wants it."""
        if self.directory is None and not self.keep:
            return
        content = text()
        if self.keep:
            self.texts[name] = content
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
            (self.directory / f"{len(list(self.directory.iterdir())):02d}_{name}.txt").write_text(content + "\n")


def compile_artifact(
    artifact: bytes, compile_options: bytes, device: Target, dump_directory: str | None = None
) -> bytes:
    """Compile what PJRT_Client_Compile receives to a Program's bytes.

    Args:
        artifact: StableHLO as a portable artifact (VHLO bytecode), MLIR bytecode or text.
        compile_options: a serialised CompileOptionsProto; partition and replica counts are read from the module.
        device: what to compile for.
        dump_directory: where to write every stage, one sub-directory per module.

    Raises:
        UnsupportedOpsError: the module has ops that are not lowered, all listed with their source lines.
        CompileError: anything else that went wrong, with the stage's name.
    """
    del compile_options
    return compile_program(artifact, device, Stages(dump_directory)).encode()


def compile_program(artifact: bytes | str, target: Target, stages: Stages | None = None) -> Program:
    """Compile StableHLO to a Program for `target`. Raises as compile_artifact."""
    with collector_paused():
        return _compile_program(artifact, target, stages or Stages())


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking the IRs while they grow: a third of the compile time of a GPT step."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _compile_program(artifact: bytes | str, target: Target, stages: Stages) -> Program:
    with stages.stage("deserialize"):
        mlir = frontend.deserialize(artifact)
        text = str(mlir.operation.get_asm(enable_debug_info=False))
    stages.dump("stablehlo", lambda: text)
    refused: list[Refusal] = []
    with stages.stage("import"):
        module = frontend.import_module(mlir, refused)
    if stages.directory is not None:
        stages.directory = stages.directory / module.name
    stages.dump("graph", lambda: str(module.main))
    return compile_module(module, target, stages, text, refused)


def compile_module(
    module: Module,
    target: Target,
    stages: Stages,
    stablehlo: str = "",
    refused: Sequence[Refusal] = (),
) -> Program:
    """Compile an imported module to a Program for `target`.

    `stablehlo` is its text, which the program carries; `refused` are the ops the import did not accept.
    """
    unsupported = list(refused)
    for graph_pass in GRAPH_PASSES:
        name = graph_pass.__name__
        with stages.stage(name):
            try:
                graph_pass(module, target)
            except UnsupportedOpsError as more:
                unsupported += more.ops
        stages.dump(name, lambda: str(module.main))
    if unsupported:
        raise UnsupportedOpsError(module.name, unsupported)
    scheduler = Scheduler(target)
    with stages.stage("schedule"):
        schedule = scheduler.schedule(module.main)
    stages.dump("regions", lambda: "\n\n".join(map(_print_region, scheduler.regions)))
    stages.dump("kernels", lambda: "\n\n".join(str(launch.kernel) for launch in _kernels(schedule)))
    with stages.stage("plan"):
        program = plan_program(module.name, schedule, [-1 if a is None else a for a in module.aliases], target)
        program.stablehlo = stablehlo
        describe(program, module, schedule)
    stages.dump("program", lambda: str(program))
    return program


def describe(program: Program, module: Module, schedule: Schedule) -> None:
    """Fill in what the plugin tells JAX about a program."""
    operations = count_operations(module.main)
    program.donated = frozenset(module.donated)
    program.parameter_memory = list(map(memory_kind, module.parameter_memories))
    program.result_memory = list(map(memory_kind, module.result_memories))
    program.replicas, program.partitions = module.num_replicas, module.num_partitions
    program.costs = Costs(operations.flops, operations.transcendentals, count_bytes(schedule))


def _print_region(region: object) -> str:
    return str(region)


def _kernels(schedule: Schedule) -> Iterator[Launch]:
    seen: set[int] = set()

    def visit(part: Schedule) -> Iterator[Launch]:
        for item in part.items:
            if isinstance(item, (Loop, Branches)):
                for nested in item.parts:
                    yield from visit(nested)
            elif isinstance(item, Launch) and not isinstance(item, AicpuLaunch) and id(item.kernel) not in seen:
                seen.add(id(item.kernel))
                yield item

    return visit(schedule)
