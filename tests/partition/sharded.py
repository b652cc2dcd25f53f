"""JAX functions over abstract meshes: imported, divided, run in lockstep, compared with the same Graph in one piece."""

import jax
import lockstep
import numpy as np
from graph_reference import run as run_whole
from jax.sharding import AbstractMesh, AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jax_ascend.compiler import frontend
from jax_ascend.compiler.partition import partition
from jax_ascend.compiler.passes.decompose_random_bits import decompose_random_bits
from jax_ascend.compiler.passes.inline_calls import inline_calls


def mesh_of(*sizes):
    """Return a mesh with axes a, b, c of these sizes."""
    return AbstractMesh(sizes, tuple("abcd"[: len(sizes)]), axis_types=(AxisType.Auto,) * len(sizes))


def random_spec(draw, mesh, shape, even):
    """Return a spec that cuts some dimensions along some axes, `even` if only into equal parts."""
    dims = [()] * len(shape)
    for axis in draw.permutation(len(mesh.axis_sizes)):
        if not shape or draw.random() < 0.3:
            continue
        d = int(draw.integers(len(shape)))
        parts = int(np.prod([mesh.shape[a] for a in dims[d]], dtype=int)) * mesh.axis_sizes[axis]
        if not even or shape[d] % parts == 0:
            dims[d] += (mesh.axis_names[axis],)
    return P(*dims)


def text_of(function, arguments, mesh, seed):
    """Return the StableHLO text of a function whose arguments lie, and are constrained in it, as the seed draws."""
    draw = np.random.default_rng(seed)

    def constrained(*args):
        def place(x):
            return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, random_spec(draw, mesh, x.shape, False)))

        args = [place(x) if draw.random() < 0.6 else x for x in args]
        return jax.tree.map(lambda r: place(r) if draw.random() < 0.5 else r, function(*args))

    ins = tuple(NamedSharding(mesh, random_spec(draw, mesh, np.shape(a), True)) for a in arguments)
    lowered = jax.jit(constrained, in_shardings=ins, keep_unused=True).trace(*arguments)
    return lowered.lower(lowering_platforms=("ascend",)).as_text(debug_info=True)


def permuted(text, draw):
    """Return the module with another order of the devices in its meshes."""
    lines = []
    for line in text.splitlines():
        if line.strip().startswith("sdy.mesh") and "device_ids" not in line:
            sizes = [int(part.split("=")[1].strip(" ],")) for part in line.split("[")[1].split("]")[0].split(",")]
            order = ", ".join(map(str, draw.permutation(int(np.prod(sizes)))))
            head, tail = line.split("]>", 1)
            line = f"{head}], device_ids=[{order}]>{tail}"
        lines.append(line)
    return "\n".join(lines)


def import_text(text):
    """Return the Graph module of a program over several devices, before it is divided."""
    mlir = frontend.legalize(frontend.deserialize(text))
    module = frontend.import_module(frontend.propagated(mlir))
    module.main.verify()
    return module


def divide(text):
    """Return the module that each device runs."""
    module = import_text(text)
    partition(module)
    module.main.verify()
    decompose_random_bits(module, None)
    return module


def whole_results(text, arguments):
    """Return what the program in one piece gives."""
    module = import_text(text)
    inline_calls(module, None)
    decompose_random_bits(module, None)
    return run_whole(module.main, arguments)


def run_text(text, arguments):
    """Return the results of a divided program on whole arguments, and how many collectives it took."""
    return lockstep.run(divide(text), [np.asarray(a) for a in arguments])


def check(text, arguments, tolerance=1e-4):
    """Compare the divided program with the one in one piece; return the divided module."""
    arguments = [np.asarray(a) for a in arguments]
    expected = whole_results(text, arguments)
    module = divide(text)
    got, _ = lockstep.run(module, arguments)
    for number, (g, e) in enumerate(zip(got, expected, strict=True)):
        assert g.shape == e.shape and g.dtype == e.dtype, number
        if g.dtype.kind in "biu":
            np.testing.assert_array_equal(g, e, err_msg=f"result {number}")
        else:
            wide = np.complex128 if g.dtype.kind == "c" else np.float64
            np.testing.assert_allclose(
                g.astype(wide), e.astype(wide), rtol=tolerance, atol=tolerance, err_msg=f"result {number}"
            )
    return module
