"""JAX programs through importer and passes, evaluated by the NumPy reference, against XLA:CPU."""

import graph_reference
import jax
import numpy as np
import pytest
from jax import export
from programs import PROGRAMS

from jax_ascend.compiler import frontend
from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.passes import GRAPH_PASSES
from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.targets import target

INTERMEDIATE = (
    *(
        ops.Call,
        ops.Gather,
        ops.GeneralReduce,
        ops.GeneralSort,
        ops.OptimizationBarrier,
        ops.ReduceWindow,
        ops.RngBitGenerator,
    ),
    *(ops.Scatter, ops.SelectAndScatter),
)


def artifact_of(f, *args):
    """Return the portable artifact JAX makes of a function for the ascend platform."""
    exported = export.export(jax.jit(f), platforms=("ascend",))(*args)
    assert len(exported.module_kept_var_idx) == len(jax.tree.leaves(args))
    return exported.mlir_module_serialized


def same(got, want, where):
    assert got.dtype == want.dtype and got.shape == want.shape, where
    if want.dtype.kind in "biu":
        np.testing.assert_array_equal(got, want, where)
        return
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    tolerance = 2e-2 if want.dtype.itemsize == 2 else 3e-5
    np.testing.assert_allclose(got.astype(wide), want.astype(wide), tolerance, tolerance, err_msg=where)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    f, args = PROGRAMS[name]
    want = [np.asarray(a) for a in jax.tree.leaves(jax.jit(f)(*args))]
    module = frontend.import_module(frontend.deserialize(artifact_of(f, *args)))
    module.main.verify()
    if name != "random_bit_generator":  # the reference has no generator of its own
        for k, (g, w) in enumerate(zip(graph_reference.run(module.main, args), want, strict=True)):
            same(g, w, f"{name}, result {k}, as imported")
    for graph_pass in GRAPH_PASSES:
        graph_pass(module, None)
        module.main.verify()
    assert not [op.name for op in module.main.walk() if isinstance(op, INTERMEDIATE)]
    for k, (g, w) in enumerate(zip(graph_reference.run(module.main, args), want, strict=True)):
        same(g, w, f"{name}, result {k}, after all passes")


def test_passes_are_deterministic():
    f, args = PROGRAMS["scatters"]
    artifact = artifact_of(f, *args)
    texts = []
    for _ in range(2):
        module = frontend.import_module(frontend.deserialize(artifact))
        for graph_pass in GRAPH_PASSES:
            graph_pass(module, None)
        texts.append(str(module.main))
    assert texts[0] == texts[1]


def test_a_program_carries_its_module_whole():
    """`compiled.as_text()` is made of it: MLIR cannot turn elided constants into HLO."""
    artifact = artifact_of(lambda x: x + np.arange(70_000, dtype=np.float32), np.float32(1))
    program = compile_program(artifact, target("ascend910b"))
    assert str(frontend.deserialize(program.stablehlo)) == str(frontend.deserialize(artifact))
