"""Exchanges beside computing change no bit: a target on which products are split for them, and one on which they are not."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from jax_ascend.compiler.target_text import show_target
from jax_ascend.compiler.targets import Target

SCRIPT = """
import hashlib
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

mesh = Mesh(np.array(jax.devices("ascend")), ("x",))
rng = np.random.default_rng(0)

def place(*shape, spec):
    return jax.device_put(rng.standard_normal(shape).astype(np.float32) / 8, NamedSharding(mesh, P(*spec)))

def whole(x):
    return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, P()))

def layers(x, up, down):
    def layer(x, w):
        y = whole(jnp.tanh(x @ w[0]) @ w[1])
        return jnp.tanh(y) + x, y[0]
    x, first = jax.lax.scan(layer, x, (up, down))
    return x, first, whole(jnp.tanh(x @ up[0]) @ down[0])  # the last product is a result

def loss(x, up, down):
    return sum((a**2).sum() for a in layers(x, up, down))

arguments = place(1024, 1024, spec=()), place(3, 1024, 512, spec=(None, None, "x")), place(3, 512, 1024, spec=(None, "x"))
for f in (layers, jax.grad(loss, (0, 1, 2))):
    f = jax.jit(f)
    digests = set()
    for _ in range(3):
        digest = hashlib.sha256()
        for a in jax.tree.leaves(f(*arguments)):
            digest.update(np.asarray(a).tobytes())
        digests.add(digest.hexdigest())
    (digest,) = digests
    import jax_ascend
    found = jax_ascend.estimate(f.lower(*arguments))
    print(digest, sum(row.launches for row in found.kernels if row.core == "links"))
"""


def run(tmp_path, target):
    file = tmp_path / f"{target.name}.toml"
    file.write_text(show_target(target))
    environment = os.environ | {
        "JAX_ASCEND_TARGET": str(file),
        "JAX_PLATFORMS": "ascend,cpu",
        "JAX_ASCEND_DEVICES": "8",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain"), Target())


def test_the_same_bits(plain, tmp_path):
    at_once = {"exchange_start": 0.0, "exchange_small_bytes": 0, "launch_dispatch": 0.0}
    slow = replace(Target(), name="slow", clock=1e7, exchange_bandwidth=2e10, exchange_reduction=2e10, **at_once)
    split = run(tmp_path, slow)
    assert [digest for digest, _ in split] == [digest for digest, _ in plain]
    for (_, parts), (_, whole) in zip(split, plain, strict=True):
        assert int(parts) > int(whole), "products are split on that target"
