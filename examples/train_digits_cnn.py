"""Train a convolutional network on scikit-learn's handwritten digits (1,797 images of 8x8).

Plain JAX and Optax: two convolutions with batch normalisation (running statistics are carried
beside the parameters), max-pooling, average-pooling, Adam. Ends with the accuracy on the quarter
of the images it has not seen.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from progress import Progress, argument_parser, save_losses, use_platform
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def load(seed):
    """Return training and test images as f32 [n, 8, 8, 1] in 0..1, and labels as int32 [n]."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1) / 16
    split = train_test_split(images, labels, test_size=0.25, random_state=seed, stratify=labels)
    return [part.astype(kind) for part, kind in zip(split, (np.float32, np.float32, np.int32, np.int32))]


def init(key, channels):
    """Return parameters and running batch statistics for convolutions of 1 -> channels[0] -> ..."""
    *keys, last = jax.random.split(key, len(channels) + 1)
    params, running, before = {"layers": []}, [], 1
    for k, n in zip(keys, channels):
        kernel = jax.random.normal(k, (3, 3, before, n)) * (2 / (9 * before)) ** 0.5
        params["layers"].append({"kernel": kernel, "scale": jnp.ones(n), "bias": jnp.zeros(n)})
        running.append({"mean": jnp.zeros(n), "variance": jnp.ones(n)})
        before = n
    params["out"] = {"w": jax.random.normal(last, (4 * before, 10)) * before**-0.5 / 2, "b": jnp.zeros(10)}
    return params, running


def pool(x, reduce, start, size=2):
    return jax.lax.reduce_window(x, start, reduce, (1, size, size, 1), (1, size, size, 1), "VALID")


def batch_norm(x, layer, running, train):
    """Normalise by the batch (training) or by the running statistics; return also the new statistics."""
    if train:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        running = {
            "mean": 0.9 * running["mean"] + 0.1 * mean,
            "variance": 0.9 * running["variance"] + 0.1 * variance,
        }
    else:
        mean, variance = running["mean"], running["variance"]
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * layer["scale"] + layer["bias"], running


def logits(params, running, x, train):
    after = []
    for i, (layer, statistics) in enumerate(zip(params["layers"], running)):
        x = jax.lax.conv_general_dilated(x, layer["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x, statistics = batch_norm(x, layer, statistics, train)
        x = jax.nn.relu(x)
        x = pool(x, jax.lax.max, -jnp.inf) if i == 0 else pool(x, jax.lax.add, 0.0) / 4
        after.append(statistics)
    return x.reshape(len(x), -1) @ params["out"]["w"] + params["out"]["b"], after


def loss_of(params, running, x, y):
    predicted, running = logits(params, running, x, train=True)
    return optax.softmax_cross_entropy_with_integer_labels(predicted, y).mean(), running


def make_step(optimizer):
    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params, running, state, x, y):
        (loss, running), gradient = jax.value_and_grad(loss_of, has_aux=True)(params, running, x, y)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), running, state, loss

    return step


def main(argv=None):
    parser = argument_parser(__doc__.splitlines()[0], steps=300)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    args = parser.parse_args(argv)
    device = use_platform(args.platform)

    train_x, test_x, train_y, test_y = load(args.seed)
    params, running = jax.jit(init, static_argnums=1)(jax.random.key(args.seed), (16, 32))
    optimizer = optax.adam(optax.cosine_decay_schedule(args.rate, args.steps))
    state = jax.jit(optimizer.init)(params)
    step = make_step(optimizer)
    print(f"{device.device_kind}: {len(train_x)} images to learn from, {len(test_x)} to test")

    losses, progress, draw = [], Progress(args.steps), np.random.default_rng(args.seed)
    for i in range(args.steps):
        rows = draw.choice(len(train_x), args.batch, replace=False)
        params, running, state, loss = step(params, running, state, train_x[rows], train_y[rows])
        losses.append(float(loss))
        progress.update(i + 1, loss=losses[-1])
    save_losses(args.losses, losses)

    predicted, _ = jax.jit(logits, static_argnames="train")(params, running, test_x, train=False)
    accuracy = float((predicted.argmax(axis=1) == test_y).mean())
    print(f"accuracy on unseen images: {100 * accuracy:.1f} %")
    return losses, accuracy


if __name__ == "__main__":
    main()
