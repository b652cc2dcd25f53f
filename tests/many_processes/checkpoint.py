"""Saves a training state of the mesh of four processes, or restores it into that of two, and trains on."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh, NamedSharding
from joining import join

action, folder = sys.argv[1], Path(sys.argv[2])
join()
from shared_programs import P, numbers, place  # noqa: E402

mesh = Mesh(np.array(jax.devices("ascend")).reshape(-1, 2), ("a", "b"))
SPECS = {"w": P("a", "b"), "v": P(None, "a"), "bias": P(), "half": P(("b", "a"))}
VALUES = {
    "w": numbers((8, 6)),
    "v": numbers((3, 8), seed=1),
    "bias": numbers((5,), seed=2),
    "half": numbers((16,), "bfloat16", 3),
}
step = jax.jit(lambda state: jax.tree.map(lambda x: x * 2 + x.sum().astype(x.dtype), state))
with ocp.CheckpointManager(folder) as manager:
    if action == "save":
        state = {k: place(v, mesh, SPECS[k]) for k, v in VALUES.items()} | {"count": 7}
        manager.save(1, args=ocp.args.StandardSave(state))
        manager.wait_until_finished()
    else:
        wanted = {
            k: jax.ShapeDtypeStruct(v.shape, v.dtype, sharding=NamedSharding(mesh, SPECS[k])) for k, v in VALUES.items()
        }
        state = manager.restore(1, args=ocp.args.StandardRestore(wanted | {"count": 0}))
        assert state.pop("count") == 7
        for k, x in state.items():
            assert x.sharding.spec == SPECS[k] and x.sharding.mesh == mesh
            for shard in x.addressable_shards:
                np.testing.assert_array_equal(np.asarray(shard.data), VALUES[k][shard.index])
        jax.block_until_ready(step(state))
        assert jnp.ones(3).sum() == 3
print("DONE")
