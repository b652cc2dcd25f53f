"""Exchanges with devices that are not there, or with arrays of other sizes than follow from each other."""

import numpy as np
from corpus import crafted

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.program.program import Function, Program, command

F4, F8, I4 = TensorType((4,), DType.f32), TensorType((8,), DType.f32), TensorType((4,), DType.i32)
C4, HUGE = TensorType((4,), DType.c64), TensorType((2**40, 2**40), DType.f32)


def exchange(kind, groups, results=(F4,), operands=(F4,), reduction="none", partitions=2, sizes=None):
    """A program whose exchange has frame slots of `sizes` bytes, or those of its types."""
    f = Function("main", frame_bytes=64 * 16)
    sizes = sizes or [min(t.bytes, 64) for t in (*results, *operands)]
    slots = [f.slot("frame", 64 * i, size) for i, size in enumerate(sizes)]
    f.commands = [command("collective", kind, slots, list(results), list(operands), reduction, groups)]
    return Program("x", "ascend910b", [], [], [], [f], partitions=partitions).encode(), []


BOTH = [[0, 1]]
CASES = {
    "a device that is not there": (("all_gather", [[0, 2]], [F8]), "no such device; expected 0 to 1, got 2"),
    "a negative device": (("all_gather", [[0, -1]], [F8]), "no such device; expected 0 to 1, got -1"),
    "the greatest device": (("collective_permute", [[0, 2**63 - 1]]), "no such device"),
    "a device in two groups": (("all_reduce", [[0, 1], [1]], [F4], [F4], "add"), "device 1 is listed twice"),
    "a device in no group": (("all_reduce", [[1]], [F4], [F4], "add"), "expected all 2 devices in groups, got 1"),
    "no groups": (("all_to_all", []), "expected a group, got none"),
    "an empty group": (("all_to_all", [[], [0, 1]]), "expected devices in each group, got none"),
    "groups of two sizes": (("all_gather", [[0], [1, 2]], [F4], [F4], "none", 3), "expected groups of one size"),
    "pairs of three": (("collective_permute", [[0, 1, 1]]), "expected pairs, got a group of 3"),
    "two that send to one": (("collective_permute", [[0, 1], [1, 1]]), "device 1 receives twice"),
    "one that sends to two": (("collective_permute", [[0, 1], [0, 0]]), "device 0 sends twice"),
    "no reduction": (("all_reduce", BOTH), "expected a reduction, got none"),
    "a reduction of what is moved": (("all_gather", BOTH, [F8], [F4], "add"), "expected no reduction"),
    "bits of floats": (("all_reduce", BOTH, [F4], [F4], "xor"), "an element type without this reduction"),
    "sums of complex numbers": (("all_reduce", BOTH, [C4], [C4], "add"), "an element type without this reduction"),
    "a result of another type": (("all_reduce", BOTH, [I4], [F4], "add"), "another element type than its operand"),
    "a result that is too small": (("all_gather", BOTH), "result 0 of 16 bytes does not follow from an operand of 16"),
    "parts that do not divide": (("all_to_all", [[0, 1, 2]], [F4], [F4], "none", 3), "does not follow from"),
    "a huge array": (("all_reduce", BOTH, [HUGE], [HUGE], "add"), "array 0 is too large"),
    "a small slot": (("all_reduce", BOTH, [F4], [F4], "add", 2, [16, 8]), "slot 1 is too small; expected 16 bytes"),
    "one slot for two arrays": (("all_reduce", BOTH, [F4], [F4], "add", 2, [16]), "expected 2 slots, got 1"),
    "more results than operands": (("all_reduce", BOTH, [F4, F4], [F4], "add"), "expected a result for each operand"),
    "very many devices": (("collective_permute", [], [F4], [F4], "none", 2**20), "expected at most 4096, got 1048576"),
    "ragged rows of two types": (
        ("ragged_all_to_all", BOTH, [F4], [I4, I4, I4, I4, I4]),
        "expected rows of one type",
    ),
    "ragged offsets in floats": (
        ("ragged_all_to_all", BOTH, [F4], [F4, F4, F4, F4, F4]),
        "expected offsets in i32 or i64",
    ),
    "ragged lists of two lengths": (
        ("ragged_all_to_all", BOTH, [F4], [F4, I4, I4, I4, TensorType((2,), DType.i32)]),
        "expected offsets and sizes of one type",
    ),
    "ragged pieces for half a member": (
        ("ragged_all_to_all", [[0, 1, 2]], [F4], [F4, I4, I4, I4, I4], "none", 3),
        "expected as many pieces for each of 3 members",
    ),
}
for name, (arguments, message) in CASES.items():
    crafted(load=message, name=name)(lambda arguments=arguments: exchange(*arguments))


@crafted(load="slot 0 is a constant and cannot be written")
def an_exchange_into_a_constant():
    f = Function("main", frame_bytes=64)
    slots = [f.slot("constant", 0, 16), f.slot("frame", 0, 16)]
    f.commands = [command("collective", "all_reduce", slots, [F4], [F4], "add", BOTH)]
    return Program("x", "ascend910b", [], [], [], [f], constants=bytes(64), partitions=2).encode(), []


@crafted(load="device_number: which; expected 0 or 1, got 2")
def a_third_number_of_a_device():
    f = Function("main", frame_bytes=64)
    f.commands = [command("device_number", f.slot("frame", 0, 4), 2)]
    return Program("x", "ascend910b", [], [], [], [f]).encode(), []


@crafted(load="device_number: slot 0 is too small")
def a_device_number_in_two_bytes():
    f = Function("main", frame_bytes=64)
    f.commands = [command("device_number", f.slot("frame", 0, 2), 0)]
    return Program("x", "ascend910b", [], [], [], [f]).encode(), []


@crafted(run="the devices wait for each other for ever")
def exchanges_that_only_one_device_comes_to():
    f = Function("main", frame_bytes=256)
    number, x = f.slot("frame", 0, 4), f.slot("frame", 64, 16)
    both = command("collective", "all_reduce", [x, x], [F4], [F4], "add", BOTH)
    f.commands = [command("device_number", number, 0), command("case", number, [[both], []])]
    return Program("x", "ascend910b", [], [], [], [f], partitions=2).encode(), []


@crafted(result=np.arange(4, dtype=np.float32))
def an_exchange_over_its_own_operand():
    """What overlaps gives some bytes or others, but leaves nobody else's alone."""
    f = Function("main", frame_bytes=256)
    p, r = f.slot("parameter", 0, 16), f.slot("result", 0, 16)
    wide, part = f.slot("frame", 0, 128), f.slot("frame", 64, 64)
    types = TensorType((32,), DType.f32), TensorType((16,), DType.f32)
    gather = command("collective", "all_gather", [wide, part], [types[0]], [types[1]], "none", BOTH)
    f.commands = [gather, command("copy", r, p, 16)]
    data = Program("x", "ascend910b", [F4], [F4], [-1], [f], partitions=2).encode()
    return data, [np.arange(4, dtype=np.float32)]
