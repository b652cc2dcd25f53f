"""Run a function on the device and on XLA:CPU in one process, and end non-zero where its results part.

Shared by the scripts beside it. They need `JAX_PLATFORMS=ascend,cpu`, which `run.py` sets.
"""

import os
import sys
import time

import jax
import numpy as np


def distance(got, want):
    """The largest difference of two arrays of one shape, relative to the largest finite value of `want`."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or got.dtype != want.dtype:
        return np.inf
    if want.dtype.kind in "biuOSU":
        return 0.0 if np.array_equal(got, want) else np.inf
    got, want = (a.astype(np.complex128 if want.dtype.kind == "c" else np.float64) for a in (got, want))
    if not np.array_equal(np.isfinite(got), np.isfinite(want)):
        return np.inf
    finite = np.isfinite(want)
    return np.abs(got - want)[finite].max(initial=0) / max(np.abs(want)[finite].max(initial=0), 1e-30)


def on_both(run, tolerance, say):
    """Call `run()` on the device and on XLA:CPU, and print one line; ends the process with 1 where they differ.

    `run` returns a tree of arrays, `say(tree)` the sentence about it; `tolerance` is relative to the largest value of
    each array. The arrays of the first call have to be on the device: nothing may have computed them elsewhere.
    """
    platform = os.environ.get("TEST_PLATFORM", "ascend")
    trees, seconds = [], []
    for name in (platform, "cpu"):
        start = time.monotonic()
        with jax.default_device(jax.devices(name)[0]):
            trees.append(jax.block_until_ready(run()))
        seconds.append(time.monotonic() - start)
        elsewhere = {d.platform for leaf in jax.tree.leaves(trees[-1]) for d in leaf.devices()} - {name}
        if elsewhere:
            sys.exit(f"a result is on {elsewhere}; expected all on {name}")
    (got, shape), (want, expected) = map(jax.tree.flatten, trees)
    if not got or shape != expected:
        sys.exit(f"the results are {shape}; expected those of XLA:CPU, {expected}")
    if not all(np.isfinite(np.asarray(leaf, np.complex128)).all() for leaf in want):
        sys.exit("a result of XLA:CPU is not finite: agreeing with it would show nothing")
    worst = max(map(distance, got, want))
    ahead = ", ".join(f"{name} {s:.1f} s" for name, s in zip((platform, "cpu"), seconds))
    print(f"{say(trees[0])}; within {worst:.1e} of XLA:CPU (allowed {tolerance:.0e}); {ahead}")
    if not worst <= tolerance:
        sys.exit(1)
