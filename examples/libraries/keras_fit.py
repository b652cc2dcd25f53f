"""keras: `compile` and `fit` of a convolutional network on the JAX backend, then `predict`."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax.numpy as jnp
import keras
import numpy as np
from compare import on_both

IMAGES = np.random.default_rng(0).standard_normal((128, 8, 8, 1)).astype(np.float32)
LABELS = (IMAGES[:, :4].sum((1, 2, 3)) > IMAGES[:, 4:].sum((1, 2, 3))).astype(np.int32)


def train():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.layers.Conv2D(8, 3, use_bias=False), keras.layers.BatchNormalization(), keras.layers.MaxPooling2D(),
        keras.layers.Flatten(), keras.layers.Dense(2),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"], jit_compile=True)
    history = model.fit(IMAGES, LABELS, batch_size=32, epochs=8, shuffle=False, verbose=0).history
    return jnp.array(history["loss"]), jnp.asarray(model(IMAGES))


on_both(train, 5e-3, lambda r: f"loss {r[0][0]:.3f} -> {r[0][-1]:.3f} in {len(r[0])} epochs")
