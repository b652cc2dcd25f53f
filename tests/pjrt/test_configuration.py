"""Environment variables: one table, read when needed, with a message when unusable."""

import pytest

from jax_ascend import configuration
from jax_ascend.compiler.errors import InvalidInputError


@pytest.mark.parametrize(
    "text, value", [("1000", 1000), ("16GiB", 16 << 30), ("1.5 GB", 1_500_000_000), ("64k", 64_000)]
)
def test_sizes(monkeypatch, text, value):
    monkeypatch.setenv("JAX_ASCEND_HBM_BYTES", text)
    assert configuration.HBM_BYTES.get() == value


@pytest.mark.parametrize(
    "name, text", [("JAX_ASCEND_DEVICES", "0"), ("JAX_ASCEND_DEVICES", "two"), ("JAX_ASCEND_HBM_BYTES", "much")]
)
def test_unusable_values(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(InvalidInputError, match=rf"{name} is unusable; expected .*, got '{text}'"):
        configuration.client_options()


def test_every_variable_has_a_name_and_a_meaning():
    assert len({v.name for v in configuration.VARIABLES}) == len(configuration.VARIABLES)
    assert all(v.name.startswith("JAX_ASCEND_") and v.meaning for v in configuration.VARIABLES)
