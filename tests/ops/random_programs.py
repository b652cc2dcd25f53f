"""Random JAX programs: a handful of inputs, then ops on whatever has been made so far; every value may be a result.

Programs are drawn so that any two right compilers agree on them to a few units in the last place: values stay near
1 (each op's result is squashed where it could grow), and integers decide nothing that a rounding could change.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SIZES = (1, 2, 3, 4, 5, 7, 8, 16, 17, 32, 33, 64, 130)
MOST_ELEMENTS = 40_000


class RandomProgram:
    """The program of a seed: `arguments`, and `function` of them, which returns a list of arrays."""

    def __init__(self, seed, length=12):
        self.draw = np.random.default_rng(seed)
        self.length = length
        rank = int(self.draw.integers(1, 4))
        dims = [int(self.draw.choice(SIZES)) for _ in range(rank)]
        while np.prod(dims) > MOST_ELEMENTS:
            dims[int(np.argmax(dims))] //= 2
        self.arguments = [self.draw.uniform(-1, 1, dims).astype(np.float32)]
        for _ in range(int(self.draw.integers(0, 3))):
            kept = [d if self.draw.random() < 0.7 else 1 for d in dims]
            self.arguments.append(self.draw.uniform(-1, 1, kept[int(self.draw.integers(0, rank)) :]).astype(np.float32))
        self.plan = self.draw.integers(0, 2**31, length).tolist()
        self.kept = self.draw.random(length) < 0.25

    def function(self, *arguments):
        """Run the ops; the last value and a quarter of the others are results."""
        values, results = list(arguments), []
        for seed, kept in zip(self.plan, self.kept):
            draw = np.random.default_rng(seed)
            value = OPS[int(draw.integers(len(OPS)))](draw, values)
            if value is None:
                continue
            values.append(value)
            if kept:
                results.append(value)
        return [*results, values[-1]]


def pick(draw, values):
    """Return one of the values, a recent one more often."""
    return values[-1 - min(int(draw.geometric(0.4)) - 1, len(values) - 1)]


def unary(draw, values):
    x = pick(draw, values)
    functions = [jnp.sin, jnp.tanh, jnp.abs, jnp.negative, lambda x: x * 0.5 + 0.25, lambda x: jnp.exp(-jnp.abs(x))]
    functions += [lambda x: jnp.sqrt(jnp.abs(x) + 1), lambda x: jnp.maximum(x, 0), lambda x: 1 / (1 + x * x)]
    return functions[int(draw.integers(len(functions)))](x)


def binary(draw, values):
    x, y = pick(draw, values), pick(draw, values)
    if not compatible(x.shape, y.shape):
        y = jnp.broadcast_to(y.ravel()[:1], x.shape)
    if np.prod(np.broadcast_shapes(x.shape, y.shape)) > MOST_ELEMENTS:
        return None
    functions = [jnp.add, jnp.subtract, jnp.multiply, jnp.maximum, jnp.minimum, lambda x, y: (x + y) / 2]
    functions += [lambda x, y: jnp.where(jnp.sin(7 * x) > 0.03, x, y), lambda x, y: x / (1 + y * y)]
    return jnp.tanh(functions[int(draw.integers(len(functions)))](x, y))


def compatible(a, b):
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1]))


def reduction(draw, values):
    x = pick(draw, values)
    if not x.ndim:
        return None
    axes = tuple(int(a) for a in np.flatnonzero(draw.random(x.ndim) < 0.6)) or (int(draw.integers(x.ndim)),)
    kind, keep = int(draw.integers(5)), bool(draw.random() < 0.6)
    return [jnp.mean, jnp.max, jnp.min, jnp.mean, jnp.mean][kind](x, axis=axes, keepdims=keep)


def normalisation(draw, values):
    x = pick(draw, values)
    if not x.ndim:
        return None
    axis = int(draw.integers(x.ndim))
    if draw.random() < 0.4:
        return jax.nn.softmax(x, axis)
    others = tuple(a for a in range(x.ndim) if a != axis) if draw.random() < 0.5 else (axis,)
    centred = x - x.mean(others, keepdims=True)
    return jnp.tanh(centred * lax.rsqrt((centred**2).mean(others, keepdims=True) + 0.1))


def layout(draw, values):
    x = pick(draw, values)
    if not x.ndim:
        return x[None]
    kind = int(draw.integers(6))
    if kind == 0:
        return jnp.transpose(x, tuple(draw.permutation(x.ndim).tolist()))
    if kind == 1:
        return x.reshape((*x.shape[:-2], -1)) if x.ndim > 1 else x[:, None]
    if kind == 2:
        n = x.shape[-1]
        factors = [k for k in range(2, n) if n % k == 0]
        return x.reshape(*x.shape[:-1], int(draw.choice(factors)), -1) if factors and x.ndim < 5 else x[None]
    if kind == 3:
        return jnp.flip(x, int(draw.integers(x.ndim)))
    if kind == 4:
        return jnp.squeeze(x) if 1 in x.shape else jnp.expand_dims(x, int(draw.integers(x.ndim + 1)))
    return jnp.roll(x, int(draw.integers(-5, 6)), int(draw.integers(x.ndim)))


def window(draw, values):
    x = pick(draw, values)
    if not x.ndim:
        return None
    axis = int(draw.integers(x.ndim))
    n = x.shape[axis]
    kind = int(draw.integers(5))
    if kind == 0 and n > 1:
        start = int(draw.integers(0, n - 1))
        stop, step = int(draw.integers(start + 1, n + 1)), int(draw.integers(1, 4))
        return lax.slice_in_dim(x, start, stop, step, axis)
    if kind == 1:
        low, high, inner = (int(v) for v in draw.integers(0, 3, 3))
        config = [(low, high, inner) if d == axis else (0, 0, 0) for d in range(x.ndim)]
        grown = lax.pad(x, x.dtype.type(0.5), config)
        return grown if grown.size <= MOST_ELEMENTS else None
    if kind == 2:
        y = pick(draw, values)
        same = (
            y.shape[:axis] + y.shape[axis + 1 :] == x.shape[:axis] + x.shape[axis + 1 :] if y.ndim == x.ndim else False
        )
        joined = jnp.concatenate([x, y if same else x * 0.5], axis)
        return joined if joined.size <= MOST_ELEMENTS else None
    if kind == 3:
        return jnp.cumsum(x, axis) / n
    start = jnp.int32(jnp.clip(jnp.abs(x.ravel()[0]) * 0 + draw.integers(0, n), 0, n - 1))
    return lax.dynamic_slice_in_dim(x, start, max(1, n // 2), axis)


def contraction(draw, values):
    x, y = pick(draw, values), pick(draw, values)
    if x.ndim < 1 or y.ndim < 1:
        return None
    for i in draw.permutation(x.ndim).tolist():
        for j in draw.permutation(y.ndim).tolist():
            if x.shape[i] == y.shape[j]:
                out = x.size // x.shape[i] * (y.size // y.shape[j])
                if out <= MOST_ELEMENTS and out * x.shape[i] <= 2_000_000 and x.ndim + y.ndim <= 6:
                    return jnp.tanh(jnp.tensordot(x, y, ([i], [j])) / max(1, x.shape[i]) ** 0.5)
    return None


def indexing(draw, values):
    x = pick(draw, values)
    if not x.ndim or x.size > 10_000:
        return None
    n = x.shape[0]
    rows = draw.integers(0, n, int(draw.integers(1, 12))).astype(np.int32)
    kind = int(draw.integers(3))
    if kind == 0:
        return x[rows]
    if kind == 1:
        return x.at[rows].add(0.25)
    return x.at[int(draw.integers(n))].set(0.5)


def cast(draw, values):
    x = pick(draw, values)
    return (x > 0.01).astype(jnp.float32) * x


def loop(draw, values):
    """A loop over one to three carried values, its body a few ops on them, values around it and the counter."""
    x = pick(draw, values)
    if not x.ndim or x.size > 5000:
        return None
    outer, trips, kind = pick(draw, values), int(draw.integers(0, 6)), int(draw.integers(4))
    scale = outer.ravel()[0] if outer.size else x.ravel()[0]
    wide = outer if outer.shape == x.shape else x * 0.5

    def body(i, carry):
        a, b, n = carry
        t = i.astype(x.dtype)
        a, b = jnp.tanh(a + 0.3 * b * scale), [b * 0.5 + a, jnp.sin(b + t), b - wide * 0.25, a][kind]
        return a, b, n + i * (n % 3) - 1

    start = (x, wide * 0.25, jnp.int32(draw.integers(-4, 5)))
    if draw.random() < 0.5:
        a, b, n = lax.fori_loop(0, trips, body, start)
    elif draw.random() < 0.5:
        (a, b, n), rows = lax.scan(lambda c, i: (body(i, c), c[0].mean()), start, jnp.arange(trips, dtype=jnp.int32))
        a = a + rows.sum() / 8
    else:
        a, b, n = lax.scan(lambda c, r: ((c[0] * 0.5 + r.mean() * scale, c[1], c[2] + 1), None), start, x)[0]
    return jnp.tanh(a + b * jnp.cos(n.astype(x.dtype)))


def choice(draw, values):
    x, y = pick(draw, values), pick(draw, values)
    which = jnp.int32((jnp.abs(x.ravel()[:1]) * 0).sum() + int(draw.integers(-1, 4)))
    branches = [lambda v: jnp.sin(v) * 0.5, lambda v: v - v.mean(), lambda v: jnp.tanh(v + y.ravel()[0])]
    return lax.switch(which, branches, x)


def counting(draw, values):
    """Integers from an iota choose among the elements."""
    x = pick(draw, values)
    if not x.ndim:
        return None
    k = lax.broadcasted_iota(jnp.int32, x.shape, int(draw.integers(x.ndim)))
    a, b, c = (int(v) for v in draw.integers(2, 9, 3))
    k = [(k * a + 3) % b - c, (k ^ a) & b, jnp.cumsum(k, 0) // c, (k << 1) - k // b, jnp.maximum(k, a) >> 1][a % 5]
    return jnp.where(k % 2 == 0, x, -x) + k.astype(x.dtype) / 64


OPS = [unary, unary, unary, binary, binary, binary, binary, reduction, reduction, normalisation, layout, layout]
OPS += [window, window, contraction, indexing, cast, loop, choice, counting]
