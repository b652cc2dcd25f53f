"""The private parts of JAX this package touches are where it expects them, in the JAX that is installed."""

from jax import lax
from jax._src import compilation_cache, xla_bridge
from jax._src.interpreters import mlir

from jax_ascend import function_rules, jax_compat


def test_tables(device):
    assert "ascend" in xla_bridge._nonexperimental_plugins
    assert "ascend" in mlir._platforms_with_donation
    assert compilation_cache.is_cache_used.__module__ == jax_compat.__name__


def test_default_rules():
    """Without them some functions would be what JAX and jaxlib write out."""
    for name in (*function_rules.OF_COMPLEX, *function_rules.OF_REAL):
        assert callable(jax_compat.default_rule(getattr(lax, f"{name}_p")))


def test_stablehlo_versions():
    current, minimum = jax_compat.stablehlo_versions()
    assert len(current) == len(minimum) == 3
    assert current >= [1, 17, 0]
    assert minimum <= current
