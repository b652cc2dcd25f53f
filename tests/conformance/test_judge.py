"""The comparison rules themselves: each must reject what is just beyond its limit."""

import ml_dtypes
import numpy as np
import pytest
from judge import judge, ulps_between


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_a_neighbour_is_one_ulp_away(kind):
    bits = np.arange(-20, 20).astype(f"i{np.dtype(kind).itemsize}")
    ordered = np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits)[20:]
    values = ordered.astype(bits.dtype).view(kind)
    assert (ulps_between(values[:-1], values[1:]) == 1).all()
    assert ulps_between(values[:1], -values[:1]).item() == 0


def test_close_accepts_three_ulps_and_no_more():
    one = np.float32(1)
    steps = [one]
    for _ in range(4):
        steps.append(np.nextafter(steps[-1], np.float32(2)))
    assert judge("expect_close", steps[3], one) is None
    assert "1 of 1 values fail" in judge("expect_close", steps[4], one)
    assert judge("expect_close", np.float32(np.inf), np.finfo(np.float32).max) is not None


def test_equality_is_exact_but_for_nan():
    nan = np.array([np.nan, 1], np.float32)
    assert judge("expect_eq", nan, nan) is None
    assert judge("expect_eq", np.array([np.nan, 1.0000001], np.float32), nan) is not None
    assert judge("expect_eq", np.int8([1, 2]), np.int8([1, 3])) is not None
    assert judge("expect_eq", np.int8([1]), np.int16([1])) is not None


def test_complex_numbers_are_judged_by_their_parts():
    assert judge("expect_close", np.complex64(1 + 2j), np.complex64(1 + 2j)) is None
    assert judge("expect_close", np.complex64(1 + 2.1j), np.complex64(1 + 2j)) is not None
