"""Random programs over random meshes; random_sharded_programs.py runs more of them, and on devices."""

import pytest
from random_sharded_programs import lockstep_difference


@pytest.mark.parametrize("seed", range(1000, 1024))
def test_random_program(seed):
    lockstep_difference(seed)
