"""The functions of docs/walkthrough.md and docs/strips.md, and what the last steps of the former print."""

import jax
import jax.numpy as jnp
import numpy as np

import jax_ascend
from jax_ascend import _plugin
from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.program.text import parse_program, print_program
from jax_ascend.compiler.targets import target


def softmax(x):
    e = jnp.exp(x - jnp.max(x, axis=1, keepdims=True))
    return e / jnp.sum(e, axis=1, keepdims=True)


def affine_tanh(x, y):
    return jnp.tanh(2 * x + y) * x


def values():
    x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    print(np.asarray(jax.jit(softmax)(jax.device_put(x, jax.devices("ascend")[0]))).round(4))


def estimate():
    for rows in (2, 65536):
        print(jax_ascend.estimate(softmax, jax.ShapeDtypeStruct((rows, 4096), jnp.float32)))


def hazards():
    lowered = jax.jit(softmax).trace(jax.ShapeDtypeStruct((2, 4096), jnp.float32)).lower(lowering_platforms=("ascend",))
    text = print_program(compile_program(lowered.as_text(), target("ascend910b")))
    print(len(_plugin.find_hazards(parse_program(text).encode())), "hazards as compiled")
    first = next(line for line in text.splitlines() if "wait_flag" in line)
    print(*_plugin.find_hazards(parse_program(text.replace(first + "\n", "", 1)).encode()), sep="\n")
