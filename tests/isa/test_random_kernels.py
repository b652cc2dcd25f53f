"""Random vector kernels through allocation, flags, verifier, hazard check, executor and reference."""

import importlib

import numpy as np
import pytest
from random_vector_kernels import random_program
from test_instructions import execute

from jax_ascend.compiler.reference import run_program

plugin = importlib.import_module("jax_ascend._plugin")


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_the_executor_runs_random_kernels_as_they_read(first):
    for seed in range(first, first + 20):
        program, inputs = random_program(seed)
        data = program.encode()
        (want,) = run_program(program, inputs)
        (got,) = execute(data, inputs)
        wrong = np.flatnonzero(~((got == want) | (np.isnan(got) & np.isnan(want))))
        assert not wrong.size, f"seed {seed}: {wrong.size} differ, first at {wrong[0]}\n{program.kernels[0]}"


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_flags_and_addresses_of_random_kernels_are_free_of_hazards(first):
    for seed in range(first, first + 20):
        program, _ = random_program(seed)
        found = plugin.find_hazards(program.encode())
        assert found == [], f"seed {seed}: {found[0]}\n{program.kernels[0]}"
