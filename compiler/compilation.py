"""What is compiled, as it goes through the passes of pipeline.py, and the passes of the back half on it.

    fuse_regions             graph      -> schedule of regions
    schedule_exchanges       regions    -> in an order in which exchanges between devices have something beside them
    lower_regions            regions    -> steps: kernels with layouts, copies, control flow
    allocate_tiles           layouts    -> addresses of tiles
    insert_synchronization   addresses  -> flags between pipes
    place_values             steps      -> storage for every value
    write_program            all of it  -> stream commands, constants, slots

These names are those of the stages in dumps, errors and timings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .cost_analysis import count_bytes, count_operations
from .fusion.region import Region
from .graph.module import Module
from .kernel_passes.allocate_tiles import allocate_tiles
from .kernel_passes.insert_synchronization import insert_synchronization
from .partition.op_sharding import op_sharding
from .planning.lower_schedule import lower_schedule
from .planning.place_values import Placer, print_placement
from .planning.schedule import Schedule, distinct_launches, kernels, print_schedule, walk
from .planning.schedule_exchanges import schedule_exchanges
from .planning.schedule_regions import schedule_regions
from .planning.write_program import write_program
from .program.program import Costs, Program
from .program.verify_kernel import verify_kernel
from .targets import Target, memory_kind


@dataclass(eq=False)
class Compilation:
    """A module on its way to a program; each pass reads what those before it have left and leaves its own."""

    module: Module
    target: Target
    stablehlo: bytes = b""  # the module as MLIR bytecode, which the program carries
    schedule: Schedule = field(init=False)
    placer: Placer = field(init=False)
    program: Program = field(init=False)

    @property
    def result_alias(self) -> list[int]:
        """Per result the parameter whose storage it takes over, or -1."""
        return [-1 if a is None else a for a in self.module.aliases]


@dataclass(frozen=True)
class Pass:
    """A step of the compiler: what it does to a compilation, the text of what it leaves, and the rules for that."""

    name: str
    run: Callable[[Compilation], None]
    show: Callable[[Compilation], str]
    verify: Callable[[Compilation], None]


def _fuse(c: Compilation) -> None:
    c.schedule = schedule_regions(c.module.main, c.target)


def _order(c: Compilation) -> None:
    schedule_exchanges(c.schedule, c.target)


def _lower(c: Compilation) -> None:
    c.schedule = lower_schedule(c.schedule, c.target)


def _allocate(c: Compilation) -> None:
    for launch in distinct_launches(c.schedule):
        allocate_tiles(launch.kernel, c.target, launch.layout)


def _synchronise(c: Compilation) -> None:
    for kernel in kernels(c.schedule):
        insert_synchronization(kernel)


def _place(c: Compilation) -> None:
    c.placer = Placer(c.schedule, c.result_alias)


def _write(c: Compilation) -> None:
    names = c.module.parameter_names, c.module.result_names
    c.program = write_program(c.module.name, c.schedule, c.placer, c.result_alias, c.target, names)
    _describe(c)


def _show_regions(c: Compilation) -> str:
    return "\n\n".join(str(item) for item in walk(c.schedule) if isinstance(item, Region))


def _show_kernels(c: Compilation) -> str:
    return "\n\n".join(map(str, kernels(c.schedule)))


def _show_steps(c: Compilation) -> str:
    return f"{print_schedule(c.schedule)}\n\n{_show_kernels(c)}"


def _verify_regions(c: Compilation) -> None:
    c.module.main.verify()


def _verify_kernels(c: Compilation) -> None:
    for kernel in kernels(c.schedule):
        verify_kernel(kernel)


def _verify_addressed(c: Compilation) -> None:
    for kernel in kernels(c.schedule):
        verify_kernel(kernel, c.target)


def _verify_nothing(c: Compilation) -> None:
    """Leave it to the loader, which verifies the stream."""


BACK_PASSES = (
    Pass("fuse_regions", _fuse, _show_regions, _verify_regions),
    Pass("schedule_exchanges", _order, lambda c: print_schedule(c.schedule), _verify_nothing),
    Pass("lower_regions", _lower, _show_steps, _verify_kernels),
    Pass("allocate_tiles", _allocate, _show_kernels, _verify_addressed),
    Pass("insert_synchronization", _synchronise, _show_kernels, _verify_addressed),
    Pass("place_values", _place, lambda c: print_placement(c.placer), _verify_nothing),
    Pass("write_program", _write, lambda c: str(c.program), _verify_nothing),
)


def _describe(c: Compilation) -> None:
    """Fill in what the plugin tells JAX about a program."""
    module, program, operations = c.module, c.program, count_operations(c.module.main)
    program.stablehlo = c.stablehlo
    program.donated = frozenset(module.donated)
    program.parameter_memory = list(map(memory_kind, module.parameter_memories))
    program.result_memory = list(map(memory_kind, module.result_memories))
    program.replicas, program.partitions = module.num_replicas, module.num_partitions
    if module.mesh is not None:
        program.parameter_sharding = [op_sharding(s) for s in module.parameter_shardings]
        program.result_sharding = [op_sharding(s) if s else b"" for s in module.result_shardings]
    program.costs = Costs(operations.flops, operations.transcendentals, count_bytes(c.schedule))
