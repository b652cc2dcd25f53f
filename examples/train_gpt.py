"""Train a character-level GPT on the Python language reference, then let it write.

A decoder-only transformer in plain JAX and Optax: learned positions, pre-norm blocks, causal
attention, dropout, the embedding tied to the output layer, AdamW with warm-up and cosine decay,
gradients clipped by their global norm. Nothing here knows the device but `--platform`.

    python examples/train_gpt.py                    # the emulated NPU
    python examples/train_gpt.py --platform cpu     # XLA's own CPU backend: the same losses
    python examples/train_gpt.py --mesh data=4,model=2    # eight devices: the same losses again
    python examples/train_gpt.py --mesh data=4,model=2 --processes 2 --process-id 0 &
    python examples/train_gpt.py --mesh data=4,model=2 --processes 2 --process-id 1    # of two processes: the same bits
"""

import functools
import math
import os
import pydoc_data.topics
import sys
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from progress import Progress, argument_parser, save_losses, use_platform


class Config(NamedTuple):
    """The shape of the model; hashable, so that jit can take it as a static argument."""

    vocabulary: int = 128
    layers: int = 4
    width: int = 128
    heads: int = 4
    context: int = 128
    dropout: float = 0.1
    dtype: str = "f32"


def load_text():
    """Return over 400 kB of English that every Python installation has: `help()`'s own pages."""
    topics = pydoc_data.topics.topics
    lines = "\n".join(topics[name] for name in sorted(topics)).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("|", "+")))  # without the tables


def init(key, config):
    """Return the parameters, in f32, as a dict; normal(0.02), residual outputs scaled by depth."""
    keys = iter(jax.random.split(key, 2 + 4 * config.layers))
    width, small = config.width, 0.02 / (2 * config.layers) ** 0.5

    def normal(shape, scale=0.02):
        return scale * jax.random.normal(next(keys), shape)

    def norm():
        return {"scale": jnp.ones(width), "bias": jnp.zeros(width)}

    def block():
        return {
            "norm1": norm(),
            "qkv": normal((width, 3 * width)),
            "out": normal((width, width), small),
            "norm2": norm(),
            "up": normal((width, 4 * width)),
            "up_bias": jnp.zeros(4 * width),
            "down": normal((4 * width, width), small),
            "down_bias": jnp.zeros(width),
        }

    return {
        "embedding": normal((config.vocabulary, width)),
        "position": normal((config.context, width)),
        "blocks": [block() for _ in range(config.layers)],
        "norm": norm(),
    }


def layer_norm(x, p):
    x32 = x.astype(jnp.float32)
    mean = x32.mean(-1, keepdims=True)
    variance = ((x32 - mean) ** 2).mean(-1, keepdims=True)
    y = (x32 - mean) * jax.lax.rsqrt(variance + 1e-5) * p["scale"] + p["bias"]
    return y.astype(x.dtype)


def dropout(x, key, rate):
    if key is None or rate == 0:
        return x
    keep = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)


def attention(x, p, config):
    batch, length, width = x.shape
    heads = (x @ p["qkv"].astype(x.dtype)).reshape(batch, length, 3, config.heads, width // config.heads)
    q, k, v = heads[:, :, 0], heads[:, :, 1], heads[:, :, 2]
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k).astype(jnp.float32) / (width // config.heads) ** 0.5
    causal = jnp.tril(jnp.ones((length, length), bool))
    weights = jax.nn.softmax(jnp.where(causal, scores, -1e9)).astype(x.dtype)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(batch, length, width)
    return mixed @ p["out"].astype(x.dtype)


def feed_forward(x, p):
    hidden = jax.nn.gelu(x @ p["up"].astype(x.dtype) + p["up_bias"].astype(x.dtype))
    return hidden @ p["down"].astype(x.dtype) + p["down_bias"].astype(x.dtype)


def logits(params, tokens, config, key=None):
    """Return f32 logits [batch, length, vocabulary] for int32 tokens; no dropout without a key."""
    dtype = jnp.bfloat16 if config.dtype == "bf16" else jnp.float32
    keys = jax.random.split(key, 2 * config.layers + 1) if key is not None else [None] * (2 * config.layers + 1)
    x = params["embedding"][tokens] + params["position"][: tokens.shape[1]]
    x = dropout(x.astype(dtype), keys[-1], config.dropout)
    for i, p in enumerate(params["blocks"]):
        x += dropout(attention(layer_norm(x, p["norm1"]), p, config), keys[2 * i], config.dropout)
        x += dropout(feed_forward(layer_norm(x, p["norm2"]), p), keys[2 * i + 1], config.dropout)
    x = layer_norm(x, params["norm"])
    return (x @ params["embedding"].T.astype(dtype)).astype(jnp.float32)


def loss_of(params, tokens, config, key=None):
    """Return the mean cross entropy, in nats, of each token given those before it."""
    predicted = logits(params, tokens[:, :-1], config, key)
    return optax.softmax_cross_entropy_with_integer_labels(predicted, tokens[:, 1:]).mean()


def make_optimizer(steps, rate=2e-3):
    """Return AdamW with decay on matrices only, clipping, warm-up over a twentieth and cosine decay."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, max(steps // 20, 1), max(steps, 2), rate / 10)
    matrices = functools.partial(jax.tree.map, lambda p: p.ndim > 1)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.99, weight_decay=0.1, mask=matrices))


def make_step(config, optimizer):
    """Return the jitted training step; parameters and optimiser state are updated in place."""

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, tokens, key):
        loss, gradient = jax.value_and_grad(loss_of)(params, tokens, config, key)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, loss

    return step


@functools.partial(jax.jit, static_argnames=("config", "length"))
def write(params, key, config, length):
    """Return `length` sampled tokens, one at a time, in one loop on the device."""

    def next_token(i, carry):
        window, written, key = carry
        key, draw = jax.random.split(key)
        last = logits(params, window[None], config)[0, -1]
        token = jax.random.categorical(draw, last / 0.8)
        window = jnp.concatenate([window[1:], token[None]])
        return window, written.at[i].set(token), key

    window = jnp.zeros(config.context, jnp.int32)
    written = jnp.zeros(length, jnp.int32)
    return jax.lax.fori_loop(0, length, next_token, (window, written, key))[1]


def axes_of(text):
    """Return the devices along each axis of a mesh written as "data=4,model=2"."""
    axes = {name: int(size) for name, size in (part.split("=") for part in text.split(","))}
    if not set(axes) <= {"data", "model"}:
        raise SystemExit(f"--mesh {text}: expected axes data and model, as in data=4,model=2")
    return {"data": 1, "model": 1} | axes


def along_model(path, parameter):
    """Return how a parameter is divided: first matrices of a block by columns, second ones by rows, the rest not."""
    columns, rows = PartitionSpec(None, "model"), PartitionSpec("model", None)
    places = {"qkv": columns, "up": columns, "up_bias": PartitionSpec("model"), "out": rows, "down": rows}
    return places.get(path[-1].key, PartitionSpec())


def main(argv=None):
    parser = argument_parser(__doc__.splitlines()[0], steps=1000)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="type of the activations")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--context", type=int, default=64, help="tokens the model sees")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sample", type=int, default=400, help="characters to write at the end")
    parser.add_argument("--mesh", help="devices by axis, as data=4,model=2: batches along data, matrices along model")
    parser.add_argument("--processes", type=int, default=1, help="that have the devices of the mesh, each as many")
    parser.add_argument("--process-id", type=int, default=0, help="of this one; the first one prints")
    parser.add_argument("--coordinator", default="127.0.0.1:12340", help="where the first process is reached")
    args = parser.parse_args(argv)
    axes = axes_of(args.mesh) if args.mesh else None
    if axes:
        os.environ.setdefault("JAX_ASCEND_DEVICES", str(math.prod(axes.values()) // args.processes))
    if args.processes > 1:
        jax.distributed.initialize(args.coordinator, args.processes, args.process_id)
    if args.process_id > 0:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    device = use_platform(args.platform)

    text = load_text()
    alphabet = ["\n", *sorted(set(text) - {"\n"})]  # token 0 is the newline that sampling starts from
    tokens = np.vectorize({c: i for i, c in enumerate(alphabet)}.get, otypes=[np.int32])(list(text))
    training, held_out = np.split(tokens, [len(tokens) * 9 // 10])

    config = Config(len(alphabet), args.layers, args.width, args.heads, args.context, dtype=args.dtype)
    params = jax.jit(init, static_argnums=1)(jax.random.key(args.seed), config)
    place = lambda batch: batch  # noqa: E731
    if axes:
        devices = jax.devices(args.platform)[: math.prod(axes.values())]
        mesh = jax.make_mesh(tuple(axes.values()), tuple(axes), (AxisType.Auto,) * len(axes), devices=devices)

        def place(value, spec=PartitionSpec("data")):  # noqa: B008
            """Every process gives the parts on its own devices."""
            value = np.asarray(value)
            return jax.make_array_from_callback(value.shape, NamedSharding(mesh, spec), lambda index: value[index])

        params = jax.tree.map(place, params, jax.tree_util.tree_map_with_path(along_model, params))
    count = sum(p.size for p in jax.tree.leaves(params))
    print(f"{device.device_kind}: {count / 1e6:.2f} M parameters in {args.dtype}, {len(text) / 1e3:.0f} kB of text")

    optimizer = make_optimizer(args.steps)
    state = jax.jit(optimizer.init)(params)
    step = make_step(config, optimizer)
    draw = np.random.default_rng(args.seed)

    def batch_of(data):
        starts = draw.integers(0, len(data) - args.context - 1, args.batch)
        return data[starts[:, None] + np.arange(args.context + 1)]

    losses, progress, key = [], Progress(args.steps), jax.random.key(args.seed + 1)
    for i in range(args.steps):
        params, state, loss = step(params, state, place(batch_of(training)), jax.random.fold_in(key, i))
        losses.append(float(loss))
        progress.update(i + 1, loss=losses[-1])
    save_losses(args.losses, losses)

    evaluate = jax.jit(loss_of, static_argnums=2)
    unseen = np.mean([evaluate(params, batch_of(held_out), config) for _ in range(8)])
    print(f"loss on unseen text: {unseen:.3f} nats a character ({unseen / np.log(2):.2f} bits)")
    if args.sample:
        start = time.perf_counter()
        sample = "".join(alphabet[t] for t in np.asarray(write(params, key, config, args.sample)))
        print(f"a sample, {args.sample} characters in {time.perf_counter() - start:.1f} s:\n\n{sample}")
    return losses


if __name__ == "__main__":
    main()
