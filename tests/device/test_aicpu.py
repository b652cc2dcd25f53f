"""AICPU kernels against NumPy: sort and top_k of every type, refused parameters."""

import importlib
import re

import numpy as np
import pytest
from test_vector_elementwise import FLOATS, INTS, is_float, values

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.stream import AICPU_BY_NAME

_plugin = importlib.import_module("jax_ascend._plugin")
TYPES = [*FLOATS, *INTS, np.bool_]


def encoded(name, parameters):
    """The words of an aicpu command that are its parameters."""
    words = []
    for p in AICPU_BY_NAME[name].parameters:
        value = parameters[p.name]
        words += [len(value), *map(p.encode, value)] if p.is_list else [p.encode(value)]
    return words


def launch(name, results, operands, **parameters):
    """Run a kernel; `results` are filled."""
    slots = [np.ascontiguousarray(a).view(np.uint8).reshape(-1) for a in (*results, *operands)]
    _plugin.run_aicpu(name, slots, encoded(name, parameters))
    return [s.view(r.dtype).reshape(r.shape) for s, r in zip(slots, results)]


def dtypes(*arrays):
    return [DType.of_numpy(a.dtype) for a in arrays]


def by(*keys):
    """Parameters of a sort by (operand, descending, total order)."""
    return dict(zip(("keys", "descending", "total_order"), zip(*keys)))


def ranks(x, descending, total=False):
    """Dense ranks of elements in the order of keys, along the last axis."""
    if not is_float(x.dtype):
        keys = x.astype(object) if x.dtype == np.uint64 else x.astype(np.int64)
    else:
        wide = x.astype(np.float64)
        bits = wide.view(np.int64)
        keys = np.where(bits < 0, -(bits & np.int64(2**63 - 1)) - 1, bits)
        if not total:
            keys = np.where(wide == 0, 0, np.where(np.isnan(wide), np.int64(2**63 - 1), keys))
    _, inverse = np.unique(np.array(keys), return_inverse=True)
    inverse = inverse.reshape(x.shape)
    return -inverse if descending else inverse


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "shape,dimension",
    [((7,), 0), ((3, 40, 5), 1), ((2, 1500), 1), ((600, 3), 0), ((4, 0), 1), ((1, 1), 0), ((60, 200), 1)],
)
def test_sort(dtype, descending, shape, dimension):
    x = values(dtype, shape, 3)
    payload = np.arange(x.size, dtype=np.int32).reshape(shape)
    got, moved = launch(
        "sort", [np.zeros_like(x), np.zeros_like(payload)], [x, payload], shape=shape, dimension=dimension, stable=True,
        dtypes=dtypes(x, payload), **by((0, descending, False)),
    )  # fmt: skip
    order = (
        np.argsort(np.moveaxis(ranks(x, descending), dimension, -1), axis=-1, kind="stable")
        if x.size
        else np.zeros(shape, int)
    )
    order = np.moveaxis(order, -1, dimension) if x.size else order
    assert np.array_equal(moved, np.take_along_axis(payload, order, dimension))
    assert got.tobytes() == np.take_along_axis(x, order, dimension).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sort_in_total_order(dtype):
    x = np.array([0.0, -0.0, np.nan, -np.nan, 1, -1, np.inf, -np.inf, 0.0, -0.0], dtype)
    how = {"shape": [10], "dimension": 0, "stable": True, "dtypes": dtypes(x)}
    (got,) = launch("sort", [np.zeros_like(x)], [x], **how, **by((0, False, True)))
    assert np.array_equal(np.signbit(got), [True] * 5 + [False] * 5)
    assert np.array_equal(got, np.array([-np.nan, -np.inf, -1, -0.0, -0.0, 0, 0, 1, np.inf, np.nan]), equal_nan=True)


def test_sort_by_several_keys_in_place():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 900).astype(np.int8), rng.integers(0, 5, 900).astype(np.float32)
    number = np.arange(900, dtype=np.int64)
    how = {"shape": [900], "dimension": 0, "stable": True, "dtypes": dtypes(a, b, number)}
    slots = [s.view(np.uint8) for s in (a.copy(), b.copy(), number.copy())]
    _plugin.run_aicpu("sort", slots + slots, encoded("sort", how | by((0, True, False), (1, False, False))))
    order = np.lexsort((number, b, -a))
    assert np.array_equal(slots[2].view(np.int64), order)
    assert np.array_equal(slots[0].view(np.int8), a[order])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize(
    "rows,columns,k", [(1, 1, 1), (3, 50, 7), (2, 1000, 1000), (2, 2000, 5), (2, 9, 0), (40, 300, 9), (40, 300, 50)]
)
def test_top_k(dtype, largest, rows, columns, k):
    x = values(dtype, (rows, columns), 5)
    results = [np.zeros((rows, k), dtype), np.zeros((rows, k), np.int32)]
    (of,) = dtypes(x)
    found, at = launch("top_k", results, [x], dtype=of, rows=rows, columns=columns, k=k, largest=largest)
    order = np.argsort(ranks(x, largest, total=True), axis=-1, kind="stable")[:, :k]
    assert np.array_equal(at, order)
    assert found.tobytes() == np.take_along_axis(x, order, 1).tobytes()


SORT = {"shape": [4, 8], "dimension": 1, "stable": True, "dtypes": [DType.f32], **by((0, False, False))}
TOP_K = {"dtype": DType.f32, "rows": 4, "columns": 8, "k": 3, "largest": True}
GOOD = {"sort": (encoded("sort", SORT), [128, 128]), "top_k": (encoded("top_k", TOP_K), [48, 48, 128])}


@pytest.mark.parametrize("name", GOOD)
def test_wrong_parameters_are_refused(name):
    ints, sizes = GOOD[name]

    def attempt(integers, bytes_of):
        _plugin.run_aicpu(name, [np.zeros(b, np.uint8) for b in bytes_of], integers)

    attempt(ints, sizes)
    rng = np.random.default_rng(0)
    for at in range(len(sizes)):
        with pytest.raises(Exception, match="aicpu"):
            attempt(ints, [b - (i == at) for i, b in enumerate(sizes)])
    for at in range(len(ints)):
        with pytest.raises(Exception, match=r"aicpu|\[program, word \d+\]"):
            attempt(ints[:at], sizes)
        for value in (-1, 255, 2**40, 2**62, *rng.integers(0, 40, 5)):
            changed = [*ints[:at], int(value), *ints[at + 1 :]]
            try:  # either it makes sense or it is refused; it never touches what is beyond the slots
                attempt(changed, sizes)
            except Exception as error:
                assert re.search(r"aicpu|\[program, word", str(error)), error


@pytest.mark.parametrize(("name", "change", "message"), [
    ("sort", {"dimension": 2}, r"\[aicpu sort\] the dimension is 2; expected less than 2"),
    ("sort", {"dimension": 64}, r"aicpu sort: dimension; expected 0 to 63, got 64"),
    ("sort", {"keys": [1]}, r"\[aicpu sort\] a key is operand 1"),
    ("sort", {"descending": []}, r"\[aicpu sort\] descending and total_order; expected one for each of 1 keys"),
    ("sort", {"dtypes": [DType.f32, DType.f32]}, r"\[aicpu sort\] takes 4 slots, got 2"),
    ("top_k", {"k": 9}, r"\[aicpu top_k\] k is 9 of 8 columns"),
    ("top_k", {"rows": -1}, r"aicpu top_k: rows; expected 0 to"),
])  # fmt: skip
def test_messages_name_the_parameter(name, change, message):
    words = encoded(name, {"sort": SORT, "top_k": TOP_K}[name] | change)
    with pytest.raises(Exception, match=message):
        _plugin.run_aicpu(name, [np.zeros(b, np.uint8) for b in GOOD[name][1]], words)
