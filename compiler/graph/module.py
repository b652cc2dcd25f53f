"""The Module: a whole program as Graphs, with what is known of its parameters and results."""

from __future__ import annotations

from dataclasses import dataclass, field

from .graph import Graph
from .sharding import Mesh, Sharding


@dataclass
class Module:
    """A program as a Graph, with what PJRT needs to know about its parameters and results.

    `aliases[i]` is the parameter whose storage result i takes, or None; `donated` lists the parameters that are
    consumed by the call (aliased ones included). A module over several partitions has the `mesh` of all its shardings; once it
    is partitioned, `main` is what each device runs, on parts of the parameters and results that lie as their shardings say,
    and `notes` tell the user what is slower than it looks. `inspected` are numbers of functions that want to know how a value lies, and
    how it does, None being everywhere.
    """

    name: str
    main: Graph
    aliases: list[int | None]
    donated: list[int]
    num_partitions: int = 1
    num_replicas: int = 1
    parameter_memories: list[str] = field(default_factory=lambda: [])  # "" is the default; left out, all are there
    result_memories: list[str] = field(default_factory=lambda: [])
    parameter_names: list[str] = field(default_factory=lambda: [])  # as JAX calls them; left out, nobody knows
    result_names: list[str] = field(default_factory=lambda: [])
    mesh: Mesh | None = None
    parameter_shardings: list[Sharding] = field(default_factory=lambda: [])
    result_shardings: list[Sharding | None] = field(default_factory=lambda: [])
    notes: list[str] = field(default_factory=lambda: [])
    inspected: list[tuple[int, Sharding | None]] = field(default_factory=lambda: [])

    def __post_init__(self) -> None:
        self.parameter_memories = self.parameter_memories or [""] * len(self.main.arguments)
        self.result_memories = self.result_memories or [""] * len(self.main.results)
