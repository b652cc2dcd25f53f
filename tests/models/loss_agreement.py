"""Train the same program on two platforms and compare the losses step by step.

f32: within 1e-3 of XLA:CPU's loss at every step and within 1e-5 in the first five, relative; nothing
but the order of sums may differ. bf16: rounding makes runs part, so the yardstick is measured in the
same test: how far XLA:CPU in bf16 is from XLA:CPU in f32 (root mean square over the steps). The device in
bf16 may be at most twice that far from XLA:CPU in bf16.
"""

import os

import jax
import numpy as np

PLATFORM = os.environ.get("TEST_PLATFORM", "ascend")
EARLY, EARLY_STEPS, LATE = 1e-5, 5, 1e-3
NOISE = 2.0


def losses_on(platform, train, *arguments):
    """Return the losses that `train(*arguments)` yields with everything on a platform's first device."""
    with jax.default_device(jax.devices(platform)[0]):
        losses = np.array([float(loss) for loss in train(*arguments)])
    assert np.isfinite(losses).all()
    return losses


def check_f32(train, *arguments):
    """Assert that training in f32 gives XLA:CPU's losses, and that it learns."""
    want, got = losses_on("cpu", train, *arguments), losses_on(PLATFORM, train, *arguments)
    assert want[-3:].mean() < want[:3].mean(), "the reference does not learn: the test would prove nothing"
    np.testing.assert_allclose(got[:EARLY_STEPS], want[:EARLY_STEPS], rtol=EARLY)
    np.testing.assert_allclose(got, want, rtol=LATE)


def check_bf16(train, f32, bf16):
    """Assert that training in bf16 stays within the noise of bf16; the arguments choose the type."""
    exact, want = losses_on("cpu", train, f32), losses_on("cpu", train, bf16)
    got = losses_on(PLATFORM, train, bf16)
    noise, distance = np.sqrt(np.mean((want - exact) ** 2)), np.sqrt(np.mean((got - want) ** 2))
    assert noise > 0, "bf16 and f32 agree to the last digit: bf16 was not used"
    assert distance <= NOISE * noise, f"distance {distance:.3g} from XLA:CPU, noise of bf16 {noise:.3g}"
