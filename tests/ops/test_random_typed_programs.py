"""Random programs over every element type against XLA:CPU; `random_typed_programs.py FIRST LAST` runs as many as you like."""

import jax
import numpy as np
import pytest
from exact_program import evaluate
from random_typed_programs import TypedProgram, attempt, compare, compiled, difference

PER_TEST = 10


def check(seeds):
    wrong = [sentence for seed in seeds if (sentence := difference(seed))]
    jax.clear_caches()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("first", range(0, 50, PER_TEST))
def test_values(first):
    check(range(first, first + PER_TEST))


@pytest.mark.parametrize("seed", [56, 63, 96, 98, 141, 3348, 6011])
def test_programs_that_once_were_wrong(seed):
    """Selects of 8- and 4-bit floats, and of their transposes."""
    check([seed])


@pytest.mark.parametrize("seed", [3566, 6683])
def test_four_bits_that_overflow_where_xla_cpu_does_not_wrap(seed):
    """XLA:CPU keeps four bits in eight between fused ops: 6 becomes 150, and an int16 249."""
    check([seed])


@pytest.mark.parametrize("seed", [6144, 15085])
def test_programs_that_xla_cpu_does_not_compile(seed):
    """One is refused, the other ends the process: the exact evaluation tells what is right."""
    assert attempt(seed, dead=True) is None


def test_exact_evaluation_of_four_bits():
    """The evaluation itself: products and shifts modulo 16, by Python's numbers."""
    x, y = np.arange(16).astype("uint4"), np.arange(16)[::-1].astype("uint4")
    got = evaluate(lambda x, y: ((x * y + ~x).astype("uint8"), (x << (y & 3)).astype("int16")), x, y)
    assert got[0].tolist() == [(i * (15 - i) + ~i) % 16 for i in range(16)]
    assert got[1].tolist() == [(i << (15 - i & 3)) % 16 for i in range(16)]


def test_differences_are_seen():
    """A wrong value, and a type that is not the program's."""
    program = TypedProgram(12)
    with jax.enable_x64(True):
        right = compiled(program, "cpu")
        wrong = [right[0] + 1, *right[1:]]
        assert compare(12, right, right, "XLA:CPU") is None
        assert "result 0" in compare(12, wrong, right, "XLA:CPU")
        assert "expected" in compare(12, [right[0].astype("int64"), *right[1:]], right, "XLA:CPU")
