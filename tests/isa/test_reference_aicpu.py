"""The AICPU kernels' reference against plain NumPy."""

import numpy as np
import pytest

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.reference.aicpu import AICPU_MEANINGS


def raw(*arrays):
    return [a.reshape(-1).view(np.uint8) for a in arrays]


@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.i8, DType.u64, DType.i64, DType.f16])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_carries_a_payload_along_a_dimension(dtype, descending):
    rng = np.random.default_rng(0)
    keys = rng.integers(0 if dtype.kind == "u" else -9, 9, (3, 40, 2)).astype(dtype.numpy)
    payload = np.arange(keys.size, dtype=np.int32).reshape(keys.shape)
    out, carried = np.zeros_like(keys), np.zeros_like(payload)
    AICPU_MEANINGS["sort"](
        raw(out, carried, keys, payload), shape=[3, 40, 2], dimension=1, stable=True, dtypes=[dtype, DType.i32],
        keys=[0], descending=[descending], total_order=[True],
    )  # fmt: skip
    sign = -1 if descending else 1
    order = np.argsort(sign * keys.astype(np.float64), axis=1, kind="stable")
    np.testing.assert_array_equal(carried, np.take_along_axis(payload, order, 1))
    np.testing.assert_array_equal(out, np.take_along_axis(keys, order, 1))


def test_sort_by_two_keys_and_total_order():
    first = np.float32([0.0, -0.0, np.nan, np.copysign(np.nan, -1), 1, -np.inf])
    second = np.int32([1, 0, 2, 3, 4, 5])
    out, carried = np.zeros_like(first), np.zeros_like(second)
    how = {"shape": [6], "dimension": 0, "stable": True, "dtypes": [DType.f32, DType.i32]}
    slots = raw(out, carried, first, second)
    AICPU_MEANINGS["sort"](slots, **how, keys=[0], descending=[False], total_order=[True])
    np.testing.assert_array_equal(carried, [3, 5, 0, 1, 4, 2])
    AICPU_MEANINGS["sort"](slots, **how, keys=[0, 1], descending=[False, False], total_order=[False, False])
    np.testing.assert_array_equal(carried, [5, 0, 1, 4, 2, 3])


def test_top_k_keeps_the_order_of_equals():
    x = np.int32([[3, 9, 9, 1], [5, 5, 5, 5]])
    values, indices = np.zeros((2, 3), np.int32), np.zeros((2, 3), np.int32)
    AICPU_MEANINGS["top_k"](raw(values, indices, x), dtype=DType.i32, rows=2, columns=4, k=3, largest=True)
    np.testing.assert_array_equal(indices, [[1, 2, 0], [0, 1, 2]])
    np.testing.assert_array_equal(values, [[9, 9, 3], [5, 5, 5]])
