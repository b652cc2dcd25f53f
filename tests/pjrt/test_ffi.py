"""Handlers that `jax.ffi` registers: what they see, when they are called, and what becomes of their failures.

What XLA:CPU does with the same handler is the expectation, unless the test says more.
"""

import ctypes
import gc
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jax.experimental import serialize_executable
from test_processes import run

import jax_ascend

HERE = Path(__file__).parent
PLATFORMS = ("ascend", "cpu")
NAMES = ("Scale", "Copy", "Attributes", "Refuse", "Later", "InPool", "Touch", "WithToken", "Where", "OnStream")
OURS = ("RefuseAndPromise",)
Shape = jax.ShapeDtypeStruct


def compiled(source, library):
    compiler = shutil.which("g++")
    if not compiler:
        pytest.skip("there is no g++")
    flags = ["-std=c++20", "-w", f"-I{jax.ffi.include_dir()}", f"-I{HERE.parents[1]}"]
    output = ["-fsyntax-only"] if library is None else ["-O1", "-fPIC", "-shared", "-o", str(library)]
    done = subprocess.run([compiler, *flags, *output, str(HERE / source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return library


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    return compiled("ffi_handlers.cc", tmp_path_factory.mktemp("ffi") / "handlers.so")


@pytest.fixture(scope="session")
def library(path):
    """The handlers, registered for both platforms."""
    library = ctypes.CDLL(str(path))
    library.counters_alive.restype = library.stages_run.restype = library.touches.restype = ctypes.c_int64
    library.promises_kept.restype = ctypes.c_int64
    library.counter_id.restype = library.counter_info.restype = ctypes.c_void_p
    capsule = jax.ffi.pycapsule
    kind = {
        "type_id": capsule(ctypes.c_void_p(library.counter_id())),
        "type_info": capsule(ctypes.c_void_p(library.counter_info())),
    }
    for platform in PLATFORMS:
        for name in NAMES:
            jax.ffi.register_ffi_target(name, capsule(getattr(library, name)), platform=platform)
        jax.ffi.register_ffi_type("counter", kind, platform=platform)
        counter = {"instantiate": capsule(library.MakeCounter), "execute": capsule(library.Count)}
        jax.ffi.register_ffi_target("Count", counter, platform=platform)
    for name in OURS:
        jax.ffi.register_ffi_target(name, capsule(getattr(library, name)), platform="ascend")
    staged = {name.lower(): capsule(getattr(library, name)) for name in ("Prepare", "Initialize", "Execute")}
    jax.ffi.register_ffi_target("Staged", staged, platform="ascend")
    return library


def on(platform, function, *arguments):
    """Return the results of a jitted function on the first device of a platform as NumPy arrays."""
    device = jax.devices(platform)[0]
    with jax.default_device(device):
        return jax.tree.map(np.asarray, jax.jit(function)(*jax.device_put(arguments, device)))


def same(function, *arguments):
    """Return the results, which are those of XLA:CPU."""
    ours, theirs = on("ascend", function, *arguments), on("cpu", function, *arguments)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a.reshape(-1).view(np.uint8), b.reshape(-1).view(np.uint8))
    return ours


def failure(function, *arguments):
    with pytest.raises(jax.errors.JaxRuntimeError) as error:
        on("ascend", function, *arguments)
    return str(error.value)


def scale(x, by=2.0, **options):
    return jax.ffi.ffi_call("Scale", Shape(x.shape, x.dtype), **options)(x, by=np.float32(by))


def copied(x, **options):
    """What Copy gives: the bytes, and what it sees of its arrays."""
    return jax.ffi.ffi_call("Copy", (Shape(x.shape, x.dtype), Shape((6,), jnp.int64)), **options)(x)


X = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_structs_lie_as_in_the_installed_header():
    compiled("ffi_layouts.cc", None)


def test_a_call_among_computations(library):
    np.testing.assert_array_equal(same(lambda x: scale(x + 1) @ scale(x, 0.5).T - x[:, :3], X)[0, 0], 20)


@pytest.mark.parametrize("method", ["sequential", "sequential_unrolled", "expand_dims", "broadcast_all"])
def test_vmap(library, method):
    np.testing.assert_array_equal(same(jax.vmap(lambda x: scale(x, vmap_method=method)), X), 2 * X)


def test_inside_loops_branches_and_derivatives(library):
    @jax.custom_vjp
    def twice(x):
        return scale(x)

    twice.defvjp(lambda x: (scale(x), None), lambda _, g: (scale(g),))

    def program(x):
        y, ys = lax.scan(lambda c, row: (scale(c + row), scale(c)), jnp.zeros(4, x.dtype), x)
        z = lax.while_loop(lambda s: s.sum() < 1000, scale, y)
        return z, ys, lax.cond(y[0] > 3, scale, lambda v: v, y), jax.grad(lambda x: (twice(x) ** 2).sum())(x)

    same(program, X)


INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
FLOATS = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.complex64, np.complex128)
NARROW = (
    *(ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.int2, ml_dtypes.uint2, ml_dtypes.float4_e2m1fn),
    *(ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3b11fnuz, ml_dtypes.float8_e5m2fnuz),
    *(ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e4m3, ml_dtypes.float8_e3m4, ml_dtypes.float8_e8m0fnu),
)


@pytest.mark.parametrize("dtype", [np.bool_, *INTEGERS, *FLOATS, *NARROW], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("shape", [(), (7,), (3, 5)])
def test_every_element_type(library, dtype, shape):
    with jax.enable_x64(True):
        x = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2).astype(dtype)
        y, about = same(copied, x)
        assert y.tobytes() == x.tobytes()
        assert about[0] == about[1] and about[2:4].tolist() == [len(shape), shape[0] if shape else -1]


def test_no_elements(library):
    with jax.enable_x64(True):
        y, about = same(copied, np.zeros((0, 3), np.float32))
        assert y.shape == (0, 3) and about[3] == 0


def test_layouts(library):
    def columns(x):
        return copied(x, input_layouts=[(1, 0)], output_layouts=[(0, 1), (0,)])

    def both(x):
        return copied(x, input_layouts=[(1, 0)], output_layouts=[(1, 0), (0,)])

    with jax.enable_x64(True):
        np.testing.assert_array_equal(same(columns, X)[0].ravel(), X.T.ravel())
        y, about = same(both, X)
        np.testing.assert_array_equal(y, X)
        assert about[3] == 3  # dimensions are those of the program
        same(lambda x: copied(x, input_layouts=[(2, 0, 1)], output_layouts=[(1, 2, 0), (0,)]), X[None])
        # XLA:CPU takes these two calls for one, and gives the first twice.
        (first, _), (second, _) = on("ascend", lambda x: (columns(x), both(x)), X)
        np.testing.assert_array_equal(first.ravel(), X.T.ravel())
        np.testing.assert_array_equal(second, X)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.int4])
def test_a_result_starts_as_an_operand(library, dtype):
    x = np.arange(6).astype(dtype)
    with jax.enable_x64(True):
        y, about = same(lambda x: copied(x, input_output_aliases={0: 0}), x)
        assert about[4] == 1
        np.testing.assert_array_equal(y.astype(int), np.arange(6))
        same(lambda x: (copied(x, input_output_aliases={0: 0})[0], x), x)


ATTRIBUTES = {
    "flag": True,
    "i8": np.int8(-3),
    "u16": np.uint16(65000),
    "i64": np.int64(-(2**40)),
    "f32": np.float32(0.1),
    "f64": np.float64(-np.inf),
    "text": 'a "quoted" \N{GREEK SMALL LETTER PI}\n',
    "i32s": np.arange(5, dtype=np.int32),
    "f64s": np.array([[0.5], [1e300]]),
    "inner": {"number": np.int64(7), "deep": {"leaf": "x"}},
}


def test_attributes(library):
    from jax._src import core
    from jax._src.interpreters import mlir

    call = core.Primitive("attributes")  # jax.ffi.ffi_call takes no dictionaries in dictionaries
    call.def_abstract_eval(lambda: core.ShapedArray((12,), np.dtype(np.float64)))
    mlir.register_lowering(call, lambda context: jax.ffi.ffi_lowering("Attributes")(context, **ATTRIBUTES))
    with jax.enable_x64(True):
        y = same(call.bind)
        text, numbers = ATTRIBUTES["text"], [1, -3, 65000, -(2.0**40), np.float32(0.1), -np.inf]
        expected = [*numbers, len(text.encode()), 10, 1e300 + 0.5, 7, ord("x"), 2]
        np.testing.assert_array_equal(y, np.array(expected, np.float64))


@pytest.mark.parametrize("value, what", [((1, 2), r"'i64' is \[1, 2\]"), (np.dtype("float32"), "'i64' is f32"),
                                         (np.ones(2, np.complex64), "complex numbers")])  # fmt: skip
def test_attributes_that_no_handler_can_have(library, value, what):
    with pytest.raises(jax.errors.JaxRuntimeError, match=what):
        on("ascend", lambda: jax.ffi.ffi_call("Touch", Shape((), jnp.int32))(i64=value))


def test_an_attribute_of_another_type_is_the_handlers_failure(library):
    assert "expected F32 but got S64" in failure(
        lambda x: jax.ffi.ffi_call("Scale", Shape((2,), x.dtype))(x, by=1), X[0]
    )


def test_state_lives_as_long_as_the_executable(library):
    with jax.enable_x64(True), jax.default_device(jax.devices("ascend")[0]):
        before = library.counters_alive()
        call = jax.ffi.ffi_call("Count", Shape((), jnp.int64), has_side_effect=True)
        both = jax.jit(lambda: (call(start=np.int64(5)), call(start=np.int64(5)))).lower().compile()
        assert library.counters_alive() == before + 2  # each call has its own
        assert [[int(v) for v in both()] for _ in range(3)] == [[5, 5], [6, 6], [7, 7]]
        del both
        gc.collect()
        assert library.counters_alive() == before


def test_a_failure_to_instantiate(library):
    with jax.enable_x64(True):
        message = failure(lambda: jax.ffi.ffi_call("Count", Shape((), jnp.int64))(start=np.int64(-1)))
    assert message == "INVALID_ARGUMENT: [ffi call Count] a counter starts from 0"


def test_stages_in_their_order(library):
    jax.block_until_ready(on("ascend", lambda x: jax.ffi.ffi_call("Staged", Shape((3, 4), x.dtype))(x), X))
    assert library.stages_run() == 123


@pytest.mark.parametrize("code, name", [(1, "CANCELLED"), (3, "INVALID_ARGUMENT"), (9, "FAILED_PRECONDITION"),
                                        (10, "ABORTED"), (13, "INTERNAL"), (16, "UNAUTHENTICATED")])  # fmt: skip
def test_a_failure_is_the_executions(library, code, name):
    def program(x):
        call = jax.ffi.ffi_call("Refuse", (), has_side_effect=True)
        call(code=np.int32(code), message="no\nand no")
        return x + 1

    assert failure(program, X) == f"{name}: [ffi call Refuse] no\nand no"
    np.testing.assert_array_equal(on("ascend", lambda x: x + 1, X), X + 1)


def test_results_that_come_later(library):
    def later(fail):
        return lambda x: jax.ffi.ffi_call("Later", Shape(x.shape, x.dtype))(x, fail=fail) * 2

    same(later(False), X)
    assert failure(later(True), X) == "INTERNAL: [ffi call Later] failed later"


def test_a_promise_of_a_handler_that_fails_is_waited_for(library):
    """What a thread still writes to is memory of the call until then."""
    message = failure(jax.ffi.ffi_call("RefuseAndPromise", Shape(X.shape, X.dtype)), X)
    assert library.promises_kept() == 1
    assert message == "ABORTED: [ffi call RefuseAndPromise] refused, but promised"


def test_a_pool_of_threads(library):
    same(lambda x: jax.ffi.ffi_call("InPool", Shape(x.shape, x.dtype))(x), X)


def test_where_it_runs(library, other_device):
    with jax.enable_x64(True), jax.default_device(other_device):
        where = jax.jit(lambda: jax.ffi.ffi_call("Where", Shape((2,), jnp.int64), has_side_effect=True)())
        (device, first), (_, second) = np.asarray(where()), np.asarray(where())
    assert device == other_device.id and first != second

    def program(x):
        jax.ffi.ffi_call("OnStream", (), has_side_effect=True)()
        return x + 1

    assert "a stream is not there" in failure(program, X)


def test_effects_are_kept_and_pure_calls_are_made_if_needed(library):
    def program(x):
        touch = jax.ffi.ffi_call("Touch", Shape(x.shape, x.dtype), has_side_effect=True)
        jax.ffi.ffi_call("Touch", Shape(x.shape, x.dtype))(x)
        touch(x), touch(x)
        return lax.fori_loop(0, 3, lambda i, v: (touch(v), v)[1], x)

    library.touches()
    jax.block_until_ready(on("ascend", program, X))
    assert library.touches() == 5


def test_tokens(library):
    from jax._src import core

    def program(x):
        call = jax.ffi.ffi_call("WithToken", (core.abstract_token, Shape((), x.dtype)))
        token, y = call(lax.create_token(), x)
        return call(token, y)[1]

    assert same(program, np.int32(3)) == 5


def test_a_target_that_nobody_has_registered(library):
    message = failure(lambda x: jax.ffi.ffi_call("nobody.has.it", Shape(x.shape, x.dtype))(x), X)
    assert "custom_call @nobody.has.it at" in message and "test_ffi.py:" in message
    assert "jax.ffi.register_ffi_target('nobody.has.it', ..., platform=\"ascend\")" in message


def test_an_older_interface_is_refused(library):
    message = failure(lambda x: jax.ffi.ffi_call("Touch", Shape((), x.dtype), custom_call_api_version=2)(x), X)
    assert "api_version is 2; expected 4, the typed FFI" in message
    with pytest.raises(NotImplementedError, match=r"\[ffi old\] api_version 0 is not there"):
        jax.ffi.register_ffi_target("old", jax.ffi.pycapsule(library.Touch), platform="ascend", api_version=0)


def test_what_is_no_handler(library):
    capsule = jax.ffi.pycapsule(library.Touch)
    for function, what in (
        (7, "expected a capsule with a pointer"),
        ({"instantiate": capsule}, 'expected a handler of the stage "execute"'),
        ({"execute": capsule, "record": capsule}, "no stage 'record'"),
        (jax.ffi.pycapsule(library.Foreign), "expected major version 0, got 7"),
    ):
        with pytest.raises((RuntimeError, ValueError), match=what):
            jax.ffi.register_ffi_target("wrong", function, platform="ascend")
    with pytest.raises(RuntimeError, match="another handler has this name"):
        jax.ffi.register_ffi_target("Scale", capsule, platform="ascend")
    jax.ffi.register_ffi_target("Scale", jax.ffi.pycapsule(library.Scale), platform="ascend")  # the same again


PROGRAM = """
import ctypes, pickle, sys
import jax, numpy as np
from jax.experimental import serialize_executable
library = ctypes.CDLL({path!r})
if {register}:
    jax.ffi.register_ffi_target("Scale", jax.ffi.pycapsule(library.Scale), platform="ascend")
jax.devices()
try:
    f = serialize_executable.deserialize_and_load(*pickle.load(open({file!r}, "rb")))
    print(f(np.arange(3, dtype=np.float32)))
except Exception as error:
    print(error)
"""


def test_another_process_finds_the_handler_by_its_name(library, path, tmp_path, device):
    import pickle

    with jax.default_device(device):
        compiled = jax.jit(scale).lower(np.arange(3, dtype=np.float32)).compile()
    file = tmp_path / "program"
    file.write_bytes(pickle.dumps(serialize_executable.serialize(compiled)))
    for register, expected in (
        (True, "[0. 2. 4.]\n"),
        (False, "calls the handler Scale; expected one that this process"),
    ):
        program = PROGRAM.format(path=str(path), file=str(file), register=register)
        assert expected in run(program, JAX_PLATFORMS="ascend,cpu").stdout


EARLY = """
import ctypes, jax, jax.numpy as jnp
library = ctypes.CDLL({path!r})
jax.ffi.register_ffi_target("old", jax.ffi.pycapsule(library.Touch), platform="ascend", api_version=0)
jax.ffi.register_ffi_target("Touch", jax.ffi.pycapsule(library.Touch), platform="ascend")
shape = jax.ShapeDtypeStruct((2,), jnp.float32)
print(jax.jit(jax.ffi.ffi_call("Touch", shape))().shape)
try:
    jax.jit(jax.ffi.ffi_call("old", shape))()
except Exception as error:
    print(error)
"""


def test_what_is_registered_before_the_platform(path):
    said = run(EARLY.format(path=str(path)), JAX_PLATFORMS="ascend,cpu").stdout
    assert said.startswith("(2,)\n") and "@old at" in said and "its handler was refused" in said


CACHED = """
import ctypes, jax, numpy as np
library = ctypes.CDLL({path!r})
jax.ffi.register_ffi_target("Scale", jax.ffi.pycapsule(library.Scale), platform="ascend")
jax.config.update("jax_compilation_cache_dir", {folder!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
x = np.arange(3, dtype=np.float32)
f = jax.ffi.ffi_call("Scale", jax.ShapeDtypeStruct((3,), x.dtype))
print(jax.jit(lambda x: f(x, by=np.float32(3)))(x))
"""


SCALED = """
import ctypes
import jax
import numpy as np

library = ctypes.CDLL({path!r})
jax.ffi.register_ffi_target("Scale", jax.ffi.pycapsule(library.Scale), platform="ascend")


def scaled(x):
    return jax.ffi.ffi_call("Scale", jax.ShapeDtypeStruct(x.shape, x.dtype))(x, by=np.float32(3))
"""


def test_programs_are_kept_in_the_persistent_cache(path, tmp_path):
    for _ in range(2):
        program = CACHED.format(path=str(path), folder=str(tmp_path))
        assert run(program, JAX_PLATFORMS="ascend,cpu").stdout == "[0. 3. 6.]\n"
        assert len([f for f in tmp_path.iterdir() if "lambda" in f.name and f.name.endswith("-cache")]) == 1


def test_the_clock_and_the_command_know_the_handlers(path, library, tmp_path):
    """Nothing is executed; a function's file registers what it calls."""
    counted = jax_ascend.estimate(scale, Shape((1000,), jnp.float32))
    assert [(r.name, r.launches) for r in counted.kernels if r.core == "host"] == [("host_call", 1)]
    file = tmp_path / "scaled.py"
    file.write_text(SCALED.format(path=str(path)))
    arguments = [f"{file}:scaled", "--shapes", "f32[3]", "--stage"]
    for stage, text in [("launches", "program"), ("program", 'target="Scale"'), ("all", "strips")]:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "jax_ascend", "compile", *arguments, stage],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert text in done.stdout


def test_a_handler_may_use_the_device(device):
    """Written in Python, by the same interface: it runs a program on the device that waits for it."""
    from ctypes import CFUNCTYPE, c_void_p

    seen = []

    def handler(frame):
        if ctypes.cast(frame, ctypes.POINTER(c_void_p))[1]:  # asked which version it was made for: 0
            return None
        seen.append(float(jax.device_put(jnp.arange(4.0), device).sum()))
        return None

    kept = CFUNCTYPE(c_void_p, c_void_p)(handler)
    name = f"in_python_{id(kept)}"
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(ctypes.cast(kept, c_void_p)), platform="ascend")
    with jax.default_device(device):
        f = jax.jit(lambda x: (jax.ffi.ffi_call(name, (), has_side_effect=True)(x), x + 1)[1])
        np.testing.assert_array_equal(f(X), X + 1)
    jax.effects_barrier()
    assert seen == [6.0]
    sys.modules.setdefault("_kept_handlers", kept)  # programs that are cached may call it
