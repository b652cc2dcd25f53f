"""Streams made to write what is not theirs, to overflow the stack or to work without end, each with what must stop it."""

import numpy as np
from corpus import crafted, launching, program

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.attributes import Numbers
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, command

F4 = TensorType((4,), DType.f32)
U4 = TensorType((4,), DType.u32)


def main(frame=0):
    return Function("main", frame_bytes=frame)


def one(f, **parts):
    """A program of one function, and no inputs."""
    return program([f], **parts), []


def filling(size=8):
    """A kernel that writes its one argument."""
    b = KernelBuilder("fill", "aiv", (1,))
    x = b.argument(DType.f32, size, writes=True)
    t = b.tile(Loc.vec, DType.f32, 1, size, address=0)
    b.texpands(t, 1.0)
    b.tstore(b.view(x, 0, (1, size), (size, 1)), t)
    return b.kernel


# ---- slots and storage


@crafted(load="slot 0 starts beyond its storage")
def constant_beyond_the_constants():
    f = main()
    f.slot("constant", 2**40, 2**40)
    return one(f)


@crafted(load="slot 1 starts at byte 68; expected a multiple of 64")
def frame_slot_between_elements():
    f = main(256)
    f.slot("frame", 64, 8), f.slot("frame", 68, 8)
    return one(f)


@crafted(load="slot 0 starts at byte 2; expected a multiple of 64")
def constant_between_elements():
    f = main()
    f.slot("constant", 2, 8)
    return one(f, constants=bytes(64))


@crafted(load=f"a slot's offset and size; expected 0 to {2**48}, got {2**63 - 1} and 8")
def parameter_of_the_greatest_number():
    f = main()
    f.slot("parameter", 2**63 - 1, 8)
    return one(f)


@crafted(load="a slot's offset and size; expected 0 to 281474976710656")
def frame_of_2_to_the_49_bytes():
    f = main(2**49)
    f.slot("frame", 0, 2**49)
    return one(f)


@crafted(load="no memory for 281474976710656 bytes")
def frame_of_2_to_the_48_bytes():
    f = main(2**48)
    f.slot("frame", 0, 2**48)
    return one(f)


@crafted(load="a tensor is too large")
def result_of_2_to_the_50_bytes():
    return one(main(), results=[TensorType((2**50,), DType.u8)], alias=[-1])


@crafted(load="a tensor is too large")
def result_whose_size_wraps():
    return one(main(), results=[TensorType((2**32, 2**32 - 1, 1), DType.u8)], alias=[-1])


@crafted(load="slot 0 is parameter or result 3, which does not exist")
def parameter_that_does_not_exist():
    f = main()
    f.slot("parameter", 3, 16)
    return one(f, parameters=[F4])


@crafted(load="slot 0 does not fit its storage; expected at most 16 bytes, got 1048576")
def slot_larger_than_its_parameter():
    f = main()
    f.slot("parameter", 0, 1 << 20)
    return one(f, parameters=[F4])


@crafted(load="result 0 aliases parameter 0 of another size")
def result_larger_than_the_parameter_it_takes_over():
    return one(main(), parameters=[F4], results=[TensorType((8,), DType.f32)], alias=[0])


@crafted(load="result 1 takes over parameter 0, as another result does")
def parameter_taken_over_twice():
    return one(main(), parameters=[F4], results=[F4, F4], alias=[0, 0])


@crafted(load="swaps slots of 8 and 128 bytes")
def swap_of_different_sizes():
    f = main(256)
    a, b = f.slot("frame", 0, 8), f.slot("frame", 64, 128)
    f.commands.append(command("loop", a, [(a, b)], [], []))
    return one(f)


@crafted()
def case_below_zero():
    f = main(64)
    index, minus = f.slot("frame", 0, 4), f.slot("constant", 0, 4)
    f.commands += [command("copy", index, minus, 4), command("case", index, [[], []])]
    return one(f, constants=np.int32([-1]).tobytes())


# ---- writes to what is not to be written


@crafted(load="slot 0 is a constant and cannot be written")
def copy_into_a_constant():
    f = main(8)
    c, d = f.slot("constant", 0, 8), f.slot("frame", 0, 8)
    f.commands.append(command("copy", c, d, 8))
    return one(f, constants=bytes(64))


def sort(f, result, operand, shape=(4,), dimension=0, dtypes=(DType.u32,), keys=(0,)):
    parameters = {
        "shape": shape, "dimension": dimension, "stable": True, "dtypes": dtypes, "keys": keys,
        "descending": [False] * len(keys), "total_order": [False] * len(keys),
    }  # fmt: skip
    slots = [result, operand] if len(dtypes) == 1 else [*result, *operand]
    f.commands.append(command("aicpu", "sort", slots, parameters))


def top_k(f, slots, rows, columns, k):
    parameters = {"dtype": DType.f32, "rows": rows, "columns": columns, "k": k, "largest": True}
    f.commands.append(command("aicpu", "top_k", list(slots), parameters))


@crafted(load="slot 0 is a constant and cannot be written")
def sort_into_a_constant():
    f = main(64)
    c, d = f.slot("constant", 0, 16), f.slot("frame", 0, 16)
    sort(f, c, d)
    return one(f, constants=bytes(64))


@crafted(load="slot 1 is a constant and cannot be written")
def top_k_into_a_constant():
    f = main(64)
    slots = f.slot("frame", 0, 16), f.slot("constant", 0, 16), f.slot("frame", 0, 16)
    top_k(f, slots, 1, 4, 4)
    return one(f, constants=bytes(64))


@crafted(load="slot 0 is a constant and cannot be written")
def kernel_that_writes_a_constant():
    f = main()
    f.commands.append(command("launch", 0, [f.slot("constant", 0, 32)]))
    return one(f, kernels=[filling()], constants=bytes(64))


@crafted(load="slot 0 is a constant and cannot be written")
def callee_that_writes_its_parameter():
    f, outer, inner = main(), Function("outer"), Function("inner")
    f.commands.append(command("call", 1, [f.slot("constant", 0, 32), f.slot("frame", 0, 0)]))
    outer.commands.append(command("call", 2, [outer.slot("parameter", 0, 32), outer.slot("frame", 0, 0)]))
    inner.commands.append(command("launch", 0, [inner.slot("parameter", 0, 32)]))
    return program([f, outer, inner], kernels=[filling()], constants=bytes(64)), []


@crafted(load="slot 0 is parameter 0, which no result takes over, and cannot be written")
def parameter_that_nobody_gave_away():
    f = main()
    f.commands.append(command("launch", 0, [f.slot("parameter", 0, 32)]))
    return one(f, parameters=[TensorType((8,), DType.f32)], kernels=[filling()])


# ---- AICPU kernels


@crafted(result=np.uint32([1, 2, 5, 9]))
def sort_in_place():
    f = main()
    x = f.slot("parameter", 0, 16)
    sort(f, x, x)
    return program([f], [U4], [U4], [0]), [np.uint32([5, 1, 9, 2])]


@crafted()
def sort_into_half_of_its_operand():
    f = main(1 << 20)
    sort(f, f.slot("frame", 64, 1 << 19), f.slot("frame", 0, 1 << 19), (1 << 17,))
    return one(f)


@crafted()
def sort_of_exchanged_operands():
    f = main(512)
    a, b = f.slot("frame", 0, 256), f.slot("frame", 64, 256)
    sort(f, (a, b), (b, a), (64,), dtypes=(DType.u32, DType.f32), keys=(0, 1))
    return one(f)


@crafted(load="slot 1 has 16 bytes; its shape takes 20")
def sort_past_its_operand():
    f = main(128)
    sort(f, f.slot("frame", 0, 32), f.slot("frame", 64, 16), (5,))
    return one(f)


@crafted(load="has 1000 keys; expected 1 to four per operand")
def sort_by_a_thousand_keys():
    f = main(128)
    a, b = f.slot("frame", 0, 16), f.slot("frame", 64, 16)
    sort(f, a, b, keys=(0,) * 1000)
    return one(f)


@crafted()
def sort_of_2_to_the_62_lines_of_nothing():
    f = main()
    a, b = f.slot("frame", 0, 0), f.slot("frame", 0, 0)
    for shape, dimension in (([0, 2**61, 2], 0), ([2**61, 2, 0], 2), ([2**61, 0, 5], 2)):
        sort(f, a, b, shape, dimension, (DType.u8,))
    return one(f)


@crafted()
def top_k_of_2_to_the_58_rows_of_nothing():
    f = main()
    top_k(f, [f.slot("frame", 0, 0) for _ in range(3)], 2**58, 0, 0)
    return one(f)


def potrf(f, slots, n, batch=1, dtype=DType.f32):
    parameters = {"dtype": dtype, "batch": batch, "n": n, "lower": True}
    f.commands.append(command("aicpu", "potrf", list(slots), parameters))


def getrf(f, slots, m, n, k, batch=1):
    parameters = {"dtype": DType.f32, "batch": batch, "m": m, "n": n, "k": k}
    f.commands.append(command("aicpu", "getrf", list(slots), parameters))


@crafted(load="slot 1 has 4 bytes; its shape takes 8")
def cholesky_without_room_for_info():
    f = main(1 << 10)
    potrf(f, [f.slot("frame", 0, 128), f.slot("frame", 128, 4), f.slot("frame", 256, 128)], 4, batch=2)
    return one(f)


@crafted(load="is of i32; expected f32, f64, c64 or c128")
def cholesky_of_integers():
    f = main(1 << 10)
    potrf(f, [f.slot("frame", 0, 64), f.slot("frame", 128, 4), f.slot("frame", 256, 64)], 4, dtype=DType.i32)
    return one(f)


@crafted(load="a shape of more than 2")
def cholesky_whose_size_wraps():
    f = main(1 << 10)
    potrf(f, [f.slot("frame", 0, 64), f.slot("frame", 128, 4), f.slot("frame", 256, 64)], 2**23, batch=2**31 - 1)
    return one(f)


@crafted()
def cholesky_of_2_to_the_31_matrices_of_nothing():
    f = main(1 << 10)
    nothing = f.slot("frame", 0, 0)
    getrf(f, [nothing] * 4, 0, 0, 0, batch=0)
    parameters = {"dtype": DType.c128, "batch": 0, "m": 2**31 - 1, "n": 2**31 - 1, "k": 2**31 - 1}
    parameters |= {"left": True, "lower": True, "transpose": 2, "unit": False}
    f.commands.append(command("aicpu", "trsm", [nothing] * 3, parameters))
    parameters = {"batch": 2**31 - 1, "m": 0, "k": 0}
    f.commands.append(command("aicpu", "pivots_to_permutation", [nothing] * 2, parameters))
    return one(f)


@crafted(load="expected k to be the smaller of m and n")
def lu_with_more_pivots_than_rows():
    f = main(1 << 10)
    a, b = f.slot("frame", 0, 64), f.slot("frame", 256, 64)
    getrf(f, [a, f.slot("frame", 512, 64), f.slot("frame", 640, 4), b], 4, 4, 9)
    return one(f)


def rfft(f, slots, n, k, batch=1):
    parameters = {"dtype": DType.f32, "batch": batch, "n": n, "k": k}
    f.commands.append(command("aicpu", "rfft", list(slots), parameters))


@crafted(load=r"expected k to be n / 2 \+ 1")
def spectrum_of_more_than_half():
    f = main(512)
    rfft(f, [f.slot("frame", 0, 128), f.slot("frame", 256, 32)], 8, 9)
    return one(f)


@crafted(load="slot 0 has 32 bytes; its shape takes 40")
def spectrum_beyond_its_slot():
    f = main(512)
    rfft(f, [f.slot("frame", 0, 32), f.slot("frame", 256, 32)], 8, 5)
    return one(f)


@crafted()
def spectrum_over_what_it_reads():
    f = main(1024)
    rfft(f, [f.slot("frame", 64, 520), f.slot("frame", 0, 512)], 128, 65)
    return one(f)


@crafted()
def lu_whose_slots_are_one_another():
    f = main(1 << 16)
    a = f.slot("frame", 0, 1 << 16)
    getrf(f, [a, a, a, a], 32, 32, 32, batch=16)
    return one(f)


@crafted()
def singular_values_written_over_their_matrix():
    f = main(1 << 16)
    a = f.slot("frame", 0, 1 << 16)
    parameters = {"dtype": DType.c64, "batch": 8, "m": 24, "n": 16, "k": 16, "columns": 16, "rows": 16, "vectors": 1}
    f.commands.append(command("aicpu", "svd", [a] * 6, parameters | {"divide": True}))
    parameters = {"dtype": DType.f32, "batch": 8, "n": 24, "lower": True, "vectors": True}
    f.commands.append(command("aicpu", "syevd", [a] * 4, parameters))
    return one(f)


@crafted()
def permutation_by_pivots_from_anywhere():
    f = main(1 << 10)
    pivots = np.int32([2**31 - 1, -(2**31), 3, -1])
    slots = [f.slot("frame", 0, 64), f.slot("constant", 0, 16)]
    f.commands.append(command("aicpu", "pivots_to_permutation", slots, {"batch": 1, "m": 16, "k": 4}))
    return one(f, constants=pivots.tobytes())


@crafted(load="slot 0 is a constant and cannot be written")
def cholesky_into_a_constant():
    f = main(1 << 10)
    potrf(f, [f.slot("constant", 0, 64), f.slot("frame", 128, 4), f.slot("frame", 256, 64)], 4)
    return one(f, constants=bytes(64))


# ---- depth and work


def chain(count, nesting=0, twice=False):
    """Functions that each call the next, inside `nesting` loops that never go round, or twice."""
    functions = []
    for n in range(count):
        f = Function(f"f{n}")
        frame, never = f.slot("frame", 0, 0), f.slot("constant", 0, 1)
        commands = [command("call", n + 1, [frame])] * (1 + twice) if n + 1 < count else []
        for _ in range(nesting):
            commands = [command("loop", never, [], commands, [])]
        f.commands = commands
        functions.append(f)
    return program(functions, constants=bytes(64)), []


@crafted(load=r"function f1\] calls itself")
def calls_in_a_circle():
    functions = []
    for n, following in enumerate((1, 2, 1)):
        f = Function(f"f{n}")
        f.commands.append(command("call", following, [f.slot("frame", 0, 0)]))
        functions.append(f)
    return program(functions), []


@crafted(load="call: no function 0")
def call_of_the_entry():
    f = main()
    f.commands.append(command("call", 0, [f.slot("frame", 0, 0)]))
    return one(f)


@crafted()
def calls_500_deep():
    return chain(500)


@crafted(load="calls are nested deeper than 500")
def calls_501_deep():
    return chain(501)


@crafted(load="calls are nested deeper than 500")
def calls_5_000_deep():
    return chain(5_000)


@crafted()
def loops_1_000_deep():
    return chain(1, 1000)


@crafted(load="commands are nested deeper than 2000")
def loops_5_000_deep():
    return chain(1, 5000)


@crafted()
def calls_and_loops_2_000_deep():
    return chain(250, 7)


@crafted(load="commands and those of functions called there are nested deeper than 2000")
def calls_and_loops_3_000_deep():
    return chain(100, 29)


@crafted()
def calls_that_double_16_times():
    return chain(16, twice=True)


@crafted(load="executes more commands than a run may")
def calls_that_double_40_times():
    return chain(40, twice=True)


@crafted(load="executes more commands than a run may")
def calls_that_double_400_times():
    return chain(400, twice=True)


# ---- types


@crafted(load="there is no entry function")
def program_without_functions():
    return program([]), []


@crafted(load="element types; expected the argument's; an index is i32 or i64, got i8, f32")
def tile_of_another_type_than_its_argument():
    b = KernelBuilder("types", "aiv", (1,))
    x = b.argument(DType.f32, 64)
    b.tload(b.tile(Loc.vec, DType.i8, 1, 64, address=0), b.view(x, 0, (1, 64), (64, 1)))
    return launching(b)


# ---- calls of the host


def host_call(callback, results, operands, slots=None, size=16, constant=False):
    """A program that calls a function of the host on pieces of its frame."""
    f = main(4096)
    pieces = [f.slot("frame", 64 * n, size) for n in range(len(results) + len(operands))]
    if constant:
        pieces[0] = f.slot("constant", 0, size)
    f.commands.append(command("host_call", callback, pieces if slots is None else slots, results, operands))
    return one(f, constants=bytes(64))


@crafted(load="calls functions of the process that compiled it")
def call_of_a_function_that_no_file_can_name():
    return host_call(7, [F4], [F4])


@crafted(load="host_call: no callback -1")
def call_of_a_negative_function():
    return host_call(-1, [F4], [F4])


@crafted(load="host_call: expected 2 slots, got 1")
def call_with_too_few_slots():
    return host_call(7, [F4], [F4], slots=[0])


@crafted(load="no such slot; expected 0 to 1, got 9")
def call_on_a_slot_that_does_not_exist():
    return host_call(7, [F4], [F4], slots=[0, 9])


@crafted(load="host_call, array 0: slot 0 is too small; expected 16 bytes, got 8")
def call_whose_result_does_not_fit():
    return host_call(7, [F4], [F4], size=8)


@crafted(load="host_call: array 1 is too large")
def call_on_an_array_whose_size_wraps():
    return host_call(7, [F4], [TensorType((2**32, 2**32 - 1, 2**32), DType.u8)])


@crafted(load="host_call: array 0 is too large")
def call_on_an_array_of_negative_size():
    return host_call(7, [TensorType((-4,), DType.f32)], [])


@crafted(load="slot 2 is a constant and cannot be written")
def call_that_writes_a_constant():
    return host_call(7, [F4], [F4], constant=True)


@crafted(load="draw: slot 0 is too small; expected 16 bytes, got 8")
def draw_into_half_a_slot():
    f = main(64)
    f.commands.append(command("draw", f.slot("frame", 0, 8)))
    return one(f)


@crafted(load="slot 0 is a constant and cannot be written")
def draw_into_a_constant():
    f = main(64)
    f.commands.append(command("draw", f.slot("constant", 0, 16)))
    return one(f, constants=bytes(64))


# ---- calls of handlers


def ffi_call(target="nobody", slots=(0, 1), size=16, tokens=(), attributes=(), results=None, constant=False):
    """A program that calls a handler on two pieces of its frame, the first of which is the result."""
    f = main(4096)
    pieces = [f.slot("constant" if constant else "frame", 0, size), f.slot("frame", 64, size)]
    results = [F4] if results is None else results
    f.commands.append(command("ffi_call", target, [pieces[s] for s in slots], results, [F4], list(tokens), attributes))
    return one(f, constants=bytes(64))


@crafted(load="calls functions of the process that compiled it")
def call_of_a_handler_that_nobody_has_registered():
    return ffi_call("nobody\x00\n")


@crafted(load="ffi_call: it names no target")
def call_of_a_handler_without_a_name():
    return ffi_call("")


@crafted(load="ffi_call: expected 2 slots, got 1")
def call_of_a_handler_with_too_few_slots():
    return ffi_call(slots=[0])


@crafted(load="ffi_call, array 0: slot 0 is too small; expected 16 bytes, got 8")
def call_of_a_handler_whose_result_does_not_fit():
    return ffi_call(size=8)


@crafted(load="ffi_call: array 0 is too large")
def call_of_a_handler_on_an_array_whose_size_wraps():
    return ffi_call(results=[TensorType((2**32, 2**32), DType.u8)])


@crafted(load="slot 0 is a constant and cannot be written")
def call_of_a_handler_that_writes_a_constant():
    return ffi_call(constant=True)


@crafted(load="ffi_call: tokens; expected positions of arrays, ascending, got 2")
def call_of_a_handler_with_a_token_beyond_its_arrays():
    return ffi_call(tokens=[0, 2])


@crafted(load="ffi_call: tokens; expected positions of arrays, ascending, got 0")
def call_of_a_handler_with_a_token_twice():
    return ffi_call(tokens=[0, 0])


@crafted(load="ffi_call: attribute 1 is out of order")
def call_of_a_handler_with_names_out_of_order():
    return ffi_call(attributes=(("b", "x"), ("a", "y")))


@crafted(load="ffi_call: attribute 0; expected 8 bytes, got 4")
def call_of_a_handler_with_a_short_scalar():
    return ffi_call(attributes=(("d", (("x", Numbers(DType.f64, bytes(4), True)),)),))


@crafted(load="ffi_call: attribute 0; expected elements of 8 bytes, got 12 bytes")
def call_of_a_handler_with_half_an_element():
    return ffi_call(attributes=(("x", Numbers(DType.f64, bytes(12), False)),))


@crafted(load="attributes are nested deeper than")
def call_of_a_handler_with_attributes_without_end():
    attributes = (("x", "leaf"),)
    for _ in range(2100):
        attributes = (("x", attributes),)
    return ffi_call(attributes=attributes)
