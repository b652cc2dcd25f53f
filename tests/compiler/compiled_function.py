"""Compile a JAX function with every step in hand, and run it on the reference interpreter against XLA:CPU."""

import jax
import numpy as np

from jax_ascend.compiler import frontend
from jax_ascend.compiler.passes import run_graph_passes
from jax_ascend.compiler.planning.plan_program import plan_program
from jax_ascend.compiler.planning.schedule_graph import Scheduler
from jax_ascend.compiler.reference import run_program
from jax_ascend.compiler.targets import target

TARGET = target("ascend910b")
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def integers(high, *shape):
    return RNG.integers(0, high, shape).astype(np.int32)


def compile_graph(function, arguments):
    lowered = jax.jit(function, keep_unused=True).lower(*arguments)
    module = frontend.import_module(frontend.deserialize(str(lowered.compiler_ir("stablehlo"))))
    run_graph_passes(module)
    scheduler = Scheduler(TARGET)
    schedule = scheduler.schedule(module.main)
    program = plan_program("test", schedule, [-1] * len(module.main.results), TARGET)
    return scheduler, schedule, program


def check_results(program, function, arguments, tolerance):
    expected = jax.tree.leaves(jax.jit(function)(*arguments))
    for got, want in zip(run_program(program, [np.array(a) for a in arguments]), expected, strict=True):
        want = np.asarray(want)
        assert got.dtype == want.dtype and got.shape == want.shape
        wide = np.float64 if want.dtype.kind not in "biu" else want.dtype
        np.testing.assert_allclose(got.astype(wide), want.astype(wide), rtol=tolerance, atol=tolerance)
