"""The AICPU kernels of linear algebra against their reference: every type, batches, zero sizes, refused parameters."""

import importlib
import sys

import numpy as np
import pytest
from batched_kernels import allocated, raw, refuses_what_is_wrong, run
from test_aicpu import encoded

from jax_ascend import lapack, registration
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.lapack import LAPACK
from jax_ascend.compiler.reference.aicpu import AICPU_MEANINGS

_plugin = importlib.import_module("jax_ascend._plugin")
KERNELS = {spec.name: spec for spec in LAPACK}
TYPES = [DType.f32, DType.f64, DType.c64, DType.c128]
UNSPECIFIED = {"destroyed", "lower_out", "diagonal_out", "upper_out"}


def sizes(m, n):
    return {"m": m, "n": n, "k": min(m, n)}


def svd(m, n, vectors, divide):
    full, k = vectors == 2, min(m, n)
    return sizes(m, n) | {"columns": m if full else k, "rows": n if full else k, "vectors": vectors, "divide": divide}


def solve(m, n, left, lower, transpose, unit):
    return {"m": m, "n": n, "k": m if left else n, "left": left, "lower": lower, "transpose": transpose, "unit": unit}


def reflected(m, n, k, columns, left, transpose):
    return {"m": m, "n": n, "k": k, "r": m if left else n, "columns": columns, "left": left, "transpose": transpose}


BOTH = (False, True)
SHAPES = [(5, 5), (7, 3), (3, 7), (1, 1), (40, 9), (0, 3), (3, 0)]
CASES = [
    *(("potrf", {"n": n, "lower": lower}) for n in (0, 1, 6, 33) for lower in BOTH),
    *(("trsm", solve(m, n, left, lower, transpose, unit))
      for m, n in ((4, 6), (5, 1), (1, 5), (0, 3)) for left in BOTH for lower in BOTH for transpose in range(3)
      for unit in BOTH),
    *((name, sizes(*shape)) for name in ("getrf", "geqrf", "geqp3") for shape in SHAPES),
    *(("pivots_to_permutation", {"m": m, "k": k}) for m, k in ((5, 3), (3, 3), (0, 0), (4, 0))),
    *(("orgqr", sizes(m, n) | {"k": k}) for m, n, k in ((7, 5, 3), (4, 4, 4), (5, 3, 0), (3, 0, 0))),
    *(("ormqr", reflected(m, n, 3, 4, left, transpose)) for m, n in ((6, 7), (8, 4)) for left in BOTH
      for transpose in BOTH),
    *(("syevd", {"n": n, "lower": lower, "vectors": vectors}) for n in (0, 1, 7, 30) for lower in BOTH
      for vectors in BOTH),
    *(("sytrd", {"n": n, "lower": lower}) for n in (1, 2, 9) for lower in BOTH),
    *(("geev", {"n": n, "left": left, "right": right}) for n in (0, 1, 8) for left in BOTH for right in BOTH),
    *(("gees", {"n": n, "vectors": vectors}) for n in (0, 1, 8) for vectors in BOTH),
    *(("gehrd", {"n": n, "low": low, "high": high}) for n, low, high in ((1, 1, 1), (8, 1, 8), (8, 3, 6))),
    *(("svd", svd(*shape, vectors, divide)) for shape in SHAPES for vectors in range(3) for divide in BOTH),
    *((name, {"n": n, "m": m}) for name in ("gtsv", "gtsv_perturbed") for n, m in ((1, 1), (9, 1), (9, 4), (0, 2), (3, 0))),
]  # fmt: skip


def inputs(spec, parameters, draw):
    """Return arrays for the operands that the kernel makes sense of."""
    arrays = []
    for slot in spec.slots[len(spec.results) :]:
        shape, dtype = slot.shape(parameters), slot.dtype(parameters).numpy
        if slot.element == "i32":
            high = 1 if slot.name == "first" else max(parameters["m"], 1)
            arrays.append(draw.integers(0, high, shape).astype(dtype))
            continue
        x = draw.standard_normal(shape)
        x = x + 1j * draw.standard_normal(shape) if dtype.kind == "c" else x
        if spec.name in ("potrf", "syevd", "sytrd"):
            x = x @ x.conj().swapaxes(-1, -2) + shape[-1] * np.eye(shape[-1])
        if spec.name == "trsm" and slot.name == "a":
            x = x / 4 + 3 * np.eye(shape[-1])
        if slot.name == "diagonal":
            x = x + 4
        arrays.append(x.astype(dtype))
    return arrays


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("batch", [3, 0])
@pytest.mark.parametrize(("name", "own"), CASES, ids=str)
def test_a_kernel_does_what_its_reference_does(name, own, batch, dtype):
    spec, parameters = KERNELS[name], {"dtype": dtype, "batch": batch, **own}
    operands = inputs(spec, parameters, np.random.default_rng(0))
    expected = raw([*allocated(spec, parameters), *operands])
    AICPU_MEANINGS[name](expected, **{p.name: parameters[p.name] for p in spec.parameters})
    found = run(spec, parameters, operands)
    unspecified = UNSPECIFIED | ({"eigenvectors"} if own.get("vectors") is False else set())
    for slot, data, got in zip(spec.results, expected, found):
        want = data.view(got.dtype).reshape(got.shape)
        if slot.name in unspecified:
            continue
        if want.dtype.kind == "i":
            np.testing.assert_array_equal(got, want, err_msg=slot.name)
            continue
        scale = np.abs(want).max(initial=1)
        assert np.abs(got - want).max(initial=0) <= 500 * np.finfo(want.dtype).eps * scale, slot.name


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_matrix_that_is_not_positive_definite_has_its_minor_in_info(dtype):
    a = np.stack([np.eye(4), np.diag([1, 1, -1, 1]), 2 * np.eye(4)]).astype(dtype.numpy)
    _, info = run(KERNELS["potrf"], {"dtype": dtype, "batch": 3, "n": 4, "lower": True}, [a])
    np.testing.assert_array_equal(info, [0, 3, 0])


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_other_triangle_is_not_read_and_stays(dtype):
    a = np.where(np.tri(5), 5 * np.eye(5) + 1, np.nan).astype(dtype.numpy)[None]
    factor, info = run(KERNELS["potrf"], {"dtype": dtype, "batch": 1, "n": 5, "lower": True}, [a])
    assert info[0] == 0 and np.isnan(factor[0][np.triu_indices(5, 1)]).all() and np.isfinite(factor[0][0, 0])


@pytest.mark.parametrize("name", [spec.name for spec in LAPACK if any(s.over for s in spec.results)])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_results_may_take_the_storage_of_operands(name, dtype):
    spec = KERNELS[name]
    own = next(own for kernel, own in CASES if kernel == name and all(own.get(k, 1) for k in ("m", "n", "k")))
    parameters = {"dtype": dtype, "batch": 2, **own}
    operands = inputs(spec, parameters, np.random.default_rng(1))
    apart = run(spec, parameters, operands)
    named = dict(zip([s.name for s in spec.slots[len(spec.results) :]], raw([a.copy() for a in operands])))
    slots = [named[s.over] if s.over else raw([r])[0] for s, r in zip(spec.results, allocated(spec, parameters))]
    _plugin.run_aicpu(name, [*slots, *named.values()], encoded(name, parameters))
    for slot, data, want in zip(spec.results, slots, apart):
        assert slot.name == "destroyed" or data.tobytes() == want.tobytes(), slot.name


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_singular_tridiagonal_matrices_have_finite_solutions(dtype):
    """[[1, 1], [1, 1]] x = [1, 1] is perturbed, and solved to some roundings."""
    parameters = {"dtype": dtype, "batch": 1, "n": 2, "m": 1}
    diagonals = np.array([[[0, 1]], [[1, 1]], [[1, 0]]], dtype.numpy)
    (x,) = run(KERNELS["gtsv_perturbed"], parameters, [*diagonals, np.ones((1, 2, 1), dtype.numpy)])
    assert np.isfinite(x).all() and abs(x.sum() - 1) <= 8 * np.finfo(dtype.numpy).eps * max(1, np.abs(x).max())


def test_eigenvalues_of_what_is_not_finite_are_refused_by_info():
    parameters = {"dtype": DType.f64, "batch": 2, "n": 3, "left": False, "right": True}
    a = np.stack([np.eye(3), np.full((3, 3), np.inf)])
    assert run(KERNELS["geev"], parameters, [a])[3].tolist() == [0, -4]


GOOD = [next(case for case in CASES if case[0] == name and case[1].get("n", 1)) for name in KERNELS]


@pytest.mark.parametrize(("name", "own"), GOOD, ids=str)
def test_wrong_parameters_are_refused(name, own):
    refuses_what_is_wrong(KERNELS[name], {"dtype": DType.f64, "batch": 2, **own})


@pytest.mark.parametrize(("name", "change", "message"), [
    ("potrf", {"dtype": DType.bf16}, r"\[aicpu potrf\] is of bf16; expected f32, f64, c64 or c128"),
    ("potrf", {"n": 7}, r"\[aicpu potrf\] slot 0 has"),
    ("trsm", {"k": 5}, r"\[aicpu trsm\] expected k to be the order of a"),
    ("trsm", {"transpose": 3}, r"aicpu trsm: transpose; expected 0 to 2, got 3"),
    ("getrf", {"k": 3}, r"\[aicpu getrf\] expected k to be the smaller of m and n"),
    ("orgqr", {"m": 4}, r"\[aicpu orgqr\] expected m >= n >= k"),
    ("ormqr", {"k": 5}, r"\[aicpu ormqr\] expected r to be as many"),
    ("gehrd", {"high": 9}, r"\[aicpu gehrd\] expected 1 <= low <= high <= n"),
    ("svd", {"vectors": 2, "columns": 4}, r"\[aicpu svd\] expected as many columns of u"),
    ("svd", {"m": 20000, "n": 20000, "k": 20000, "vectors": 0}, "an order up to 18000"),
    ("geqrf", {"m": 2**23 + 1}, r"up to 2\^23 rows and columns"),
])  # fmt: skip
def test_messages_name_the_parameter(name, change, message):
    spec, own = KERNELS[name], dict(GOOD)[name]
    good = {"dtype": DType.f32, "batch": 1, **own}
    slots = [*allocated(spec, good), *inputs(spec, good, np.random.default_rng(0))]
    with pytest.raises(Exception, match=message):
        _plugin.run_aicpu(name, raw(slots), encoded(name, good | change))


def test_a_function_that_scipy_lacks_is_named():
    code, message = registration.lapack_for_plugin("sbogus")
    assert code != 0 and b"have no function sbogus" in message


def test_without_scipy_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.linalg.cython_lapack", None)
    code, message = registration.lapack_for_plugin("spotrf")
    assert code != 0 and b"needs the LAPACK of SciPy" in message and b"pip install scipy" in message


def test_a_lapack_of_64_bits_is_refused(monkeypatch):
    import ctypes

    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    name = b"void (char *, long *, float *, long *, long *)"
    monkeypatch.setattr(lapack, "_functions", lambda module: {"spotrf": new(1, name, None)})
    code, message = registration.lapack_for_plugin("spotrf")
    assert code != 0 and b"does not count in 32 bits" in message
