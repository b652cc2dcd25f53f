"""Functions of the host that programs call: what they see, when they are called, and what becomes of what they raise.

What XLA:CPU does with the same function is the expectation, unless the test says more.
"""

import gc
import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import checkify, io_callback, serialize_executable
from jax.experimental.buffer_callback import buffer_callback
from test_processes import run

import jax_ascend
from jax_ascend import callbacks

F32 = jax.ShapeDtypeStruct((), jnp.float32)


class Record:
    """A function of the host that writes down what it is called with."""

    def __init__(self):
        self.calls = []

    def __call__(self, *arguments):
        self.calls.append([np.asarray(a).tolist() for a in arguments])


def fail(*arguments):
    raise ValueError("boom")


def on(device, function, *arguments):
    """Return the results of a jitted function as NumPy arrays, and what its record was called with, on this device."""
    record = Record()
    with jax.default_device(device):
        results = jax.tree.map(np.asarray, jax.jit(partial(function, record))(*jax.device_put(arguments, device)))
        jax.effects_barrier()
    return results, record.calls


def scan(record, c):
    def body(c, i):
        jax.debug.callback(record, c, i, ordered=True)
        return c * 2, io_callback(lambda a: np.float32(a + 1), F32, c, ordered=True)

    return lax.scan(body, c, jnp.arange(4))


def while_of_unknown_length(record, x):
    def body(s):
        jax.debug.callback(record, *s, ordered=True)
        return s[0] + 1, s[1] * 3

    return lax.while_loop(lambda s: s[1] < 100, body, (0, x))


def condition_of_a_while(record, n):
    def again(i):
        jax.debug.callback(record, i, ordered=True)
        return i < n

    return lax.while_loop(again, lambda i: i + 1, 0)


def unused_loop(record, x):
    def body(i, s):
        jax.debug.callback(record, i, ordered=True)
        return s

    lax.fori_loop(0, 5, body, x)
    return x + 1


def loop_in_a_branch(record, p):
    def loop(_):
        return lax.fori_loop(0, 3, lambda i, s: (jax.debug.callback(record, i, s, ordered=True), s + i)[1], 10)

    return lax.cond(p > 0, loop, lambda _: (jax.debug.callback(record, ordered=True), 7)[1], p)


def several_in_order(record, x):
    for i in range(6):
        jax.debug.callback(partial(record, i), x * i, ordered=True)
        jax.debug.callback(partial(record, 10 + i), x + i)
        io_callback(partial(record, 20 + i), None, ordered=True)
    return x


def gradient(record, x):
    def f(x):
        jax.debug.callback(record, x)
        return jnp.sin(x) * x

    return jax.grad(f)(x), jax.jvp(f, (x,), (x,)), jax.grad(jax.checkpoint(f))(x)


def batch(record, x):
    return jax.vmap(lambda x: (jax.debug.callback(record, x), x * 2)[1])(x)


def twice_from_one_function(record, x):
    call = jax.jit(lambda x: io_callback(lambda v: (record(v), np.float32(v + 1))[1], F32, x))
    return call(call(x)) + call(x)


def pure_that_nobody_needs(record, x):
    jax.pure_callback(lambda v: (record(v), np.float32(1))[1], F32, x)
    return x


PLACES = {
    "scan": (scan, [np.float32(1)]),
    "while": (while_of_unknown_length, [np.float32(1)]),
    "condition of a while": (condition_of_a_while, [np.int32(3)]),
    "loop whose result nobody uses": (unused_loop, [np.float32(1)]),
    "branch taken": (loop_in_a_branch, [np.int32(1)]),
    "other branch": (loop_in_a_branch, [np.int32(0)]),
    "several in order": (several_in_order, [np.float32(2)]),
    "gradient": (gradient, [np.float32(0.5)]),
    "vmap": (batch, [np.arange(4, dtype=np.float32)]),
    "one function called three times": (twice_from_one_function, [np.float32(1)]),
    "pure, not needed": (pure_that_nobody_needs, [np.float32(1)]),
}

UNORDERED = {"several in order", "one function called three times"}


@pytest.mark.parametrize("name", PLACES)
def test_called_as_often_and_in_order(name, device):
    function, arguments = PLACES[name]
    results, calls = on(device, function, *arguments)
    expected, wanted = on(jax.devices("cpu")[0], function, *arguments)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), results, expected)
    if name in UNORDERED:  # XLA:CPU has an order of its own, this device that of the program
        calls, wanted = sorted(calls), sorted(wanted)
    assert calls == wanted


def test_unordered_ones_keep_the_order_of_the_program(device):
    """Among themselves, and with the ordered ones."""
    _, calls = on(device, several_in_order, np.float32(2))
    assert calls == [call for i in range(6) for call in ([i, 2.0 * i], [10 + i, 2.0 + i], [20 + i])]


def test_called_in_the_thread_that_calls_the_program(device):
    threads = []
    x = jax.device_put(np.ones((300, 300), np.float32), device)
    program = jax.jit(
        lambda x: (jax.debug.callback(lambda v: threads.append(threading.current_thread()), (x @ x)[0, 0]), x)[1]
    )
    program(x)
    other = threading.Thread(target=program, args=(x,))
    other.start()
    other.join()
    assert threads == [threading.current_thread(), other]


def test_a_loop_that_carries_nothing(device):
    """XLA:CPU of jaxlib 0.10.2 ends the process here."""
    answers = iter([True, True, True, False])
    again = lambda _: io_callback(lambda: np.bool_(next(answers)), jax.ShapeDtypeStruct((), bool))  # noqa: E731
    with jax.default_device(device):
        jax.block_until_ready(jax.jit(lambda: lax.while_loop(again, lambda c: c, ()))())
    assert list(answers) == []


TYPES = (
    *(jnp.bool_, jnp.int2, jnp.uint2, jnp.int4, jnp.uint4, jnp.int8, jnp.uint8, jnp.int16, jnp.uint16, jnp.int32),
    *(jnp.uint32, jnp.float16, jnp.bfloat16, jnp.float32, jnp.float8_e4m3fn, jnp.float8_e5m2, jnp.complex64),
)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: np.dtype(t).name)
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0,), (2, 0, 3), (1, 1, 1, 1, 1, 2)], ids=str)
def test_types_and_shapes(dtype, shape, device):
    x = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    seen = []

    def give(a, b):
        seen.append((np.asarray(a).dtype, np.asarray(a).shape))
        return np.asarray(b), np.asarray(a)

    @jax.jit
    def program(x):
        y = x if dtype is jnp.bool_ or np.dtype(dtype).itemsize == 1 else x * 1  # of the graph, not a parameter
        return jax.pure_callback(give, (x, x), y, jnp.zeros_like(x))

    zeros, same = program(jax.device_put(x, device))
    assert same.dtype == zeros.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(np.asarray(same), x)
    np.testing.assert_array_equal(np.asarray(zeros), np.zeros_like(x))
    assert seen in ([(x.dtype, shape)], []), "called at most once; a result without elements need not be asked for"
    assert seen or x.size == 0


def test_f64_and_i64(device):
    with jax.enable_x64(True):
        x = jax.device_put(np.array([1e300, -2.5]), device)
        y = jax.jit(lambda x: jax.pure_callback(lambda v: np.asarray(v) / 3, x, x) * 2)(x)
        np.testing.assert_array_equal(np.asarray(y), np.asarray(x) / 3 * 2)
        n = jax.device_put(np.array([2**62, -1]), device)
        m = jax.jit(lambda x: jax.pure_callback(lambda v: np.asarray(v) + 1, x, x))(n)
        assert np.asarray(m).tolist() == [2**62 + 1, 0]


def test_constants_and_no_operands(device):
    def program():
        many = jax.pure_callback(lambda *v: sum(map(np.asarray, v)), jax.ShapeDtypeStruct((3,), np.float32),
                                 np.arange(3, dtype=np.float32), jnp.ones(3), jnp.full(3, 2.0))  # fmt: skip
        return many + jax.pure_callback(lambda: np.float32(10), F32)

    with jax.default_device(device):
        assert np.asarray(jax.jit(program)()).tolist() == [13, 14, 15]


@pytest.mark.parametrize(
    "method", ["sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized"]
)
def test_vmap_methods(method, device):
    def add(a, b):
        shape = jax.ShapeDtypeStruct(jnp.broadcast_shapes(a.shape, b.shape), a.dtype)
        return jax.pure_callback(lambda a, b: np.asarray(a) + np.asarray(b), shape, a, b, vmap_method=method)

    x = jax.device_put(np.arange(6.0, dtype=np.float32).reshape(2, 3), device)
    np.testing.assert_array_equal(np.asarray(jax.jit(jax.vmap(add, (1, None)))(x, x[:, 0])), np.asarray(x.T + x[:, 0]))


def test_eager(device):
    record = Record()
    with jax.default_device(device):
        x = jnp.arange(3.0)
        assert np.asarray(jax.pure_callback(lambda v: np.asarray(v) + 1, x, x)).tolist() == [1, 2, 3]
        assert np.asarray(io_callback(lambda v: np.asarray(v) * 2, x, x)).tolist() == [0, 2, 4]
        jax.debug.callback(record, x, ordered=True)
        jax.debug.callback(record, x)
        jax.effects_barrier()
    assert record.calls == [[[0, 1, 2]]] * 2


def test_prints(device, capsys):
    with jax.default_device(device):
        f = jax.jit(lambda x: [jax.debug.print("{a} {b}", a=x, b=x + i, ordered=i > 0) for i in range(3)][:0])
        f(1.0)
        f(2.0)
        print("after")
    assert capsys.readouterr().out.splitlines() == [
        "1.0 1.0",
        "1.0 2.0",
        "1.0 3.0",
        "2.0 2.0",
        "2.0 3.0",
        "2.0 4.0",
        "after",
    ]


def test_breakpoint():
    out = run("""
    import io, sys
    import jax, jax.numpy as jnp
    sys.stdin = io.StringIO("p y\\nc\\n")
    def f(x):
        y = x + 41
        jax.debug.breakpoint(backend="cli", stdin=sys.stdin, stdout=sys.stdout)
        return y
    print(float(jax.jit(f)(jnp.float32(1))), flush=True)
    jax.effects_barrier()
    """, JAX_PLATFORMS="ascend,cpu").stdout  # fmt: skip
    assert "42" in out.splitlines()[1] and out.splitlines()[-1].endswith("42.0")


# ---- what they raise


def test_an_exception_is_the_error_of_the_call(device):
    x = jax.device_put(np.arange(3.0, dtype=np.float32), device)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"(?s)INTERNAL.*Traceback.*in fail.*ValueError: boom"):
        jax.jit(lambda x: jax.pure_callback(fail, x, x * 2))(x)
    assert np.asarray(jax.jit(jnp.sum)(x)) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_other_exceptions_too(error, device):
    def throw(v):
        raise error("why")

    x = jax.device_put(np.float32(1), device)
    with pytest.raises(jax.errors.JaxRuntimeError, match=rf"{error.__name__}: why"):
        jax.jit(lambda x: jax.pure_callback(throw, x, x))(x)


@pytest.mark.parametrize("ordered", [False, True])
def test_later_programs_do_not_fail_with_it(ordered, device):
    x = jax.device_put(np.float32(1), device)
    with pytest.raises(jax.errors.JaxRuntimeError, match="boom"):
        jax.jit(lambda x: (jax.debug.callback(fail, x, ordered=ordered), x)[1])(x)
    record = Record()
    jax.jit(lambda x: (jax.debug.callback(record, x, ordered=ordered), x)[1])(x)
    jax.effects_barrier()
    assert record.calls == [[1.0]]


def test_a_loop_ends_where_its_function_fails(device):
    count = []

    def third(i):
        count.append(int(i))
        if i == 2:
            raise ValueError("third")

    with jax.default_device(device), pytest.raises(jax.errors.JaxRuntimeError, match="third"):
        jax.jit(lambda: lax.fori_loop(0, 9, lambda i, s: (jax.debug.callback(third, i), s)[1], 0))()
    assert count == [0, 1, 2]


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda v: np.asarray(v)[:1], r"Incorrect output shape for return value #0: Expected: \(3,\), Actual: \(1,\)"),
        (lambda v: np.asarray(v).astype(np.int32), "Incorrect output dtype for return value #0"),
        (lambda v: (v, v), "Mismatched number of outputs from callback. Expected: 1, Actual: 2"),
        (lambda v: "text", "not a valid JAX array type"),
    ],
)
def test_results_that_do_not_fit(give, message, device):
    x = jax.device_put(np.arange(3.0, dtype=np.float32), device)
    with pytest.raises(jax.errors.JaxRuntimeError, match=message):
        jax.jit(lambda x: jax.pure_callback(give, x, x))(x)


def test_checkify_and_debug_nans(device):
    def f(x):
        checkify.check(x > 0, "not positive: {x}", x=x)
        return jnp.log(x)

    def g(x):
        checkify.debug_check(x > 0, "not positive")
        return x

    with jax.default_device(device):
        error, _ = checkify.checkify(jax.jit(f))(-1.0)
        assert "not positive: -1.0" in error.get()
        assert float(jax.jit(g)(-1.0)) == -1
        assert "not positive" in checkify.checkify(jax.jit(g))(-1.0)[0].get()
        with pytest.raises(ValueError, match="functionalized"):
            jax.jit(f)(1.0)
        with jax.debug_nans(True), pytest.raises(FloatingPointError, match="nan"):
            jax.jit(lambda x: jnp.log(x))(-1.0)


# ---- buffers, tokens


def test_buffer_callback(device):
    def double(context, out, x):
        assert (x.shape, x.dtype, x.ndim, x.writeable, out.writeable) == ((3,), np.float32, 1, False, True)
        np.from_dlpack(out)[...] = np.asarray(x) + np.from_dlpack(x)

    x = jax.device_put(np.arange(3.0, dtype=np.float32), device)
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    assert np.asarray(jax.jit(buffer_callback(double, shape))(x)).tolist() == [0, 2, 4]

    def write_input(context, out, x):
        np.asarray(x)[0] = 1

    with pytest.raises(jax.errors.JaxRuntimeError, match="read-only"):
        jax.jit(buffer_callback(write_input, shape))(x)
    with pytest.raises(jax.errors.JaxRuntimeError, match="must not return any values"):
        jax.jit(buffer_callback(lambda *a: 3, shape))(x)


@pytest.mark.parametrize("donate", [(), (0,)])
def test_buffer_callback_in_place(donate, device):
    def add(context, out, x):
        assert np.asarray(out).ctypes.data == np.asarray(x).ctypes.data
        np.asarray(out)[1:] += 10

    x = jax.device_put(np.arange(3.0, dtype=np.float32), device)
    call = buffer_callback(add, jax.ShapeDtypeStruct(x.shape, x.dtype), input_output_aliases={0: 0})
    y = jax.jit(lambda x: call(x) if donate else call(x) + x, donate_argnums=donate)(x)
    assert np.asarray(y).tolist() == ([0, 11, 12] if donate else [0, 12, 14])


def test_what_is_kept_of_a_buffer_is_not_the_devices_memory(device):
    kept = []

    def keep(context, out, x):
        kept.extend((np.asarray(x), np.asarray(out)))
        np.asarray(out)[...] = 1

    x = jax.device_put(np.zeros(1 << 16, np.float32), device)
    y = jax.jit(buffer_callback(keep, jax.ShapeDtypeStruct(x.shape, x.dtype)))(x)
    kept[1][...] = 9
    assert np.asarray(y).max() == 1 and np.asarray(x).max() == 0 == kept[0].max()


def test_tokens_are_arguments_and_results(device):
    with jax.default_device(device):
        x, token = jax.jit(lambda x, t: (x + 1, t))(jnp.float32(1), lax.create_token(None))
        assert float(x) == 2
        token.block_until_ready()
        x, token = jax.jit(lambda x, t: (x + 1, lax.after_all(t)))(x, token)
        assert float(x) == 3


# ---- programs with callbacks as objects


def test_ahead_of_time_and_again(device):
    record = Record()
    x = jax.device_put(np.float32(2), device)
    compiled = jax.jit(lambda x: (jax.debug.callback(record, x), x + 1)[1]).lower(x).compile()
    assert [float(compiled(x)), float(compiled(x))] == [3, 3]
    assert record.calls == [[2.0], [2.0]]


def test_functions_live_as_long_as_their_programs(device):
    before = set(callbacks._functions)
    x = jax.device_put(np.float32(2), device)
    lowered = jax.jit(lambda x: jax.pure_callback(lambda v: np.asarray(v) + 1, x, x)).lower(x)
    compiled = lowered.compile()
    del lowered
    jax.clear_caches()
    assert float(compiled(x)) == 3
    (number,) = set(callbacks._functions) - before
    del compiled
    jax.clear_caches()
    gc.collect()
    assert callbacks.function_of(number) is None


def test_cannot_be_serialised(device):
    x = jax.device_put(np.float32(2), device)
    compiled = jax.jit(lambda x: (jax.debug.print("{}", x), x)[1]).lower(x).compile()
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"UNIMPLEMENTED.*calls functions of this process"):
        serialize_executable.serialize(compiled)


def test_the_persistent_cache_leaves_them_out(tmp_path):
    program = f"""
    import jax, numpy as np
    jax.config.update("jax_compilation_cache_dir", {str(tmp_path)!r})
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_raise_persistent_cache_errors", True)
    jax.jit(lambda x: (jax.debug.print("x = {{}}", x), x + 1)[1])(np.float32(4)).block_until_ready()
    """
    for _ in range(2):
        done = run(program, JAX_PLATFORMS="ascend,cpu")
        assert (done.stdout, done.stderr) == ("x = 4.0\n", "")
    assert [p.name for p in tmp_path.iterdir() if "lambda" in p.name] == []


def test_a_number_that_names_no_function_is_refused(device):
    text = """
    module @m { func.func public @main(%x: tensor<f32>) -> tensor<f32> {
      %0 = stablehlo.custom_call @xla_ffi_python_cpu_callback(%x) {mhlo.backend_config = {index = 7 : ui64}, api_version = 4 : i32}
        : (tensor<f32>) -> tensor<f32>
      return %0 : tensor<f32> } }
    """
    from jax._src.interpreters import mlir
    from jaxlib import _jax
    from jaxlib.mlir import ir

    with mlir.make_ir_context():
        module = mlir.module_to_bytecode(ir.Module.parse(text))
    with pytest.raises(
        jax.errors.JaxRuntimeError, match="host function 7; expected one that was lowered in this process"
    ):
        device.client.compile_and_load(module, _jax.DeviceList((device,)), _jax.CompileOptions())


def test_estimates_call_nothing(device):
    record = Record()

    def f(x):
        def body(i, x):
            jax.debug.callback(record, x)
            return jnp.sin(x)

        return lax.fori_loop(0, 10, body, x)

    estimate = jax_ascend.estimate(f, jax.ShapeDtypeStruct((1000,), np.float32))
    (row,) = (r for r in estimate.kernels if r.core == "host")
    assert (row.name, row.launches, record.calls) == ("host_call", 10, [])
    assert row.seconds == pytest.approx(10 * estimate.target.launch_dispatch + 40_000 / estimate.target.host_bandwidth)
    assert any("10 calls of the host" in a for a in estimate.assumptions)


def test_a_primitive_without_a_rule_names_the_line_and_the_way_out(device):
    from jax.extend.core import Primitive

    primitive = Primitive("nobody_lowers_this")
    primitive.def_abstract_eval(lambda x: x)
    with jax.default_device(device), pytest.raises(NotImplementedError) as caught:
        jax.jit(lambda x: jnp.sin(primitive.bind(x)))(1.0)
    message = str(caught.value)
    assert "primitive 'nobody_lowers_this' not found for platform ascend" in message
    assert f"{__file__}:" in message and "jax.default_device(jax.devices('cpu')[0])" in message
