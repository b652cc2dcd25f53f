"""The example that estimates clusters: its table and plot, and that what it estimates is right on devices that exist."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(EXAMPLES))
    try:
        import estimate_cluster
    finally:
        sys.path.remove(str(EXAMPLES))
    return estimate_cluster


def test_the_table_and_the_plot(example, capsys, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib", reason="what the example draws with")
    monkeypatch.setattr(
        sys, "argv", ["x", "--model", "tiny", "--devices", "8", "64", "--plot", str(tmp_path / "a.svg")]
    )
    example.main()
    _, _, *lines = capsys.readouterr().out.splitlines()
    rows = {(words[0], int(words[1])): [float(w.rstrip("%")) for w in words[2:]] for words in map(str.split, lines)}
    assert set(rows) == {(name, n) for name in example.STRATEGIES for n in (8, 64)}
    for seconds, computing, exposed, communication, *_ in rows.values():
        assert computing + exposed == pytest.approx(seconds, abs=2e-3) and exposed <= communication + 2e-3
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_what_cuts_parameters_saves_memory(example):
    config = example.MODELS["tiny"]
    rows = {name: example.row_of(config, name, 64) for name in ("data", "fsdp", "tensor", "fsdp+sequence")}
    assert rows["fsdp"].gigabytes < rows["data"].gigabytes
    assert rows["fsdp+sequence"].gigabytes < rows["tensor"].gigabytes
    assert all(row.communication > 0 and row.fits for row in rows.values())


CONFIG = (2, 64, 8, 8, 96, 64, 16)


def step_of(example, name, devices):
    """Return the parameters after two steps on these devices, and the losses."""
    strategy, config = example.STRATEGIES[name], example.Config(*CONFIG)
    model = min(strategy.model, len(devices))
    mesh = Mesh(np.array(devices).reshape(-1, model), ("data", "model"))
    step, ((shapes, _, _), tokens) = example.sharded_step(config, strategy, mesh)
    tokens = jax.ShapeDtypeStruct((8, *tokens.shape[1:]), tokens.dtype, sharding=tokens.sharding)
    rng = np.random.default_rng(0)

    def array(a, scale):
        values = rng.standard_normal(a.shape) * scale if a.dtype == jnp.float32 else rng.integers(0, 64, a.shape)
        return jax.device_put(values.astype(a.dtype), a.sharding)

    params = jax.tree.map(lambda a: array(a, 0.2), shapes)
    state = (
        params,
        *(jax.tree.map(lambda a: jax.device_put(np.zeros(a.shape, a.dtype), a.sharding), shapes) for _ in "mv"),
    )
    batch, losses = array(tokens, 1), []
    for _ in range(2):
        state, loss = step(state, batch)
        losses.append(float(loss))
    return losses


def test_every_strategy_computes_the_same(example):
    """In bf16: what differs is the order of sums."""
    expected = step_of(example, "data", jax.devices("cpu")[:1])
    for name in example.STRATEGIES:
        assert step_of(example, name, jax.devices("ascend")[:8]) == pytest.approx(expected, rel=5e-3), name
