"""Estimate a training step of Llama 3 on 8 to 1,024 emulated devices, by how it is divided among them.

A decoder-only transformer in plain JAX, as published: RMS norms, rotary positions, grouped-query attention, SwiGLU. One
step is the loss, its gradient with every layer's activations recomputed, and AdamW. Products are in bf16; parameters,
gradients' sums and the optimizer's state in f32. Nothing is executed and no array exists: the mesh is abstract, and the step is
compiled for one of its devices.

    python examples/estimate_cluster.py                          # Llama 3 8B and 70B on 8 to 1,024 devices
    python examples/estimate_cluster.py --model 70B --devices 256 --strategy fsdp+sequence
    python examples/estimate_cluster.py --plot docs/images/cluster.svg --markdown docs/many_devices.md
"""

import argparse
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec

import jax_ascend


class Config(NamedTuple):
    """The shape of a model; hashable, so that jit can take it as a static argument."""

    layers: int
    width: int
    heads: int
    groups: int  # heads of keys and values
    hidden: int  # width of the feed-forward layers
    vocabulary: int = 128256
    context: int = 4096


MODELS = {  # of Llama 3's model cards
    "8B": Config(32, 4096, 32, 8, 14336),
    "70B": Config(80, 8192, 64, 8, 28672),
    "tiny": Config(2, 256, 8, 8, 512, 512, 128),  # for trying
}


class Strategy(NamedTuple):
    """What the two axes of the mesh cut: "data", which a batch is always cut along, and "model"."""

    model: int  # devices along "model"
    shard: bool  # "data" cuts parameters and the optimizer's state, too
    sequence: bool  # between products, "model" cuts activations along positions
    meaning: str


STRATEGIES = {
    "data": Strategy(1, False, False, "every device has all parameters"),
    "fsdp": Strategy(1, True, False, "parameters are cut, and gathered layer by layer"),
    "tensor": Strategy(8, False, False, "heads and hidden units are cut by 8"),
    "sequence": Strategy(8, False, True, "as tensor; between products positions are cut"),
    "fsdp+sequence": Strategy(8, True, True, "as sequence; the parameters are cut by the other axis, too"),
}


class Activations(NamedTuple):
    """Functions that say how activations [batch, positions, ...] lie."""

    between: Callable  # from product to product
    whole: Callable  # where "model" cuts the right operand of a product
    cut: Callable  # and where it has cut its result


def parameters(config, strategy):
    """Return (shapes, specs) of the parameters; those of layers are stacked along their first dimension."""
    width, heads = config.width, config.heads * (config.width // config.heads)
    small = config.groups * (config.width // config.heads)
    data, model = "data" if strategy.shard else None, "model"
    layers = {
        "norm1": ((width,), (None,)),
        "query": ((width, heads), (data, model)),
        "key": ((width, small), (data, model)),
        "value": ((width, small), (data, model)),
        "out": ((heads, width), (model, data)),
        "norm2": ((width,), (None,)),
        "gate": ((width, config.hidden), (data, model)),
        "up": ((width, config.hidden), (data, model)),
        "down": ((config.hidden, width), (model, data)),
    }
    ends = {
        "embedding": ((config.vocabulary, width), (model, data)),
        "norm": ((width,), (None,)),
        "output": ((width, config.vocabulary), (data, model)),
    }
    shapes = {name: shape for name, (shape, _) in ends.items()}
    specs = {name: PartitionSpec(*spec) for name, (_, spec) in ends.items()}
    shapes["layers"] = {name: (config.layers, *shape) for name, (shape, _) in layers.items()}
    specs["layers"] = {name: PartitionSpec(None, *spec) for name, (_, spec) in layers.items()}
    return shapes, specs


def rms_norm(x, scale):
    x32 = x.astype(jnp.float32)
    return (x32 * jax.lax.rsqrt((x32**2).mean(-1, keepdims=True) + 1e-5) * scale).astype(x.dtype)


def rotate(x):
    """Turn pairs of elements of x [batch, positions, heads, size] by angles that grow with the position."""
    positions, size = x.shape[1], x.shape[3]
    angle = jnp.arange(positions)[:, None] * 500000.0 ** (-jnp.arange(0, size, 2) / size)
    cos, sin = jnp.cos(angle)[:, None].astype(x.dtype), jnp.sin(angle)[:, None].astype(x.dtype)
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def attention(x, p, config, cut):
    batch, positions, _ = x.shape
    size = config.width // config.heads
    q = rotate((x @ p["query"]).reshape(batch, positions, config.heads, size))
    k = rotate((x @ p["key"]).reshape(batch, positions, config.groups, size))
    v = (x @ p["value"]).reshape(batch, positions, config.groups, size)
    q = q.reshape(batch, positions, config.groups, config.heads // config.groups, size)
    scores = jnp.einsum("bqghd,bkgd->bghqk", q, k).astype(jnp.float32) / size**0.5
    scores = jnp.where(jnp.tri(positions, dtype=bool), scores, -1e30)
    weights = jax.nn.softmax(scores).astype(x.dtype)
    return cut(jnp.einsum("bghqk,bkgd->bqghd", weights, v).reshape(batch, positions, config.width)) @ p["out"]


def layer(x, p, config, lie):
    p = jax.tree.map(lambda a: a.astype(jnp.bfloat16), p)
    x = lie.between(x + attention(lie.whole(rms_norm(x, p["norm1"])), p, config, lie.cut))
    h = lie.whole(rms_norm(x, p["norm2"]))
    return lie.between(x + lie.cut(jax.nn.silu(h @ p["gate"]) * (h @ p["up"])) @ p["down"])


def loss_of(params, tokens, config, lie):
    """Return the mean loss of predicting each of tokens [batch, context + 1] but the first."""
    x = lie.between(params["embedding"][tokens[:, :-1]].astype(jnp.bfloat16))

    @jax.checkpoint
    def step(x, p):
        return layer(x, p, config, lie), None

    x, _ = jax.lax.scan(step, x, params["layers"])
    logits = lie.whole(rms_norm(x, params["norm"])) @ params["output"].astype(jnp.bfloat16)
    chosen = jnp.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0].astype(jnp.float32)
    return (jax.nn.logsumexp(logits.astype(jnp.float32), -1) - chosen).mean()


def train_step(state, tokens, config, lie):
    """Return the state, (parameters, first and second moments), after a step of AdamW, and the loss."""
    params, first, second = state
    loss, grads = jax.value_and_grad(loss_of)(params, tokens, config, lie)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.95 * v + 0.05 * g**2, second, grads)
    params = jax.tree.map(lambda p, m, v: p - 3e-4 * (m / (jnp.sqrt(v) + 1e-8) + 0.1 * p), params, first, second)
    return (params, first, second), loss


def sharded_step(config, strategy, mesh):
    """Return the jitted step on a mesh, and its arguments as shapes: one sequence's worth of tokens for each device."""
    shapes, specs = parameters(config, strategy)

    def lies(*spec):
        sharding = NamedSharding(mesh, PartitionSpec("data", *spec))
        return functools.partial(jax.lax.with_sharding_constraint, shardings=sharding)

    def abstract(shape, spec, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))

    params = jax.tree.map(abstract, shapes, specs, is_leaf=lambda x: isinstance(x, tuple))
    tokens = abstract((mesh.size, config.context + 1), PartitionSpec("data"), jnp.int32)
    lie = Activations(lies("model" if strategy.sequence else None), lies(None), lies(None, "model"))
    step = functools.partial(train_step, config=config, lie=lie)
    return jax.jit(step, donate_argnums=0), ((params, params, params), tokens)


def estimate_step(config, strategy, devices, target=None):
    """Return the estimate of a step on a mesh of devices that need not exist."""
    model = min(strategy.model, devices)
    step, shapes = sharded_step(config, strategy, AbstractMesh((devices // model, model), ("data", "model")))
    return jax_ascend.estimate(step, *shapes, target=target)


PEAK = 2 * 16**3 * 24 * 1.8e9  # products in bf16 of a 910B2: what the share of its peak is of


class Row(NamedTuple):
    """What one device does in a step, in seconds, and what its memory takes."""

    strategy: str
    devices: int
    seconds: float
    computing: float
    exposed: float  # of the communication, what nothing else is beside
    communication: float
    gigabytes: float
    fits: bool
    tokens: float  # per second, of all devices
    peak: float  # share of the peak that the model's products take, those that are done again not counted


def row_of(config, name, devices, target=None):
    """Return the row of a strategy."""
    found = estimate_step(config, STRATEGIES[name], devices, target)
    shapes, _ = parameters(config, STRATEGIES[name])
    count = sum(math.prod(s) for s in jax.tree.leaves(shapes, is_leaf=lambda x: isinstance(x, tuple)))
    attention_flops = 12 * config.layers * config.width * config.context  # of a token, forward and backward
    tokens = config.context / found.seconds
    return Row(
        name, devices, found.seconds, found.seconds - found.exposed, found.exposed, found.communication,
        found.memory.allocated / 1e9, found.fits, tokens * devices, (6 * count + attention_flops) * tokens / PEAK,
    )  # fmt: skip


def text_of(row):
    note = "" if row.fits else "  does not fit"
    return (
        f"{row.strategy:14} {row.devices:7d} {row.seconds:8.3f} {row.computing:10.3f} {row.exposed:8.3f} "
        f"{row.communication:14.3f} {row.gigabytes:7.1f} {row.tokens:12.0f} {row.peak:6.1%}{note}"
    )


def markdown_of(tables):
    """Return tables {model: rows} as one of a page."""
    lines = [
        "| Llama 3 | strategy | devices | s a step | computing | exposed | communication | GB | tokens/s of all | peak |",
        "|---|---|" + "---:|" * 8,
    ]
    lines += [
        f"| {model} | {r.strategy} | {r.devices} | {r.seconds:.3f} | {r.computing:.3f} | {r.exposed:.3f} "
        f"| {r.communication:.3f} | {r.gigabytes:.1f}{'' if r.fits else ', **too much**'} | {r.tokens:,.0f} | {r.peak:.1%} |"
        for model, rows in tables.items()
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def draw(axes, rows, title):
    """Draw tokens per second and device over devices, a line for each strategy; hollow where it does not fit."""
    for name in dict.fromkeys(row.strategy for row in rows):
        line = [row for row in rows if row.strategy == name]
        (drawn,) = axes.plot([r.devices for r in line], [r.tokens / r.devices for r in line], label=name)
        for fits, fill in ((True, drawn.get_color()), (False, "white")):
            points = [r for r in line if r.fits is fits]
            rates = [r.tokens / r.devices for r in points]
            axes.plot([r.devices for r in points], rates, "o", color=drawn.get_color(), mfc=fill)
    axes.set(title=title, xlabel="devices", ylabel="tokens per second and device", xscale="log", ylim=(0, None))
    ticks = sorted({row.devices for row in rows})
    axes.set_xticks(ticks, ticks)
    axes.minorticks_off()
    axes.legend(title="hollow: does not fit")


def plot(tables, path):
    """Draw tables {model: rows} side by side."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "cluster"  # the same file for the same numbers
    from matplotlib import pyplot

    figure, all_axes = pyplot.subplots(
        ncols=len(tables), figsize=(6 * len(tables), 4.5), layout="constrained", squeeze=False
    )
    for axes, (model, rows) in zip(all_axes[0], tables.items()):
        draw(axes, rows, f"A training step of Llama 3 {model}")
    figure.savefig(path, metadata={"Date": None} if Path(path).suffix == ".svg" else None)


def main():
    """Print the tables, draw them and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, nargs="+", default=["8B", "70B"])
    parser.add_argument("--devices", type=int, nargs="+", default=[8, 64, 256, 1024])
    parser.add_argument("--strategy", choices=STRATEGIES, nargs="+", default=list(STRATEGIES))
    parser.add_argument("--target", help="a device that `python -m jax_ascend targets` lists, or a TOML file")
    parser.add_argument("--plot", help="file for a plot")
    parser.add_argument("--markdown", type=Path, help="page that gets the tables between its marks `clusters`")
    arguments = parser.parse_args()
    tables = {}
    for model in arguments.model:
        config, rows = MODELS[model], tables.setdefault(model, [])
        print(f"Llama 3 {model}, one sequence of {config.context} tokens for each device")
        print("strategy       devices  seconds  computing  exposed  communication      GB  tokens/s of all  peak")
        for name in arguments.strategy:
            for devices in arguments.devices:
                rows.append(row_of(config, name, devices, arguments.target))
                print(text_of(rows[-1]), flush=True)
    if arguments.plot:
        plot(tables, arguments.plot)
    if arguments.markdown:
        page, begin, end = arguments.markdown.read_text(), "<!-- clusters: begin -->\n", "<!-- clusters: end -->"
        arguments.markdown.write_text(page.split(begin)[0] + begin + markdown_of(tables) + end + page.split(end)[1])


if __name__ == "__main__":
    main()
