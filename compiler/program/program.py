"""The Program: what the device runs.

A program is a header (the Target it is for; types, memories and donation of parameters and results; what JAX asks of
it), functions at stream level (entry first), kernels and constants. Its bytes are described in program_bytes.py.

A function sees buffers through its slot table. A slot is a parameter, a result, a piece of the constants or a piece of
the function's frame (workspace); `loop` may exchange the storage of two slots, so commands never hold addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..graph.graph import TensorType
from ..isa.stream import AICPU_BY_NAME, COMMANDS, CommandSpec, Field
from ..targets import MemoryKind, Target, target
from .kernel import Kernel

if TYPE_CHECKING:
    from .debug import Debug

_COMMANDS = {spec.name: code for code, spec in enumerate(COMMANDS)}


@dataclass(frozen=True, slots=True)
class Slot:
    """A buffer of a function: `offset` is a parameter or result number, or bytes into constants or frame."""

    kind: str
    offset: int
    bytes: int


@dataclass(slots=True)
class Command:
    """One stream command; fields in declared order, those of a loop or case as lists."""

    spec: CommandSpec
    values: tuple[Any, ...]

    def fields(self) -> Iterator[tuple[Field, Any]]:
        """Return the fields' declarations with their values."""
        return zip(self.spec.fields, self.values, strict=True)

    def lists(self) -> Iterator[list[Command]]:
        """Return the lists of commands of a loop or case."""
        for field_, value in self.fields():
            if field_.kind == "commands":
                yield value
            elif field_.kind == "branches":
                yield from value


def command(name: str, *values: Any) -> Command:
    """Build the command called `name`; last fields that have a default may be left out.

    Parameters of an AICPU kernel are a dict by their declared names.
    """
    spec = COMMANDS[_COMMANDS[name]]
    values += tuple(f.default for f in spec.fields[len(values) :] if f.default is not None)
    assert len(values) == len(spec.fields), f"{name} takes {[f.name for f in spec.fields]}"
    if name == "aicpu":
        op, slots, parameters = values
        declared = [p.name for p in AICPU_BY_NAME[op].parameters]
        assert sorted(parameters) == sorted(declared), f"{op} takes {declared}, got {list(parameters)}"
        values = op, slots, {p: parameters[p] for p in declared}
    return Command(spec, values)


@dataclass
class Function:
    """A list of commands over a slot table, with a frame of `frame_bytes`."""

    name: str
    slots: list[Slot] = field(default_factory=lambda: [])
    commands: list[Command] = field(default_factory=lambda: [])
    frame_bytes: int = 0

    def slot(self, kind: str, offset: int, size: int) -> int:
        """Add a slot; returns its index."""
        self.slots.append(Slot(kind, offset, size))
        return len(self.slots) - 1


@dataclass(frozen=True)
class Costs:
    """What one run is said to cost (JAX's cost_analysis)."""

    flops: float = 0.0
    transcendentals: float = 0.0
    bytes_accessed: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            object.__setattr__(self, name, float(value))


@dataclass
class Program:
    """All of a compiled module; functions[0] is the entry, whose parameters and results are the module's.

    A target's name stands for the target. Memory kinds that are left out are the default, for every parameter or result.
    """

    name: str
    target: Target
    parameters: list[TensorType]
    results: list[TensorType]
    result_alias: list[int]  # per result the parameter whose storage it takes over, or -1
    functions: list[Function] = field(default_factory=lambda: [])
    kernels: list[Kernel] = field(default_factory=lambda: [])
    constants: bytes = b""
    donated: frozenset[int] = frozenset()  # parameters that a run consumes, those that a result takes over among them
    parameter_memory: list[MemoryKind] = field(default_factory=lambda: [])
    result_memory: list[MemoryKind] = field(default_factory=lambda: [])
    parameter_sharding: list[bytes] = field(default_factory=lambda: [])  # an OpSharding each (xla_data.proto), or b""
    result_sharding: list[bytes] = field(default_factory=lambda: [])
    replicas: int = 1
    partitions: int = 1
    costs: Costs = Costs()
    stablehlo: bytes = b""  # the module it was compiled from, as MLIR bytecode: JAX's as_text() is made of it
    debug: bytes = b""  # where its commands come from (debug.py)

    def __post_init__(self) -> None:
        self.target = target(self.target)
        self.parameter_memory = self.parameter_memory or [MemoryKind.device] * len(self.parameters)
        self.result_memory = self.result_memory or [MemoryKind.device] * len(self.results)
        self.parameter_sharding = self.parameter_sharding or [b""] * len(self.parameters)
        self.result_sharding = self.result_sharding or [b""] * len(self.results)

    def encode(self) -> bytes:
        """Return the program's bytes."""
        from .program_bytes import encode_program

        return encode_program(self)

    @classmethod
    def decode(cls, data: bytes) -> Program:
        """Return the program that `data` encodes; DecodeError says where and why it is none."""
        from .program_bytes import decode_program

        return decode_program(data)

    def __str__(self) -> str:
        from .text import print_program

        return print_program(self, constants=False)

    def sources(self) -> Debug:
        """Return what the debug section says; DecodeError says what is wrong with it."""
        from .debug import decode_debug

        return decode_debug(self.debug)

    def launches(self) -> dict[str, int]:
        """Count the static launch sites by kind: cube, vector, mixed, aicpu."""
        counts = {"cube": 0, "vector": 0, "mixed": 0, "aicpu": 0}
        kinds = {"aic": "cube", "aiv": "vector", "mix": "mixed"}

        def visit(commands: list[Command]) -> None:
            for c in commands:
                if c.spec.name == "launch":
                    number: int = c.values[0]
                    counts[kinds[self.kernels[number].core]] += 1
                elif c.spec.name == "aicpu":
                    counts["aicpu"] += 1
                for inner in c.lists():
                    visit(inner)

        for function in self.functions:
            visit(function.commands)
        return counts
