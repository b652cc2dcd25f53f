"""What a program over several devices may not have: an error that says what to do instead."""

import os
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding
from meshes import P, mesh_on, numbers

CUT = P("i")


def placed(spec=CUT):
    return jax.device_put(numbers((8, 4), "float32"), NamedSharding(mesh_on("ascend"), spec))


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
