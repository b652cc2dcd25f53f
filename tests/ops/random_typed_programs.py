"""Random programs over every element type, with control flow, whose exact meaning NumPy and XLA:CPU agree on.

    python tests/ops/random_typed_programs.py FIRST LAST

Each value has a type of its own; ops are drawn for that type, and conversions lead from one to another. Integers wrap,
narrow floats are rounded by each op (XLA:CPU dies of the least integer rem -1, so that is not drawn either), so programs are
compared value by value with what XLA:CPU gives for the same program, floats by a tolerance that grows with the number of ops,
integers exactly. What would decide an integer by a rounding (a comparison or a truncation of computed floats) is not drawn.
Where the two differ, or XLA:CPU dies, `exact_program.py` says what is right. Programs run in a process apart.
"""

import contextlib
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import jax
import jax.numpy as jnp
import numpy as np
from exact_program import evaluate
from jax import lax

PLATFORM = os.environ.get("TEST_PLATFORM", "ascend")
LIMIT = 120  # seconds a program may take
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "int4", "uint4"]
FLOATS = ["float32", "float64", "bfloat16", "float16"]
COMPLEX = ["complex64", "complex128"]
STORED = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float4_e2m1fn"]
KINDS = ["bool", *INTEGERS, *FLOATS, *COMPLEX, *STORED]
SIZES = (0, 1, 1, 2, 3, 5, 8, 17, 33)


class TypedProgram:
    """The program of a seed: `arguments`, and `function` of them."""

    def __init__(self, seed):
        self.seed = seed
        draw = np.random.default_rng(seed)
        rank = int(draw.integers(0, 4))
        self.shape = tuple(int(draw.choice(SIZES)) for _ in range(rank))
        kinds = [KINDS[int(k)] for k in draw.integers(0, len(KINDS), int(draw.integers(2, 6)))]
        self.arguments = [values(draw, kind, self.shape) for kind in kinds]
        self.length = int(draw.integers(5, 60))

    def function(self, *arguments):
        """Run the ops; results are the last values."""
        draw, made = np.random.default_rng(self.seed + 1), list(arguments)
        for _ in range(self.length):
            x = made[-1 - min(int(draw.geometric(0.3)) - 1, len(made) - 1)]
            y = step(draw, x, made)
            if y is not None:
                made.append(y)
        return made[len(arguments) :][-6:] or made


def values(draw, kind, shape):
    """Return random values; floats are small and exact in any type."""
    if kind == "bool":
        return draw.random(shape) < 0.5
    dtype = jnp.dtype(kind)
    if jnp.issubdtype(dtype, jnp.integer):
        info = jnp.iinfo(dtype)
        return draw.integers(
            int(info.min), int(info.max), shape, endpoint=True, dtype=np.int64 if info.min < 0 else np.uint64
        ).astype(dtype)
    real = draw.integers(-8, 9, shape) / 4
    if dtype.kind == "c":
        real = real + 1j * draw.integers(-8, 9, shape) / 4
    return np.asarray(real).astype(dtype)


def family(x):
    dtype = jnp.dtype(x.dtype)
    if dtype.kind == "b":
        return "bool"
    if jnp.issubdtype(dtype, jnp.integer):
        return "integer"
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return "complex"
    return "stored" if dtype.itemsize == 1 else "float"


def partner(draw, x, made):
    """Return a value of x's type and shape."""
    same = [v for v in made if v.dtype == x.dtype and v.shape == x.shape]
    return same[int(draw.integers(len(same)))]


def squash(x):
    """Keep floats near 1, exactly the same on both sides but for rounding."""
    return x / (1 + jnp.abs(x)).astype(x.dtype)


def step(draw, x, made):
    """Return a new value from x, or None."""
    y = partner(draw, x, made)
    choice = int(draw.integers(14))
    if choice < 6:
        return arithmetic(draw, x, y)
    if choice == 6:
        return convert(draw, x)
    if choice == 7 and x.ndim:
        return moved(draw, x)
    if choice == 8 and x.ndim:
        return reduced(draw, x)
    if choice == 9 and x.ndim and x.size:
        return indexed(draw, x)
    if choice == 10:
        predicate = [v for v in made if v.dtype == bool and v.shape == x.shape]
        return lax.select(jnp.asarray(predicate[-1]), jnp.asarray(x), jnp.asarray(y)) if predicate else None
    if choice == 11:
        count = int(draw.integers(0, 4))
        inner = int(draw.integers(1 << 30))
        return lax.fori_loop(0, count, lambda i, c: arithmetic(np.random.default_rng(inner), c, y), jnp.asarray(x))
    if choice == 12 and x.size:
        flag = [v for v in made if v.dtype == bool and v.size]
        if not flag:
            return None
        inner = int(draw.integers(1 << 30))
        return lax.cond(
            jnp.ravel(flag[-1])[0],
            lambda x: arithmetic(np.random.default_rng(inner), x, y),
            lambda x: x,
            jnp.asarray(x),
        )
    if choice == 13 and x.ndim and x.shape[0]:
        inner = int(draw.integers(1 << 30))

        def body(c, row):
            return arithmetic(np.random.default_rng(inner), c, row), c

        return lax.scan(body, jnp.asarray(x)[0], jnp.asarray(y))[1]
    return None


def arithmetic(draw, x, y):
    x, y = jnp.asarray(x), jnp.asarray(y)
    kind, k = family(x), int(draw.integers(12))
    if kind == "bool":
        return [x & y, x | y, x ^ y, ~x][k % 4]
    if kind == "integer":
        small = jnp.dtype(x.dtype).name in ("int4", "uint4")
        shift = y & jnp.asarray(3, y.dtype)
        ops = [
            lambda: x + y,
            lambda: x - y,
            lambda: x * y,
            lambda: x & y,
            lambda: x | y,
            lambda: x ^ y,
            lambda: lax.max(x, y),
        ]
        ops += [lambda: lax.min(x, y), lambda: lax.shift_left(x, shift), lambda: lax.shift_right_logical(x, shift)]
        ops += [
            lambda: lax.shift_right_arithmetic(x, shift),
            lambda: ~x if small else lax.rem(x, lax.max(y, jnp.ones_like(y))),
        ]
        return ops[k]()
    if kind == "stored":
        wide = x.astype(jnp.float32) * 0.5 + y.astype(jnp.float32) * 0.25
        return wide.astype(x.dtype)
    if kind == "complex":
        ops = [lambda: squash(x + y), lambda: squash(x * y), lambda: lax.conj(x), lambda: -x, lambda: squash(x - y)]
        ops += [
            lambda: lax.complex(lax.imag(x), lax.real(y)),
            lambda: squash(x / (2 + jnp.abs(y) + y)),
            lambda: jnp.sqrt(x * x.conj() + 1),
        ]
        return ops[k % 8]()
    ops = [
        lambda: squash(x + y),
        lambda: squash(x * y),
        lambda: x - y * 0.5,
        lambda: lax.max(x, y),
        lambda: lax.min(x, y),
    ]
    ops += [lambda: jnp.tanh(x), lambda: jnp.abs(x), lambda: -x, lambda: jnp.exp(-jnp.abs(x)), lambda: x / (1 + y * y)]
    ops += [lambda: jnp.sqrt(jnp.abs(x) + 1), lambda: jnp.sin(x)]
    return ops[k]().astype(x.dtype)


def convert(draw, x):
    """Convert to a type that holds what a rounding so far may have left open: no float becomes a finer one."""
    kind, name = family(x), jnp.dtype(x.dtype).name
    targets = {
        "bool": KINDS[:15],
        "integer": ["bool", *INTEGERS],
        "stored": FLOATS,
        "float64": [*FLOATS, *COMPLEX],
        "float32": ["float32", "bfloat16", "float16", "complex64"],
        "complex128": COMPLEX,
    }
    targets = targets.get(kind) or targets.get(name) or [name]
    return jnp.asarray(x).astype(targets[int(draw.integers(len(targets)))])


def moved(draw, x):
    x, d = jnp.asarray(x), int(draw.integers(x.ndim))
    k = int(draw.integers(5))
    if k == 0:
        return lax.rev(x, (d,))
    if k == 1:
        return jnp.roll(x, 1, d)
    if k == 2:
        return lax.pad(x, jnp.zeros((), x.dtype), [(1, -1, 0) if i == d else (0, 0, 0) for i in range(x.ndim)])
    if k == 3:
        return jnp.concatenate([x, x], d)[
            tuple(slice(0, 2 * n, 2) if i == d else slice(None) for i, n in enumerate(x.shape))
        ]
    return jnp.swapaxes(jnp.swapaxes(x, 0, d), 0, d)


def reduced(draw, x):
    """Reduce along a dimension and spread the result again."""
    x, d, kind = jnp.asarray(x), int(draw.integers(x.ndim)), family(x)
    if kind == "bool":
        return jnp.broadcast_to(jnp.any(x, d, keepdims=True), x.shape)
    if kind == "stored" or not x.shape[d]:
        return None
    if kind in ("float", "complex"):
        return jnp.broadcast_to(jnp.mean(x, d, keepdims=True).astype(x.dtype), x.shape)
    if jnp.dtype(x.dtype).itemsize == 1 and jnp.iinfo(x.dtype).bits < 8:
        return jnp.broadcast_to(jnp.max(x, d, keepdims=True), x.shape)
    k = int(draw.integers(3))
    if k == 0:
        return jnp.broadcast_to(jnp.sum(x, d, keepdims=True, dtype=x.dtype), x.shape)
    if k == 1:
        return jnp.cumsum(x, d, dtype=x.dtype)
    return jnp.sort(x, d)


def indexed(draw, x):
    x, d = jnp.asarray(x), int(draw.integers(x.ndim))
    at = draw.integers(0, x.shape[d], x.shape[d])
    if draw.random() < 0.5:
        return jnp.take(x, at, axis=d)
    where = tuple(at if i == d else slice(None) for i in range(x.ndim))
    return x.at[tuple(slice(None) if i != d else int(at[0]) for i in range(x.ndim))].set(
        x[where][(slice(None),) * d + (0,)]
    )


def difference(seed, dead=False):
    """Return a sentence on the first result that is neither what XLA:CPU gives nor exact, or None.

    XLA:CPU keeps four bits in eight between ops, so it may be wrong; it refuses some programs, and dies of others: it is not
    asked if `dead`.
    """
    program = TypedProgram(seed)
    with jax.enable_x64(True):
        got = compiled(program, PLATFORM)
        if not dead:
            with contextlib.suppress(jax.errors.JaxRuntimeError):
                if not compare(seed, got, compiled(program, "cpu"), "XLA:CPU"):
                    return None
        return compare(seed, got, evaluate(program.function, *program.arguments), "exactly")


def compiled(program, platform):
    with jax.default_device(jax.devices(platform)[0]):
        return [np.asarray(v) for v in jax.jit(program.function)(*program.arguments)]


def compare(seed, results, expected, name):
    for k, (want, got) in enumerate(zip(expected, results, strict=True)):
        if got.shape != want.shape or got.dtype != want.dtype:
            return f"program {seed}, result {k}: {got.dtype}{got.shape}, expected {want.dtype}{want.shape}"
        if family(want) in ("bool", "integer"):
            right = got == want
        else:
            info = jnp.finfo(want.dtype)
            wide = np.complex128 if want.dtype.kind == "c" else np.float64
            a, b = got.astype(wide), want.astype(wide)
            right = (
                (a == b)
                | (np.isnan(a) & np.isnan(b))
                | (np.abs(a - b) <= 200 * max(float(info.eps), 0) * (1 + np.abs(b)))
            )
        if not right.all():
            i = tuple(int(n) for n in np.argwhere(~np.atleast_1d(right))[0])
            values = f"{np.atleast_1d(got)[i]}, {name} {np.atleast_1d(want)[i]}"
            return f"program {seed}, result {k}, {want.dtype}{want.shape}: at {i} {values}"
    return None


def attempt(seed, dead=False):
    """Return what `difference` says, an error as a sentence too."""
    if seed % 50 == 0:
        jax.clear_caches()
    try:
        return difference(seed, dead)
    except Exception as error:
        return f"program {seed}: {type(error).__name__} {str(error)[:400]}"


def worker():
    """Return a process of its own: what dies or hangs is one program."""
    return ProcessPoolExecutor(1, get_context("spawn"))


def ask(pool, seed, dead):
    """Return a sentence on a program, or None, and the pool for the next."""
    try:
        return pool.submit(attempt, seed, dead).result(LIMIT), pool
    except BrokenProcessPool:
        ended = "died"
    except TimeoutError:
        ended = f"took more than {LIMIT} s"
        for process in pool._processes.values():
            process.kill()
    pool.shutdown()
    return f"program {seed}: {ended}", worker()


def main(first, last):
    """Print a line for each program that is wrong, and how many XLA:CPU did not finish."""
    pool, wrong, unfinished = worker(), 0, 0
    for seed in range(first, last):
        sentence, fresh = ask(pool, seed, False)
        if fresh is not pool:  # XLA:CPU or this device: asked again without XLA:CPU
            sentence, pool = ask(fresh, seed, True)
            unfinished += not sentence
        if sentence:
            wrong += 1
            print(sentence, flush=True)
    pool.shutdown()
    print(f"{wrong} wrong; XLA:CPU died or hung, and the exact value came out, in {unfinished}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
