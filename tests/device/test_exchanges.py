"""Exchanges between devices on the executor: every kind and element type against the reference, bit by bit."""

import numpy as np
import pytest
from executor import plugin
from test_stream import add_kernel, less_kernel

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.stream import REDUCTIONS
from jax_ascend.compiler.program.program import Function, Program, command
from jax_ascend.compiler.reference.stream import run_on_devices

ALL = [[0, 1, 2, 3]]
PAIRS = [[0, 2], [3, 1]]
INTEGERS = [d for d in DType if d.kind in "iu" and d.name[1:] in ("8", "16", "32", "64")]
FLOATS = [DType.f16, DType.bf16, DType.f32, DType.f64]


def exchange_program(kind, results, operands, groups, reduction="none", devices=4, parameters=None):
    """A program of one exchange; ragged ones take what the result starts as as parameter 0, which it takes over."""
    parameters, f = operands if parameters is None else parameters, Function("main")
    alias = [-1] * len(results) if parameters is operands else [0]
    slots = [
        f.slot("result" if a < 0 else "parameter", i if a < 0 else a, t.bytes)
        for i, (t, a) in enumerate(zip(results, alias))
    ]
    first = len(parameters) - len(operands)
    slots += [f.slot("parameter", first + i, t.bytes) for i, t in enumerate(operands)]
    f.commands = [command("collective", kind, slots, results, operands, reduction, groups)]
    return Program("x", "ascend910b", list(parameters), list(results), alias, [f], partitions=devices)


def run(program, inputs):
    runner = plugin.ProgramRunner(program.encode())
    for d, values in enumerate(inputs):
        for i, value in enumerate(values):
            runner.write(i, np.ascontiguousarray(value).tobytes(), d)
    runner.run()
    types = program.results
    return [
        [np.frombuffer(runner.read(i, d), t.dtype.numpy).reshape(t.shape) for i, t in enumerate(types)]
        for d in range(len(inputs))
    ]


def check(program, inputs):
    expected = run_on_devices(program, [[np.array(v) for v in values] for values in inputs])
    found = run(program, inputs)
    for e, f in zip(expected, found, strict=True):
        for a, b in zip(e, f, strict=True):
            assert a.tobytes() == b.tobytes()
    return found


def numbers(type, seed):
    rng = np.random.default_rng(seed)
    if type.dtype.kind == "b":
        return rng.random(type.shape) < 0.5
    if type.dtype.kind in "iu":
        return rng.integers(0, 256, type.bytes, np.uint8).view(type.dtype.numpy).reshape(type.shape)
    return rng.standard_normal(type.shape).astype(type.dtype.numpy)


def inputs_of(program, devices=4):
    return [[numbers(t, 10 * d + i) for i, t in enumerate(program.parameters)] for d in range(devices)]


@pytest.mark.parametrize("variant", plugin.simd_variants())
@pytest.mark.parametrize("reduction", REDUCTIONS[1:])
def test_reductions_of_every_type(reduction, variant):
    types = [DType.i1] if reduction in ("and", "or", "xor") else FLOATS
    plugin.set_simd_variant(variant)
    try:
        for dtype in [*types, *INTEGERS]:
            for size in (0, 1, 7, 300):
                type = TensorType((size,), dtype)
                for groups in (ALL, PAIRS, [[2], [0, 3, 1]]):
                    program = exchange_program("all_reduce", [type], [type], groups, reduction)
                    check(program, inputs_of(program))
    finally:
        plugin.set_simd_variant(plugin.simd_variants()[0])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("reduction", ["max", "min", "add"])
def test_a_nan_of_any_device_is_the_result(dtype, reduction):
    type = TensorType((20,), dtype)
    program = exchange_program("all_reduce", [type], [type], ALL, reduction)
    for where in range(4):
        inputs = inputs_of(program)
        inputs[where][0][3] = np.nan
        for (result,) in check(program, inputs):
            assert np.isnan(result[3]) and np.isnan(result).sum() == 1


def test_halves_are_rounded_once():
    """1 + 4 * 2^-9 in bf16: each addend alone would be lost."""
    type = TensorType((1,), DType.bf16)
    program = exchange_program("all_reduce", [type], [type], [[0, 1, 2, 3, 4]], "add", 5)
    inputs = [[np.array([v], DType.bf16.numpy)] for v in (1, *[2.0**-9] * 4)]
    assert all(float(r[0][0]) == 1 + 2**-7 for r in run(program, inputs))


@pytest.mark.parametrize("size", [0, 1, 5, 70_000])
@pytest.mark.parametrize("groups", [ALL, PAIRS], ids=["all", "pairs"])
@pytest.mark.parametrize("dtype", [DType.i1, DType.i4, DType.bf16, DType.f32, DType.c128], ids=str)
def test_parts_are_moved(dtype, groups, size):
    n = len(groups[0])
    part, whole = TensorType((size,), dtype), TensorType((n, size), dtype)
    for kind, results, operands in (
        ("all_gather", [whole], [part]),
        ("all_to_all", [whole], [whole]),
        ("collective_broadcast", [whole, part], [whole, part]),
        ("collective_permute", [part], [part]),
    ):
        pairs = [[0, 1], [1, 3]] if groups is PAIRS else [[d, (d + 1) % 4] for d in range(4)]
        program = exchange_program(kind, results, operands, pairs if kind == "collective_permute" else groups)
        check(program, inputs_of(program))


@pytest.mark.parametrize("size", [0, 3, 30_000])
def test_scattered_sums(size):
    part, whole = TensorType((size,), DType.f16), TensorType((4, size), DType.f16)
    program = exchange_program("reduce_scatter", [part], [whole], ALL, "add")
    check(program, inputs_of(program))


def test_devices_in_no_group_get_zeros():
    type = TensorType((5,), DType.f32)
    program = exchange_program("collective_broadcast", [type], [type], [[2, 0]])
    found = check(program, inputs_of(program))
    assert not found[1][0].any() and not found[3][0].any() and found[0][0].tobytes() == found[2][0].tobytes()


def ragged(rows=6, pieces=2, dtype=DType.i32):
    sent, kept, lists = (
        TensorType((rows, 3), DType.f32),
        TensorType((9, 3), DType.f32),
        TensorType((2 * pieces,), dtype),
    )
    operands = [sent, lists, lists, lists, lists]
    return exchange_program("ragged_all_to_all", [kept], operands, [[0, 1]], devices=2, parameters=[kept, *operands])


@pytest.mark.parametrize("dtype", [DType.i32, DType.i64], ids=str)
def test_ragged_rows(dtype):
    program = ragged(dtype=dtype)
    inputs = inputs_of(program, 2)
    for d in range(2):
        lists = ([0, 2, 2, 5], [2, 0, 3, 1], [0 + 4 * d, 0, 2 + 4 * d, 1], [0, 0, 0, 0])
        inputs[d][2:] = [np.array(v, dtype.numpy) for v in lists]
    check(program, inputs)


@pytest.mark.parametrize(
    ("which", "value"), [(2, -1), (2, 7), (2, 2**31 - 1), (3, -1), (3, 7), (3, 2**31 - 1), (4, -1), (4, 9)]
)
def test_ragged_rows_that_are_not_there(which, value):
    program = ragged()
    inputs = inputs_of(program, 2)
    for d in range(2):
        inputs[d][2:] = [np.array(v, np.int32) for v in ([0] * 4, [1] * 4, [0] * 4, [1] * 4)]
    inputs[1][which][2] = value
    with pytest.raises(RuntimeError, match=r"ragged_all_to_all\] device 1 sends .* on device 1; expected"):
        run(program, inputs)


def looping(limits):
    """x = parameter; while x[0] < limits: x = all_reduce(x) + 1; each device has a limit of its own by its parameter."""
    type = TensorType((8,), DType.i32)
    f = Function("main", frame_bytes=256)
    p, r = f.slot("parameter", 0, 32), f.slot("result", 0, 32)
    a, b, t = f.slot("frame", 0, 32), f.slot("frame", 64, 32), f.slot("frame", 128, 1)
    body = [command("collective", "all_reduce", [b, a], [type], [type], "max", [[0, 1]]), command("launch", 0, [b, a])]
    f.commands = [
        command("copy", a, p, 32),
        command("loop", t, [], [command("launch", 1, [a, t])], body),
        command("copy", r, a, 32),
    ]
    kernels = [add_kernel(8, 1), less_kernel(limits)]
    return Program("x", "ascend910b", [type], [type], [-1], [f], kernels, partitions=2)


def test_an_exchange_in_a_loop():
    for (result,) in run(looping(5), [[np.full(8, 0, np.int32)], [np.full(8, 2, np.int32)]]):
        np.testing.assert_array_equal(result, 5)


def test_a_device_that_does_not_come_is_an_error_at_once():
    """Device 1 starts beyond the limit, and so makes no trip."""
    with pytest.raises(
        RuntimeError,
        match=r"wait for each other for ever; .*device 0 \(ascend:0\) is at command 3 of main, all_reduce with devices "
        r"0 1; device 1 \(ascend:1\) has ended",
    ):
        run(looping(5), [[np.full(8, 0, np.int32)], [np.full(8, 9, np.int32)]])


def test_device_numbers():
    type = TensorType((), DType.u32)
    f = Function("main")
    slots = [f.slot("result", i, 4) for i in range(2)]
    f.commands = [command("device_number", s, i) for i, s in enumerate(slots)]
    join = [f.slot("frame", 64 * i, 4) for i in range(2)]
    f.frame_bytes = 128
    f.commands.append(command("collective", "all_reduce", join, [type], [type], "add", [list(range(6))]))
    program = Program("x", "ascend910b", [], [type, type], [-1, -1], [f], replicas=2, partitions=3)
    found = run(program, [[]] * 6)
    assert [(int(p), int(r)) for p, r in found] == [(d % 3, d // 3) for d in range(6)]


def test_delays_change_nothing():
    """Whoever comes first in 1,000 runs: the same bits, and no hang."""
    type = TensorType((1000,), DType.f32)
    f = Function("main", frame_bytes=8192)
    p, r, x = f.slot("parameter", 0, 4000), f.slot("result", 0, 4000), f.slot("frame", 0, 4000)
    groups = [[3, 1, 0, 2], [7, 6, 5, 4]]
    f.commands = [
        command("collective", "all_reduce", [x, p], [type], [type], "add", groups),
        command("collective", "all_reduce", [r, x], [type], [type], "add", [[d, d + 4] for d in range(4)]),
    ]
    runner = plugin.ProgramRunner(Program("x", "ascend910b", [type], [type], [-1], [f], partitions=8).encode())
    for d in range(8):
        runner.write(0, numbers(type, d).tobytes(), d)
    runner.run()
    expected = runner.read(0)
    plugin.set_delays(7, 20)
    try:
        for _ in range(10):
            runner.run(100)
            assert all(runner.read(0, d) == expected for d in range(8))
    finally:
        plugin.set_delays(0, 0)
