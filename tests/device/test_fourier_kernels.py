"""The AICPU kernels of Fourier transforms against NumPy's in long double: every kind of plan, types, variants of SIMD."""

import importlib

import numpy as np
import pytest
from batched_kernels import allocated, raw, refuses_what_is_wrong, run
from test_aicpu import encoded

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.fourier import FOURIER

_plugin = importlib.import_module("jax_ascend._plugin")
KERNELS = {spec.name: spec for spec in FOURIER}
# In registers by each radix; of factors above 5; in two steps; with large primes, alone and beside small ones.
LENGTHS = [
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    12,
    30,
    61,
    64,
    127,
    128,
    360,
    1009,
    2048,
    2310,
    4096,
    61 * 67,
    5 * 1009,
    10007,
    3 * 2**14,
]


def exact(name, x, parameters):
    wide = x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)
    if name == "irfft":
        return np.fft.irfft(wide, n=parameters["n"], axis=1)
    if name == "rfft":
        return np.fft.rfft(wide, axis=1)
    return (np.fft.ifft if parameters["inverse"] else np.fft.fft)(wide, axis=1)


def case(name, n, batch, inner=1, inverse=False, dtype=DType.f32):
    """Return the kernel, its parameters and an operand."""
    own = {"inner": inner, "inverse": inverse} if name == "fft" else {"k": n // 2 + 1}
    parameters = {"dtype": dtype, "batch": batch, "n": n, **own}
    (slot,), draw = KERNELS[name].slots[1:], np.random.default_rng(n)
    x = draw.standard_normal(slot.shape(parameters))
    if slot.element == "complex":
        x = x + 1j * draw.standard_normal(x.shape)
    return KERNELS[name], parameters, x.astype(slot.dtype(parameters).numpy)


def check(spec, parameters, x):
    (found,) = run(spec, parameters, [x])
    want = exact(spec.name, x, parameters)
    error = np.linalg.norm((found - want).ravel()) / np.linalg.norm(want.ravel())
    # Rounding errors of log2 n steps add up like a random walk (Schatzman, 1996); a chirp doubles and triples the steps.
    assert error <= 0.8 * np.sqrt(6 + np.log2(parameters["n"])) * np.finfo(found.dtype).eps


@pytest.mark.parametrize("dtype", [DType.f32, DType.f64], ids=str)
@pytest.mark.parametrize("batch", [1, 3, 33])
@pytest.mark.parametrize("n", LENGTHS)
def test_lengths(n, batch, dtype):
    check(*case("fft", n, batch, dtype=dtype))
    check(*case("fft", n, batch, inverse=True, dtype=dtype))
    check(*case("rfft", n, batch, dtype=dtype))
    check(*case("irfft", n, batch, dtype=dtype))


@pytest.mark.parametrize("inner", [2, 16, 19])
@pytest.mark.parametrize("n", [1, 6, 64, 127, 4096, 5 * 67])
def test_lines_side_by_side(n, inner):
    check(*case("fft", n, 3, inner))
    check(*case("fft", n, 1, inner, inverse=True, dtype=DType.f64))


@pytest.mark.parametrize(("name", "own"), [("fft", {"inner": 2}), ("rfft", {}), ("irfft", {})])
def test_nothing_to_transform(name, own):
    for n, batch in ((0, 3), (5, 0)):
        spec, parameters, x = case(name, n, batch, **own)
        assert run(spec, parameters, [x])[0].shape == spec.results[0].shape(parameters)


def test_imaginary_parts_that_a_real_result_cannot_have_are_ignored():
    spec, parameters, x = case("irfft", 8, 1)
    odd = x.copy()
    odd[0, 0] += 5j
    odd[0, 4] -= 7j
    np.testing.assert_array_equal(run(spec, parameters, [x])[0], run(spec, parameters, [odd])[0])


@pytest.mark.parametrize("variant", [v for v in _plugin.simd_variants() if v != "amx"])
@pytest.mark.parametrize("dtype", [DType.f32, DType.f64], ids=str)
def test_all_variants_give_the_same_bits(variant, dtype):
    best = _plugin.simd_variants()[0]
    cases = [case("fft", n, batch, inner, dtype=dtype) for n, batch, inner in ((360, 33, 1), (77, 2, 18), (1009, 4, 1))]
    expected = [run(spec, parameters, [x])[0] for spec, parameters, x in cases]
    _plugin.set_simd_variant(variant)
    try:
        for (spec, parameters, x), want in zip(cases, expected):
            assert run(spec, parameters, [x])[0].tobytes() == want.tobytes()
    finally:
        _plugin.set_simd_variant(best)


@pytest.mark.parametrize("dtype", [DType.f32, DType.f64], ids=str)
@pytest.mark.parametrize("name", KERNELS)
def test_wrong_parameters_are_refused(name, dtype):
    spec, parameters, _ = case(name, 6, 2, dtype=dtype)
    refuses_what_is_wrong(spec, parameters)


@pytest.mark.parametrize(("name", "change", "message"), [
    ("fft", {"dtype": DType.c64}, r"\[aicpu fft\] is of c64; expected f32 or f64"),
    ("fft", {"inner": 2}, r"\[aicpu fft\] slot 0 has"),
    ("rfft", {"k": 3}, r"\[aicpu rfft\] expected k to be n / 2 \+ 1"),
    ("irfft", {"n": 8}, r"\[aicpu irfft\] expected k to be n / 2 \+ 1"),
])  # fmt: skip
def test_messages_name_the_parameter(name, change, message):
    spec, parameters, x = case(name, 6, 2)
    with pytest.raises(Exception, match=message):
        _plugin.run_aicpu(name, raw([*allocated(spec, parameters), x]), encoded(name, parameters | change))
