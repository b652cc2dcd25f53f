"""Train a multi-layer perceptron on scikit-learn's handwritten digits (1,797 images of 8x8).

Plain JAX without any other library: momentum SGD written out, one epoch per jitted call by
`lax.scan`. Ends with the accuracy on the quarter of the images it has not seen.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from progress import Progress, argument_parser, save_losses, use_platform
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def load(seed):
    """Return training and test images as f32 [n, 64] in 0..1, and labels as int32 [n]."""
    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16, labels, test_size=0.25, random_state=seed, stratify=labels)
    return [part.astype(kind) for part, kind in zip(split, (np.float32, np.float32, np.int32, np.int32))]


def init(key, sizes):
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        {"w": jax.random.normal(k, (n, m)) * (2 / n) ** 0.5, "b": jnp.zeros(m)}
        for k, n, m in zip(keys, sizes[:-1], sizes[1:])
    ]


def logits(params, x):
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def loss_of(params, x, y):
    chosen = jax.nn.log_softmax(logits(params, x)) * jax.nn.one_hot(y, 10)
    return -chosen.sum(axis=1).mean()


@functools.partial(jax.jit, static_argnames="batch", donate_argnums=(0, 1))
def epoch(params, velocity, images, labels, key, rate, batch):
    """Shuffle, then take one momentum step per batch; return the new state and each batch's loss."""
    order = jax.random.permutation(key, len(images))[: len(images) // batch * batch].reshape(-1, batch)

    def step(carry, rows):
        params, velocity = carry
        loss, gradient = jax.value_and_grad(loss_of)(params, images[rows], labels[rows])
        velocity = jax.tree.map(lambda v, g: 0.9 * v - rate * g, velocity, gradient)
        return (jax.tree.map(jnp.add, params, velocity), velocity), loss

    (params, velocity), losses = jax.lax.scan(step, (params, velocity), order)
    return params, velocity, losses


def main(argv=None):
    parser = argument_parser(__doc__.splitlines()[0], steps=30)  # a step is an epoch
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.05, help="learning rate")
    args = parser.parse_args(argv)
    device = use_platform(args.platform)

    train_x, test_x, train_y, test_y = load(args.seed)
    images, labels = jnp.array(train_x), jnp.array(train_y)
    params = jax.jit(init, static_argnums=1)(jax.random.key(args.seed), (64, 256, 128, 10))
    velocity = jax.tree.map(jnp.zeros_like, params)
    print(f"{device.device_kind}: {len(train_x)} images to learn from, {len(test_x)} to test")

    losses, progress, key = [], Progress(args.steps), jax.random.key(args.seed + 1)
    for i in range(args.steps):
        key, shuffle = jax.random.split(key)
        params, velocity, seen = epoch(params, velocity, images, labels, shuffle, args.rate, args.batch)
        losses += map(float, np.asarray(seen))
        progress.update(i + 1, loss=losses[-1])
    save_losses(args.losses, losses)

    accuracy = float((jax.jit(logits)(params, test_x).argmax(axis=1) == test_y).mean())
    print(f"accuracy on unseen images: {100 * accuracy:.1f} %")
    return losses, accuracy


if __name__ == "__main__":
    main()
