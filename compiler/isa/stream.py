"""The stream level: commands a device queue runs, and the AICPU kernels it may call. Declared once, like instructions.

A command refers to buffers by slot: an index into the table of its function's slots. Encoding: head word (code,
length in words in the upper half), then the fields; a region is the length in words of its commands, then the commands.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandSpec:
    """A stream command; `fields` are (name, kind), `defaults` the values of the last of them.

    Kinds are slot, slots, kernel, function, int, ints, aicpu, region, regions and pairs (of slots).
    """

    name: str
    summary: str
    fields: tuple[tuple[str, str], ...]
    defaults: tuple[int, ...] = ()

    def default(self, name: str) -> int | None:
        """Return the value a field has when it is left out, None if it has to be there."""
        names = [n for n, _ in self.fields][len(self.fields) - len(self.defaults) :]
        return self.defaults[names.index(name)] if name in names else None


COMMANDS = (
    CommandSpec("launch", "Run a kernel: its grid's blocks over the cores; slots are its GM arguments.",
                (("kernel", "kernel"), ("slots", "slots"))),
    CommandSpec("aicpu", "Run an AICPU kernel on slots (results first) with static integers.",
                (("op", "aicpu"), ("slots", "slots"), ("ints", "ints"))),
    CommandSpec("copy", "Copy bytes from the start of source to the start of destination.",
                (("destination", "slot"), ("source", "slot"), ("bytes", "int"))),
    CommandSpec("loop",
                "while: run condition; stop if the i1 in predicate is 0; run body; exchange the storage of each pair "
                "of slots. trips is how often body runs, as far as the compiler knows (-1: not); execution does not ask.",
                (("predicate", "slot"), ("swaps", "pairs"), ("condition", "region"), ("body", "region"), ("trips", "int")),
                defaults=(-1,)),
    CommandSpec("case", "Run branch number index (i32; out of range: the last one).",
                (("index", "slot"), ("branches", "regions"))),
    CommandSpec("call", "Run a function on slots: its parameters, then its results, then its frame.",
                (("function", "function"), ("slots", "slots"))),
)  # fmt: skip


@dataclass(frozen=True)
class AicpuSpec:
    """A kernel that CANN too gives to the device's ARM cores, and why."""

    name: str
    summary: str  # slots and ints
    reason: str


AICPU = (
    AicpuSpec("sort",
              "slots: n results, n operands of equal shape; ints: n, rank, shape..., dimension, stable, then per "
              "operand its dtype, then the number of keys and per key: operand, descending, total order of floats",
              "comparison sort of any element type along any dimension; the vector unit sorts f32/f16 with 32-bit "
              "payload only"),
    AicpuSpec("top_k",
              "slots: values, indices i32, operand; ints: element dtype, rows, columns, k, largest",
              "partial sort with indices of any element type; equal elements keep their order, floats are in total order"),
)  # fmt: skip
