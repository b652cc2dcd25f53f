"""JAX's own harnesses of its primitives, which its wheel brings, on the device and on XLA:CPU.

JAX's export tests run them all. Here a fixed sample: of each primitive the three with the smallest checksums of their names.
The rest of JAX's tests is not in the wheel: run_jax_tests.py runs them from a checkout.
"""

import itertools
import os
import zlib

import jax
import numpy as np
import pytest

PLATFORM = os.environ.get("TEST_PLATFORM", "ascend")
EACH = 3
ULPS = 16  # of the largest value, as in tests/ops/case.py

harnesses = pytest.importorskip("jax._src.internal_test_util.test_harnesses", reason="this JAX brings no harnesses")


def sample():
    """The harnesses to run, in the order of their names."""
    usable = [h for h in harnesses.all_harnesses if h.filter("cpu")]
    usable.sort(key=lambda h: (h.group_name, zlib.crc32(h.fullname.encode())))
    groups = itertools.groupby(usable, key=lambda h: h.group_name)
    return [h for _, group in groups for h in itertools.islice(group, EACH)]


def agree(got, want, ulps):
    """Assert that two arrays are equal, or floats within so many ulps of the largest."""
    assert got.dtype == want.dtype and got.shape == want.shape
    if jax.dtypes.issubdtype(got.dtype, jax.dtypes.prng_key):
        got, want = jax.random.key_data(got), jax.random.key_data(want)
    got, want = np.asarray(got), np.asarray(want)
    if not jax.numpy.issubdtype(want.dtype, jax.numpy.inexact):
        return np.testing.assert_array_equal(got, want)
    eps = float(jax.numpy.finfo(want.dtype).eps)
    wide = np.complex128 if np.iscomplexobj(want) else np.float64
    got, want = got.astype(wide), want.astype(wide)
    largest = np.abs(want[np.isfinite(want)]).max(initial=0)
    np.testing.assert_allclose(got, want, rtol=ulps * eps, atol=ulps * eps * largest)


@pytest.mark.parametrize("harness", sample(), ids=str)
def test_primitive(harness):
    arguments = harness.dyn_args_maker(np.random.RandomState(zlib.crc32(harness.fullname.encode())))
    results = []
    for name in (PLATFORM, "cpu"):
        with jax.default_device(jax.devices(name)[0]):
            results.append(jax.tree.leaves(jax.jit(harness.dyn_fun)(*arguments)))
    for got, want in zip(*results, strict=True):
        assert got.devices() == {jax.devices(PLATFORM)[0]}
        agree(got, want, ULPS)


def test_the_sample_has_every_primitive():
    assert len({h.group_name for h in sample()}) == len({h.group_name for h in harnesses.all_harnesses})
