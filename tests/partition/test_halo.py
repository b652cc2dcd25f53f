"""Windows over dimensions that are cut: neighbours exchange borders, and nothing is brought together."""

from functools import partial

import jax
import jax.numpy as jnp
import lockstep
import numpy as np
import pytest
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from sharded import divide, mesh_of, whole_results

from jax_ascend.compiler.graph import ops

LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv(x, k, strides=(1, 1), padding="SAME", **options):
    return lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=LAYOUT, **options)


def pool(kind, window, strides, padding="SAME"):
    start, combine = {"max": (-jnp.inf, lax.max), "sum": (0.0, lax.add), "min": (7.0, lax.min)}[kind]
    return lambda x: lax.reduce_window(x, start, combine, (1, *window, 1), (1, *strides, 1), padding)


def divided(function, arguments, specs, out, mesh):
    """Return the divided module of a function whose arguments and result lie so, and its text."""

    def constrained(*args):
        return lax.with_sharding_constraint(function(*args), NamedSharding(mesh, P(*out)))

    ins = tuple(NamedSharding(mesh, P(*spec)) for spec in specs)
    lowered = jax.jit(constrained, in_shardings=ins).trace(*arguments).lower(lowering_platforms=("ascend",))
    text = lowered.as_text(debug_info=True)
    return divide(text), text


def check(function, shapes, cut, mesh, exchanges):
    """Compare with the program in one piece; what is exchanged are borders, in so many exchanges if that is said."""
    rng = np.random.default_rng(0)
    arguments = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    specs = [cut] + [()] * (len(shapes) - 1)
    module, text = divided(function, arguments, specs, cut, mesh)
    found = [op for op in module.main.ops if isinstance(op, ops.collectives.Collective)]
    assert all(isinstance(op, ops.CollectivePermute) for op in found), module.notes
    assert not module.notes and (exchanges is None or len(found) == exchanges)
    (got,), _ = lockstep.run(module, arguments)
    (expected,) = whole_results(text, arguments)
    np.testing.assert_allclose(got, expected, 1e-4, 1e-4)


ROWS = (None, "a")


@pytest.mark.parametrize(
    ("function", "kernel", "size", "exchanges"),
    [
        (conv, (3, 3), 16, 2),
        (conv, (1, 3), 16, 0),
        (conv, (2, 3), 16, 1),
        (conv, (5, 1), 8, 2),
        (conv, (9, 1), 8, 4),  # from neighbours of neighbours
        (conv, (15, 1), 4, 6),  # and from all there are
        (conv, (21, 1), 4, None),  # and from none
        (partial(conv, strides=(2, 1)), (3, 3), 16, 1),
        (partial(conv, strides=(2, 2)), (2, 2), 16, 0),
        (partial(conv, strides=(4, 1), padding=((3, 3), (0, 0))), (7, 1), 32, 1),
        (partial(conv, rhs_dilation=(2, 1), padding=((2, 2), (1, 1))), (3, 3), 16, 2),
        (partial(conv, padding=((0, 2), (1, 1))), (3, 3), 16, 1),
        (partial(conv, padding=((2, 0), (1, 1))), (3, 3), 16, 1),
        (partial(conv, padding=((-1, 3), (0, 0))), (3, 1), 16, 1),  # elements that nobody reads
    ],
)
def test_convolutions(function, kernel, size, exchanges):
    check(function, [(2, size, 8, 3), (*kernel, 3, 4)], ROWS, mesh_of(4), exchanges)


def test_two_dimensions_and_corners():
    """Rows first, then columns with the borders that the rows have brought: so corners come, too."""
    check(conv, [(2, 8, 12, 3), (3, 3, 3, 4)], (None, "a", "b"), mesh_of(2, 3), 4)


def test_features_and_rows():
    def function(x, k):
        return conv(x, lax.with_sharding_constraint(k, NamedSharding(mesh, P(None, None, None, "b"))))

    mesh = mesh_of(2, 2)
    rng = np.random.default_rng(0)
    arguments = [rng.standard_normal(s).astype(np.float32) for s in ((2, 8, 6, 3), (3, 3, 3, 4))]
    specs = (None, "a"), (None, None, None, "b")
    module, text = divided(function, arguments, specs, (None, "a", None, "b"), mesh)
    found = {type(op) for op in module.main.ops if isinstance(op, ops.collectives.Collective)}
    assert found == {ops.CollectivePermute}
    (got,), _ = lockstep.run(module, arguments)
    np.testing.assert_allclose(got, whole_results(text, arguments)[0], 1e-4, 1e-4)


@pytest.mark.parametrize(
    ("function", "size", "exchanges"),
    [
        (pool("max", (3, 3), (1, 1)), 16, 2),
        (pool("min", (3, 3), (1, 1)), 16, 2),  # pads by 7
        (pool("sum", (2, 2), (2, 2)), 16, 0),
        (pool("max", (3, 3), (2, 2)), 16, 1),
        (pool("sum", (5, 1), (1, 1)), 8, 2),
        (pool("min", (13, 1), (1, 1)), 8, 6),
    ],
)
def test_pools(function, size, exchanges):
    check(function, [(2, size, 8, 3)], ROWS, mesh_of(4), exchanges)


def test_the_gradient_of_the_input():
    def function(x, k):
        return jax.grad(lambda x: (conv(x, k) ** 2).sum())(x)

    check(function, [(2, 16, 8, 3), (3, 3, 3, 4)], ROWS, mesh_of(4), 4)


@pytest.mark.parametrize(
    "function",
    [
        partial(conv, padding="VALID"),  # parts of the result are not those of the operand
        partial(conv, lhs_dilation=(2, 1), padding=((1, 2), (1, 1))),
    ],
)
def test_what_does_not_fit_is_brought_together(function):
    rng = np.random.default_rng(0)
    arguments = [rng.standard_normal(s).astype(np.float32) for s in ((2, 16, 8, 3), (3, 3, 3, 4))]
    module, text = divided(function, arguments, [ROWS, ()], (), mesh_of(4))
    (got,), _ = lockstep.run(module, arguments)
    np.testing.assert_allclose(got, whole_results(text, arguments)[0], 1e-4, 1e-4)
    assert any("brought together" in note for note in module.notes)
