"""Random programs over every element type against XLA:CPU; `random_typed_programs.py FIRST LAST` runs as many as you like."""

import jax
import pytest
from random_typed_programs import difference

PER_TEST = 10


def check(seeds):
    wrong = [sentence for seed in seeds if (sentence := difference(seed))]
    jax.clear_caches()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("first", range(0, 50, PER_TEST))
def test_values(first):
    check(range(first, first + PER_TEST))


@pytest.mark.parametrize("seed", [56, 63, 96, 98, 141])
def test_programs_that_once_were_wrong(seed):
    """Selects of 8- and 4-bit floats."""
    check([seed])
