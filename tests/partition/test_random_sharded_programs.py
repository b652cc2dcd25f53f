"""Random programs over random meshes; random_sharded_programs.py runs more of them, and on devices."""

import pytest
from random_sharded_programs import lockstep_difference


@pytest.mark.parametrize("seed", range(1000, 1024))
def test_random_program(seed):
    lockstep_difference(seed)


@pytest.mark.parametrize("count", [3, 5, 6, 7])
@pytest.mark.parametrize("seed", range(1024, 1028))
def test_random_program_on_odd_meshes(seed, count):
    lockstep_difference(seed, count)
