"""What a program over several devices may not have: an error that says what to do instead."""

import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import NamedSharding
from meshes import P, mesh_on, numbers

CUT = P("i")


@custom_partitioning
def sort_rows(x):
    return jnp.sort(x, axis=1)


def _divided(mesh, arguments, result):
    return mesh, lambda x: jnp.sort(x, axis=1), arguments[0].sharding, (arguments[0].sharding,)


sort_rows.def_partition(
    infer_sharding_from_operands=lambda mesh, arguments, result: arguments[0].sharding,
    partition=_divided,
    sharding_rule="i j -> i j",
)


def placed(spec=CUT):
    return jax.device_put(numbers((8, 4), "float32"), NamedSharding(mesh_on("ascend"), spec))


def test_custom_partitioning():
    with pytest.raises(
        jax.errors.JaxRuntimeError, match=r"custom_partitioning, which.*call what each device does in jax\.shard_map"
    ):
        jax.jit(sort_rows)(placed())
    np.testing.assert_array_equal(
        np.asarray(jax.jit(sort_rows)(jax.device_put(numbers((8, 4), "float32"), jax.devices("ascend")[0]))),
        np.sort(numbers((8, 4), "float32"), 1),
    )


@pytest.mark.parametrize("spec", [P("i"), P()], ids=str)
def test_shardings_in_the_form_of_gspmd(spec):
    f = lambda x: x * 2 + 1  # noqa: E731
    jax.config.update("jax_use_shardy_partitioner", False)
    try:
        if spec == P():
            return np.testing.assert_array_equal(
                np.asarray(jax.jit(f)(placed(spec))), numbers((8, 4), "float32") * 2 + 1
            )
        with pytest.raises(jax.errors.JaxRuntimeError, match="form of GSPMD; set jax_use_shardy_partitioner to True"):
            jax.jit(f)(placed(spec))
    finally:
        jax.config.update("jax_use_shardy_partitioner", True)


@pytest.mark.parametrize("options, count", [("devices:3", 3), ("devices:three", None)])
def test_how_many_devices_is_an_option_of_jax(options, count):
    code = "import jax; print(len(jax.devices('ascend')))"
    environment = {**os.environ, "JAX_PLATFORMS": "ascend,cpu", "JAX_PJRT_CLIENT_CREATE_OPTIONS": options}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, timeout=100
    )
    assert (
        done.stdout == f"{count}\n"
        if count
        else re.search(r"unusable option 'devices'; expected.*1 to 4096", done.stderr)
    )
