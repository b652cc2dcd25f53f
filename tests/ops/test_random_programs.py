"""Random programs and their gradients against XLA:CPU; what fusion, tiling and storage get wrong shows here.

    python tests/ops/test_random_programs.py FIRST LAST     runs as many as you like

XLA:CPU evaluates each program in f64 too. The device may be as far from that as f32 rounding explains: 1e-5 of the
largest magnitude (or of 1), and four times XLA:CPU's own distance in f32, for programs that amplify rounding.
"""

import os
import sys

import jax
import numpy as np
import pytest
from random_programs import RandomProgram

PLATFORM = os.environ.get("TEST_PLATFORM", "ascend")
PER_TEST = 10


def run(function, arguments, platform, dtype=np.float32):
    with jax.default_device(jax.devices(platform)[0]), jax.enable_x64(dtype == np.float64):
        return [np.asarray(v, np.float64) for v in jax.jit(function)(*[a.astype(dtype) for a in arguments])]


def gradient_of(program):
    def function(*arguments):
        return jax.grad(lambda xs: sum(v.mean() for v in program.function(*xs)))(list(arguments))

    return function


def difference(seed, gradient):
    """Return a sentence on the first result of a program that is wrong, or None."""
    program = RandomProgram(seed, length=8 if gradient else 12)
    function = gradient_of(program) if gradient else program.function
    exact = run(function, program.arguments, "cpu", np.float64)
    rounded = run(function, program.arguments, "cpu")
    found = run(function, program.arguments, PLATFORM)
    for k, (e, r, f) in enumerate(zip(exact, rounded, found, strict=True)):
        if f.shape != e.shape:
            return f"program {seed}, result {k}: shape {f.shape}, expected {e.shape}"
        allowed = 1e-5 * max(1, np.abs(e).max(initial=0)) + 4 * np.abs(r - e).max(initial=0)
        if not np.abs(f - e).max(initial=0) <= allowed:
            return f"program {seed}, result {k}: {np.abs(f - e).max():.3g} from f64, {allowed:.3g} allowed"
    return None


def check(seeds, gradient):
    wrong = [sentence for seed in seeds if (sentence := difference(seed, gradient))]
    jax.clear_caches()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("first", range(0, 120, PER_TEST))
def test_values(first):
    check(range(first, first + PER_TEST), gradient=False)


@pytest.mark.parametrize("first", range(0, 60, PER_TEST))
def test_gradients(first):
    check(range(first, first + PER_TEST), gradient=True)


@pytest.mark.parametrize(("seed", "gradient"), [(274, False), (514, False), (871, True), (881, True)])
def test_programs_that_once_were_wrong(seed, gradient):
    """Values computed twice when a region is split; a reverse of a constant."""
    check([seed], gradient)


if __name__ == "__main__":
    wrong = 0
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        for gradient in (False, True):
            try:
                sentence = difference(seed, gradient)
            except Exception as error:
                sentence = f"program {seed}: {error}"
            if sentence:
                wrong += 1
                print("gradient of" if gradient else "", sentence, flush=True)
        if seed % 50 == 0:
            jax.clear_caches()
    print(f"{wrong} wrong")
