"""The stream level: commands a device queue runs, and the AICPU kernels it may call. Declared once, like instructions.

A command refers to buffers by slot: an index into the table of its function's slots. Encoding: head word (code,
length in words in the upper half), then the fields in declared order:

    slot, kernel, function, int   the number
    slots                         count, then the numbers       pairs     count, then two numbers each
    commands                      length in words, then the commands          branches  count, then commands of each
    aicpu                         index of the kernel
    parameters (of that kernel)   a number or code each; lists after their count
    types                         count, then of each the element type's code, the rank and the dimensions
    ints                          count, then the numbers
    groups                        count, then of each its count and the numbers
    choice                        index of the value
    text                          length in bytes, then the bytes
    attributes (attributes.py)    count, then of each its name (text), its kind, and text, attributes, or the element
                                  type's code and the elements' bytes (as a text)
"""

from __future__ import annotations

from dataclasses import dataclass

from .aicpu import AicpuSpec, Parameter, Slots
from .fourier import FOURIER
from .lapack import LAPACK
from .model import Effect

SLOT_KINDS = ("parameter", "result", "constant", "frame")
SLOT_ALIGNMENT = 64  # bytes: where slots start in the constants and in a frame; buffers start so too


@dataclass(frozen=True)
class Field:
    """A field of a command; `effect` says what the command does to the slots it names (none: what it runs says)."""

    name: str
    # slot | slots | pairs (of slots) | kernel | function | int | ints | groups (of devices) | text | aicpu | parameters
    # | types | attributes | choice (of values) | commands | branches
    kind: str
    effect: Effect | None = None
    default: int | None = None  # the value of an int that is left out
    values: tuple[str, ...] = ()  # of a choice


@dataclass(frozen=True)
class CommandSpec:
    """A stream command."""

    name: str
    summary: str
    fields: tuple[Field, ...]


EXCHANGES = {
    "all_reduce": "results are the operands combined by `reduction` over the group, in its order",
    "reduce_scatter": "member i gets the i-th of equal parts of what all_reduce gives",
    "all_gather": "results are the members' operands one after the other",
    "all_to_all": "results are the i-th of equal parts of each member's operand one after the other, for member i",
    "collective_broadcast": "results are the operands of the first of the group; zeros on devices in no group",
    "collective_permute": "groups are pairs (source, target): results are the source's operands; zeros without one",
    "ragged_all_to_all": "operands are what is sent, then input offset, send size, output offset and receive size of k "
    "pieces for each member: piece j is send_sizes[j] rows from input_offsets[j] on, for member "
    "j // k, which finds them from output_offsets[j] on in its result; other rows stay",
}
"""Exchanges by the name of their op; parts are contiguous bytes."""

REDUCTIONS = ("none", "add", "mul", "max", "min", "and", "or", "xor")
"""How all_reduce and reduce_scatter combine: floats by add to min, halves of them in f32 and rounded once."""


COMMANDS = (
    CommandSpec("launch", "Run a kernel: its grid's blocks over the cores; slots are its GM arguments.",
                (Field("kernel", "kernel"), Field("slots", "slots"))),
    CommandSpec("aicpu", "Run an AICPU kernel on slots (results first) with named static parameters.",
                (Field("op", "aicpu"), Field("slots", "slots"), Field("parameters", "parameters"))),
    CommandSpec("copy", "Copy bytes from the start of source to the start of destination.",
                (Field("destination", "slot", Effect.write), Field("source", "slot", Effect.read),
                 Field("bytes", "int"))),
    CommandSpec("loop",
                "while: run condition; stop if the i1 in predicate is 0; run body; exchange the storage of each pair "
                "of slots. trips is how often body runs, as far as the compiler knows (-1: not); execution does not ask.",
                (Field("predicate", "slot", Effect.read), Field("swaps", "pairs", Effect.update),
                 Field("condition", "commands"), Field("body", "commands"), Field("trips", "int", default=-1))),
    CommandSpec("case", "Run branch number index (i32; out of range: the last one).",
                (Field("index", "slot", Effect.read), Field("branches", "branches"))),
    CommandSpec("call", "Run a function on slots: its parameters, then its results, then its frame.",
                (Field("function", "function"), Field("slots", "slots"))),
    CommandSpec("host_call",
                "Call a function of the process that compiled the program on slots (results first) with these types; "
                "callback is its number in that process, and no other can run the program. The device does other work "
                "meanwhile.",
                (Field("callback", "int"), Field("slots", "slots"), Field("results", "types"),
                 Field("operands", "types"))),
    CommandSpec("draw",
                "Write a number that no draw of this process has given before (u64, twice), counted from 0: what random "
                "numbers without a state start from.",
                (Field("number", "slot", Effect.write),)),
    CommandSpec("ffi_call",
                "Call the handler registered for a target (XLA's typed FFI) on slots (results first) with these types "
                "and attributes. tokens are the slots, by position, that stand for tokens. Who loads the program must "
                "have registered the target. The device does other work meanwhile.",
                (Field("target", "text"), Field("slots", "slots"), Field("results", "types"),
                 Field("operands", "types"), Field("tokens", "ints"), Field("attributes", "attributes"))),
    CommandSpec("device_number",
                "Write the number of the device's partition (which 0) or replica (which 1), u32.",
                (Field("number", "slot", Effect.write), Field("which", "int"))),
    CommandSpec("collective",
                "Exchange data with the other devices of the group that lists this one (EXCHANGES says how), on slots "
                "(results first) with these types. Devices are replica * partitions + partition. Each of the group comes to "
                "the same command; who waits for one that does not come fails.",
                (Field("exchange", "choice", values=tuple(EXCHANGES)), Field("slots", "slots"), Field("results", "types"),
                 Field("operands", "types"), Field("reduction", "choice", values=REDUCTIONS), Field("groups", "groups"))),
)  # fmt: skip


AICPU = (
    AicpuSpec("sort",
              "operands of equal shape, together along a dimension, by keys in order of significance: operands by "
              "number, each ascending or descending, floats in total order or with NaN last and -0 equal to 0",
              "comparison sort of any element type along any dimension; the vector unit sorts f32/f16 with 32-bit "
              "payload only",
              (Slots("results", Effect.write, "dtypes"), Slots("operands", Effect.read, "dtypes")),
              (Parameter("shape", "ints"), Parameter("dimension", "int", high=63), Parameter("stable", "bool"),
               Parameter("dtypes", "dtypes"), Parameter("keys", "ints"), Parameter("descending", "bools"),
               Parameter("total_order", "bools")),
              "prod(shape) * log2(shape[dimension]) * len(keys)"),
    AicpuSpec("top_k",
              "the first k of each row, and their columns as i32; floats in total order",
              "partial sort with indices of any element type; equal elements keep their order",
              (Slots("values", Effect.write), Slots("indices", Effect.write), Slots("operand", Effect.read)),
              (Parameter("dtype", "dtype"), Parameter("rows", "int"), Parameter("columns", "int", high=2**31 - 1),
               Parameter("k", "int", high=2**31 - 1), Parameter("largest", "bool")),
              "rows * columns * (1 + log2(k))"),
    *LAPACK,
    *FOURIER,
)  # fmt: skip


AICPU_BY_NAME = {spec.name: spec for spec in AICPU}
