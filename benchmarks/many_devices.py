"""Compare eight emulated devices with XLA:CPU's eight, and with one device: alternately, in one process.

    python benchmarks/many_devices.py [--rounds 9] [--markdown docs/many_devices.md]

A ratio is that of two times in the same round, so that whatever else the machine does weighs on both; the median of the rounds is
given, with its quartiles. Eight devices are compared with one by processor time, as both have the same cores; so is the step, for
machines that do other things meanwhile.
"""

import argparse
import functools
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("JAX_ASCEND_DEVICES", "8")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import train_gpt

SHORTEST = 0.05  # seconds a sample lasts at least


def devices_of(platform):
    """Return the eight devices of a platform."""
    return jax.devices(platform)[:8]


def gpt_step(platform):
    """Return a call that trains a GPT of 6 M parameters by a step, in f32 on a mesh of data 4 by model 2."""
    mesh = jax.make_mesh((4, 2), ("data", "model"), (AxisType.Auto,) * 2, devices=devices_of(platform))
    config = train_gpt.Config(layers=4, width=256, heads=8, context=128)
    with jax.default_device(jax.devices("cpu")[0]):
        params = train_gpt.init(jax.random.key(0), config)
    where = jax.tree_util.tree_map_with_path(train_gpt.along_model, params)
    params = jax.tree.map(lambda p, spec: jax.device_put(np.asarray(p), NamedSharding(mesh, spec)), params, where)
    optimizer = train_gpt.make_optimizer(100)
    state = jax.jit(optimizer.init)(params)
    tokens = np.random.default_rng(0).integers(0, 128, (16, 129), dtype=np.int32)
    tokens = jax.device_put(tokens, NamedSharding(mesh, P("data")))
    key = jax.device_put(jax.random.key_data(jax.random.key(1)), NamedSharding(mesh, P()))
    step, now = train_gpt.make_step(config, optimizer), [params, state]

    def call():
        now[0], now[1], loss = step(now[0], now[1], tokens, jax.random.wrap_key_data(key))
        return loss

    return call


def psum(platform):
    """Return a call that adds up 4 KB of each device."""
    mesh = Mesh(devices_of(platform), ("x",))
    x = jax.device_put(np.ones((8, 1024), np.float32), NamedSharding(mesh, P("x")))
    f = jax.jit(jax.shard_map(lambda x: jax.lax.psum(x, "x"), mesh=mesh, in_specs=P("x"), out_specs=P()))
    return functools.partial(f, x)


def products(devices):
    """Return a call of a chain of products, rows divided over the devices: nothing is exchanged."""
    mesh = Mesh(devices, ("x",))
    x = jax.device_put(np.ones((2048, 512), np.float32), NamedSharding(mesh, P("x")))
    w = jax.device_put(np.full((512, 512), 1e-3, np.float32), NamedSharding(mesh, P()))
    f = jax.jit(lambda x, w: functools.reduce(lambda y, _: jnp.tanh(y @ w), range(8), x))
    return functools.partial(f, x, w)


def small(devices):
    """Return a call of a chain of small ops, rows divided over the devices."""
    mesh = Mesh(devices, ("x",))
    x = jax.device_put(np.ones((256, 256), np.float32), NamedSharding(mesh, P("x")))
    f = jax.jit(lambda x: functools.reduce(lambda y, _: jnp.sin(y - y.mean(1, keepdims=True)), range(10), x))
    return functools.partial(f, x)


COMPARED = {  # name: what is measured, what it is compared with, the clock, the target
    "GPT step, data 4 x model 2": (functools.partial(gpt_step, "ascend"), functools.partial(gpt_step, "cpu"), time.perf_counter, 0.8),
    "the same, processor time": (functools.partial(gpt_step, "ascend"), functools.partial(gpt_step, "cpu"), time.process_time, 0.8),
    "psum of 4 KB": (functools.partial(psum, "ascend"), functools.partial(psum, "cpu"), time.perf_counter, 1.0),
    "products, against one device": (lambda: products(devices_of("ascend")), lambda: products(devices_of("ascend")[:1]), time.process_time, 1.15),
    "small ops, against one device": (lambda: small(devices_of("ascend")), lambda: small(devices_of("ascend")[:1]), time.process_time, 1.15),
}  # fmt: skip


def sample(call, calls, clock):
    """Return the mean seconds of so many calls, each waited for."""
    start = clock()
    for _ in range(calls):
        jax.block_until_ready(call())
    return (clock() - start) / calls


def measure(made, other, clock, rounds):
    """Return the times of both in each round."""
    calls = [made(), other()]
    counts = []
    for call in calls:
        sample(call, 2, time.perf_counter)  # warm-up
        counts.append(max(1, round(SHORTEST / sample(call, 3, time.perf_counter))))
    return [[sample(call, n, clock) for call, n in zip(calls, counts)] for _ in range(rounds)]


def row(name, rounds, target):
    """Return a line of the table."""
    ratios = [a / b for a, b in rounds]
    low, _, high = statistics.quantiles(ratios, n=4)
    ours, theirs = (statistics.median(column) for column in zip(*rounds))
    return (
        f"| {name} | {ours * 1e6:.4g} us | {theirs * 1e6:.4g} us | {statistics.median(ratios):.2f} "
        f"| {low:.2f} .. {high:.2f} | {target} |"
    )


def main():
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--markdown", type=Path, help="page that gets the table between its marks `measured`")
    arguments = parser.parse_args()
    lines = [
        "| on eight devices | here | compared with | ratio | quartiles | target |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    print("\n".join(lines))
    for name, (made, other, clock, target) in COMPARED.items():
        lines.append(row(name, measure(made, other, clock, arguments.rounds), target))
        print(lines[-1], flush=True)
    if arguments.markdown:
        page, begin, end = arguments.markdown.read_text(), "<!-- measured: begin -->\n", "<!-- measured: end -->"
        text = "\n".join(lines) + "\n"
        arguments.markdown.write_text(page.split(begin)[0] + begin + text + end + page.split(end)[1])


if __name__ == "__main__":
    main()
