"""Crafted programs with the right checksum: each is refused with its message, or runs and gives what it should."""

import importlib

import crafted_debug  # noqa: F401 (these fill the corpus)
import crafted_exchanges  # noqa: F401 (fills the corpus)
import crafted_kernels  # noqa: F401
import crafted_scalars  # noqa: F401
import crafted_streams  # noqa: F401
import numpy as np
import pytest
from corpus import CASES, run

plugin = importlib.import_module("jax_ascend._plugin")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_crafted_program(case):
    data, inputs = case.build()
    if case.load:
        with pytest.raises(RuntimeError, match=rf"^\[.*{case.load}"):
            plugin.ProgramRunner(data)
    elif case.run:
        plugin.verify_program(data)
        with pytest.raises(RuntimeError, match=rf"^\[.*{case.run}"):
            run(plugin, data, inputs)
    else:
        found = run(plugin, data, inputs)
        if case.result is not None:
            np.testing.assert_array_equal(np.frombuffer(found, case.result.dtype), case.result)
