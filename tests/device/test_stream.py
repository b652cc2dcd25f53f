"""Stream commands on the executor, and many threads running programs at once."""

import threading
import time

import numpy as np
from executor import plugin, run_device
from test_cube import arguments, matmul_kernel
from test_strips import Tiles, whole

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, command
from jax_ascend.compiler.reference import run_program


def add_kernel(size, value):
    """result = source + value"""
    b = KernelBuilder("add", "aiv", (1,))
    x, out = b.argument(DType.i32, size), b.argument(DType.i32, size, True)
    t = Tiles(b, 1, size)(DType.i32)
    b.tload(t, whole(b, x, 1, size))
    b.tadds(t, t, value)
    b.tstore(whole(b, out, 1, size), t)
    return b.kernel


def less_kernel(limit):
    """result = source[0] < limit"""
    b = KernelBuilder("less", "aiv", (1,))
    x, out = b.argument(DType.i32, 8), b.argument(DType.i1, 1, True)
    t = b.tile(Loc.vec, DType.i32, 1, 8, address=0)
    p = b.tile(Loc.vec, DType.i1, 1, 32, (1, 8), address=64)
    b.tload(t, whole(b, x, 1, 8))
    b.tcmps(p, t, limit, "lt")
    q = b.tile(Loc.vec, DType.i1, 1, 32, (1, 1), address=64)
    b.treshape(q, p)
    b.tstore(b.view(out, 0, (1, 1), (0, 1)), q)
    return b.kernel


def counting_program(limit):
    """x = parameter; while x[0] < limit: x += 1 (swapping two buffers), by a call in its body; then case on x's last digit."""
    type = TensorType((8,), DType.i32)
    main, step = Function("main"), Function("step")
    p, r = main.slot("parameter", 0, 32), main.slot("result", 0, 32)
    a, b, t = main.slot("frame", 0, 32), main.slot("frame", 64, 32), main.slot("frame", 128, 1)
    index, callee_frame = main.slot("parameter", 1, 4), main.slot("frame", 192, 64)
    q, s, f = step.slot("parameter", 0, 32), step.slot("result", 0, 32), step.slot("frame", 0, 32)
    step.frame_bytes, main.frame_bytes = 64, 256
    step.commands = [command("launch", 0, [q, f]), command("copy", s, f, 32)]
    main.commands = [
        command("copy", a, p, 32),
        command("loop", t, [(a, b)], [command("launch", 1, [a, t])], [command("call", 1, [a, b, callee_frame])]),
        command("case", index, [[command("copy", r, a, 32)], [command("launch", 2, [a, r])]]),
    ]
    kernels = [add_kernel(8, 1), less_kernel(limit), add_kernel(8, 1000)]
    return Program("count", "ascend910b", [type, TensorType((), DType.i32)], [type], [-1], [main, step], kernels)


def test_loop_case_call():
    x = np.arange(8, dtype=np.int32)
    for index in (0, 1, 2, -5):
        program = counting_program(13)
        inputs = [x, np.array(index, np.int32)]
        expected = run_program(program, inputs)
        np.testing.assert_array_equal(run_device(program, inputs)[0], expected[0])


def test_loops_are_cheap():
    """Not a measurement, but ten thousand iterations of four commands must not take seconds."""
    start = time.perf_counter()
    found = run_device(counting_program(10000), [np.arange(8, dtype=np.int32), np.array(0, np.int32)])
    assert found[0][0] == 10000
    assert time.perf_counter() - start < 5


def test_many_threads():
    """Programs of all kinds at once from 24 threads, each with its own inputs."""
    kernels = [matmul_kernel(DType.f32, DType.f32, 48, 64, 32, steps=2)]
    b = KernelBuilder("blocks", "aiv", (16,))
    x, out = b.argument(DType.f32, 16 * 4096), b.argument(DType.f32, 16 * 4096, True)
    tile = Tiles(b, 4, 1024)
    s, t = tile(), tile()
    b.tload(s, whole(b, x, 4, 1024, offset=b.blocks[0] * 4096))
    b.texp(t, s)
    b.tadd(t, t, s)
    b.tstore(whole(b, out, 4, 1024, offset=b.blocks[0] * 4096), t)
    kernels.append(b.kernel)
    from executor import program_of

    cases = []
    for k in kernels:
        for seed in range(2):
            given = arguments(k, seed)
            cases.append((program_of(k).encode(), given, run_device(program_of(k), given)[0]))
    cases.append(
        (counting_program(50).encode(), [np.zeros(8, np.int32), np.array(0, np.int32)], np.full(8, 50, np.int32))
    )
    wrong = []

    def work(number):
        for i in range(12):
            data, given, expected = cases[(number + i) % len(cases)]
            if not np.array_equal(
                run_device(data, given, times=3)[0] if "count" in str(data[:200]) else run_device(data, given)[0],
                expected,
            ):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_threads_can_be_set():
    k = matmul_kernel(DType.f32, DType.f32, 48, 64, 32)
    given = arguments(k)
    from executor import program_of

    expected = run_device(program_of(k), given)[0]
    for n in (1, 4, 2) * 50:  # often: a worker may be about to sleep when it is stopped
        plugin.set_threads(n)
        np.testing.assert_array_equal(run_device(program_of(k), given)[0], expected)
