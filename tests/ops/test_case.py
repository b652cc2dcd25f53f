"""The comparison itself: what is neither XLA:CPU's result nor near the exact one does not pass."""

import jax.numpy as jnp
import pytest
from case import Check, case, verify

MODES = [
    (t, m) for t in ("f32", "bf16", "i32") for m in ("value", "eager", "gradient") if (t, m) != ("i32", "gradient")
]


@pytest.mark.parametrize(("type", "mode"), MODES)
def test_a_wrong_result_fails(type, mode):
    wrong = case("wrong", lambda x: x * 2, "T[9] 1..3", reference=lambda x: x * 3)
    with pytest.raises(AssertionError, match="of 9 differ"):
        verify(Check(wrong, type, mode))


def test_the_exact_result_passes_where_the_reference_is_worse():
    def rounded(x):
        return x.astype(jnp.float16).astype(jnp.float32) if x.dtype == jnp.float32 else x  # in f64 it is exact

    verify(Check(case("better", lambda x: x, "f32[9]", reference=rounded), "f32", "value"))
