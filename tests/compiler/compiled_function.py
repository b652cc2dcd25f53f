"""Compile a JAX function with every step in hand, and run it on the reference interpreter against XLA:CPU."""

import jax
import numpy as np

from jax_ascend.compiler import frontend
from jax_ascend.compiler.compilation import Compilation
from jax_ascend.compiler.fusion.region import Region
from jax_ascend.compiler.passes import run_graph_passes
from jax_ascend.compiler.pipeline import BACK_PASSES
from jax_ascend.compiler.planning.place_values import Placer
from jax_ascend.compiler.planning.schedule import walk
from jax_ascend.compiler.planning.write_program import write_program
from jax_ascend.compiler.reference import run_program
from jax_ascend.compiler.stages import Stages
from jax_ascend.compiler.targets import target

TARGET = target("ascend910b")
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def integers(high, *shape):
    return RNG.integers(0, high, shape).astype(np.int32)


def plan_program(name, schedule, result_alias, target):
    """Give a schedule storage and write it as a program."""
    return write_program(name, schedule, Placer(schedule, result_alias), result_alias, target)


def run_back_passes(module):
    """Run the back half of the compiler, checking what every pass leaves; return the regions and the compilation."""
    compilation, stages = Compilation(module, TARGET), Stages(check=True)
    regions: dict[Region, None] = {}
    for back_pass in BACK_PASSES:
        stages.run(back_pass, compilation)
        regions |= dict.fromkeys(item for item in walk(compilation.schedule) if isinstance(item, Region))
    return list(regions), compilation


def compile_graph(function, arguments):
    """Return the regions, the schedule and the program of a JAX function."""
    lowered = jax.jit(function, keep_unused=True).lower(*arguments)
    module = frontend.import_module(frontend.legalize(frontend.deserialize(str(lowered.compiler_ir("stablehlo")))))
    run_graph_passes(module)
    module.aliases = [None] * len(module.main.results)
    regions, compilation = run_back_passes(module)
    return regions, compilation.schedule, compilation.program


def check_results(program, function, arguments, tolerance):
    """Compare with XLA:CPU: within the tolerance, or 16 roundings in f32 of a result's largest value, whose sums have another order."""
    expected = jax.tree.leaves(jax.jit(function)(*arguments))
    for got, want in zip(run_program(program, [np.array(a) for a in arguments]), expected, strict=True):
        want = np.asarray(want)
        assert got.dtype == want.dtype and got.shape == want.shape
        wide = np.float64 if want.dtype.kind not in "biu" else want.dtype
        got, want = got.astype(wide), want.astype(wide)
        largest = np.abs(want[np.isfinite(want)]).max(initial=0) if tolerance and wide is np.float64 else 0
        roundings = 16 * float(np.finfo(np.float32).eps) * largest
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=max(tolerance, roundings))
