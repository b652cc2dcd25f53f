"""The private parts of JAX this package touches are where it expects them, in the JAX that is installed."""

from jax import lax
from jax._src import compilation_cache, xla_bridge
from jax._src.interpreters import mlir
from jax.extend.core import Primitive

from jax_ascend import function_rules, jax_compat


def test_tables(device):
    assert "ascend" in xla_bridge._nonexperimental_plugins
    assert "ascend" in mlir._platforms_with_donation
    assert compilation_cache.is_cache_used.__module__ == jax_compat.__name__
    assert isinstance(mlir._platform_specific_lowerings["ascend"], jax_compat._Rules)


def test_rules_of_callbacks(device):
    """Each follows from a rule for the CPU, or the default one; a rule that somebody registers comes first."""
    import jax.experimental.buffer_callback
    import jax.experimental.checkify
    import jax.experimental.sparse.linalg  # noqa: F401 (they bring rules)
    from jax._src.lax import lax, linalg, parallel

    rules = mlir._platform_specific_lowerings["ascend"]
    found = {
        p.name
        for p in {**mlir._lowerings, **mlir._platform_specific_lowerings["cpu"]}
        if p.name in jax_compat._CALLBACKS
    }
    assert found == set(jax_compat._CALLBACKS)
    assert lax.add_p not in rules, "left to the default rule"
    for name in jax_compat._SAME:
        primitive = getattr(parallel if name == "pbroadcast" else linalg, f"{name}_p")
        assert rules[primitive] is mlir._platform_specific_lowerings[jax_compat._SAME[name]][primitive]
    primitive = Primitive("nobody_lowers_this_either")
    assert primitive in rules
    mlir.register_lowering(primitive, lambda context, x: [x], platform="ascend")
    assert rules[primitive].rule(None, 3) == [3]


def test_default_rules():
    """Without them some functions would be what JAX and jaxlib write out."""
    for name in (*function_rules.OF_COMPLEX, *function_rules.OF_REAL):
        assert callable(jax_compat.default_rule(getattr(lax, f"{name}_p")))


def test_stablehlo_versions():
    current, minimum = jax_compat.stablehlo_versions()
    assert len(current) == len(minimum) == 3
    assert current >= [1, 17, 0]
    assert minimum <= current


def test_meshes_are_left(device):
    """As long as a function of the host runs, and what is set inside of it stays inside."""
    import jax
    import numpy as np

    def found():
        return jax.sharding.get_mesh().empty, jax.sharding.get_abstract_mesh().empty

    with jax.set_mesh(jax.sharding.Mesh(np.array([device]), ("x",))):
        assert found() == (False, False)
        with jax_compat.outside_meshes():
            assert found() == (True, True)
        assert found() == (False, False)
