"""The table of op tests: what a case is, its inputs, and how its results are compared.

A case is a function of arrays that returns any tree of arrays. It is run jitted, eagerly and
differentiated on the device under test (environment variable TEST_PLATFORM, default ascend), and
compared with XLA:CPU, which gets the same inputs in the same types.

Tolerances, stated once. With eps the distance from 1 to the next number of the type,
    pointwise  |got - want| <= k * eps * |want|               each value by itself
    normwise   |got - want| <= k * eps * (|want| + max|want|)  sums: cancellation scales with the terms
with k = 16 in f32: two libraries' transcendental functions differ by up to ~8 ulp, and a sum of a
few hundred terms in another order by about as much. In bf16 and f16 both sides compute in f32 and round,
so a chain of a few operations may differ by k = 4. Gradients chain about three times as many operations: k is
tripled; they add up a term for each result, so they are compared normwise. Integers and bools are exact.

XLA:CPU rounds too, and in halves may skip the rounding between operations: it is no closer to the truth than the device
is. A float that is outside of the tolerance of XLA:CPU's is right, therefore, if it is within the same tolerance of
the same function of the same inputs evaluated in f64.
"""

import contextlib
import dataclasses
import functools
import os
import re
import zlib

import jax
import jax.numpy as jnp
import numpy as np

PLATFORM = os.environ.get("TEST_PLATFORM", "ascend")
FLOATS = "f32 bf16 f16"
INTS = "i8 i16 i32 u8 u16 u32"
WIDE = "i64 u64"
ULPS = {"float32": 16, "bfloat16": 4, "float16": 4}
TYPES = {
    "f32": "float32",
    "bf16": "bfloat16",
    "f16": "float16",
    "bool": "bool",
    **{f"i{n}": f"int{n}" for n in (2, 4, 8, 16, 32, 64)},
    **{f"u{n}": f"uint{n}" for n in (2, 4, 8, 16, 32, 64)},
}


@dataclasses.dataclass
class Case:
    """One line of the table.

    Each of `specs` is an input such as "T[3,127]" or "f32[4] 0..1" (T stands for each of `types` in
    turn; the range is -2..2 for floats and -9..9 for integers unless given). `grad` asks for the gradient
    by the floating inputs in f32 and bf16; `eager` for a run op by op in the first type. `reference` is
    what XLA:CPU runs instead, where it is known to be wrong. With `rounds` the function rounds to T on the way to
    a wider result, so the tolerance is T's.
    """

    name: str
    function: object
    specs: tuple
    types: str = "f32"
    grad: bool = False
    eager: bool = True
    pointwise: bool = False
    reference: object = None
    rounds: bool = False


def case(name, function, *specs, **options):
    """Return a Case; see its fields."""
    return Case(name, function, specs, **options)


@dataclasses.dataclass
class Check:
    """A case in one type and one mode: value, eager or gradient."""

    case: Case
    type: str
    mode: str

    def __str__(self):
        return f"{self.case.name}-{self.type}-{self.mode}"

    def function(self, platform):
        """Return the function to run on a platform."""
        function = self.case.reference if platform == "cpu" and self.case.reference else self.case.function
        return functools.partial(gradient, function) if self.mode == "gradient" else function

    def inputs(self):
        """Return the inputs as NumPy arrays, the same in every run."""
        seed = zlib.crc32(self.case.name.encode())
        draw = np.random.default_rng(seed)
        return [array(spec.replace("T", self.type), draw) for spec in self.case.specs]

    def x64(self):
        """Return the context in which 64-bit types exist, when the case has any."""
        return jax.enable_x64(True) if "64" in self.type else contextlib.nullcontext()


def checks(cases):
    """Expand cases into one Check per type and mode."""
    found = []
    for c in cases:
        for i, kind in enumerate(c.types.split()):
            found.append(Check(c, kind, "value"))
            if c.eager and i == 0:
                found.append(Check(c, kind, "eager"))
            if c.grad and kind in ("f32", "bf16"):
                found.append(Check(c, kind, "gradient"))
    return found


def array(spec, draw):
    """Return a random array by a spec such as "bf16[3,4] 0..1"."""
    kind, shape, low, high = re.fullmatch(r"(\w+)\[([\d,]*)\](?: (\S+)\.\.(\S+))?", spec).groups()
    shape = tuple(int(n) for n in shape.split(",") if n)
    dtype = jnp.dtype(TYPES[kind])
    if kind == "bool":
        return draw.random(shape) < 0.5
    if jnp.issubdtype(dtype, jnp.floating):
        return draw.uniform(float(low or -2), float(high or 2), shape).astype(dtype)
    low = int(low) if low else (0 if kind[0] == "u" else -9)
    return draw.integers(low, int(high) if high else 9, shape, endpoint=True).astype(dtype)


def gradient(function, *arrays):
    """Return the gradient, by every floating input, of a fixed weighting of all floating results."""
    chosen = [i for i, a in enumerate(arrays) if jnp.issubdtype(a.dtype, jnp.floating)]

    def total(parts):
        full = list(arrays)
        for i, part in zip(chosen, parts):
            full[i] = part
        results = map(jnp.asarray, jax.tree.leaves(function(*full)))
        chosen_results = (r for r in results if jnp.issubdtype(r.dtype, jnp.floating))
        return sum((r.astype(jnp.float32) * weights(r.shape)).sum() for r in chosen_results)

    return jax.grad(total)([arrays[i] for i in chosen])


def weights(shape):
    """Return weights between -1 and 1 that differ from each other, so that no two results cancel."""
    return np.cos(np.arange(np.prod(shape, dtype=int)) * 0.7 + 0.3).reshape(shape).astype(np.float32)


def run(check, platform):
    """Run a check on a platform and return its results as a tree of NumPy arrays."""
    with check.x64(), jax.default_device(jax.devices(platform)[0]):
        function = check.function(platform)
        if check.mode != "eager" or platform == "cpu":  # the reference is always compiled
            function = jax.jit(function)
        results = function(*[jnp.asarray(a) for a in check.inputs()])
        # A loop run eagerly gives back a carry that is a Python number, and NumPy would choose its type.
        return jax.tree.map(lambda result: np.asarray(jnp.asarray(result)), results)


def run_in_f64(check):
    """Return what a check's function of its inputs, widened to f64, gives on XLA:CPU."""
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        wide = [a.astype(np.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a for a in check.inputs()]
        return jax.tree.map(np.asarray, jax.jit(check.function("cpu"))(*wide))


def verify(check):
    """Run a check on both platforms; raises AssertionError that names every result that differs."""
    wants, structure = jax.tree_util.tree_flatten_with_path(run(check, "cpu"))
    gots, got_structure = jax.tree_util.tree_flatten_with_path(run(check, PLATFORM))
    assert got_structure == structure
    exact = functools.cache(lambda: jax.tree.leaves(run_in_f64(check)))
    found = []
    for i, ((path, want), (_, got)) in enumerate(zip(wants, gots)):
        assert got.shape == want.shape and got.dtype == want.dtype, f"[{check}] {got.dtype}{got.shape} at {path}"
        wrong = difference(check, got, want)
        if wrong and jnp.issubdtype(want.dtype, jnp.floating):
            in_f64 = difference(check, got, exact()[i])
            wrong = in_f64 and f"{wrong}, in f64 {in_f64}"
        if wrong:
            found.append(f"{jax.tree_util.keystr(path)}: {wrong}")
    assert not found, f"[{check}] {PLATFORM} differs from cpu\n" + "\n".join(found)


def difference(check, got, want):
    """Return None when `got` is within the tolerance of `want`, else a sentence."""
    if jnp.issubdtype(got.dtype, jnp.floating):
        dtype = jnp.dtype(TYPES[check.type]) if check.case.rounds else got.dtype
        k, eps = ULPS[dtype.name] * (3 if check.mode == "gradient" else 1), float(jnp.finfo(dtype).eps)
        tiny = float(jnp.finfo(dtype).tiny)
        want, got = want.astype(np.float64), got.astype(np.float64)
        finite = np.isfinite(want)
        pointwise = check.case.pointwise and check.mode != "gradient"
        largest = np.abs(want[finite]).max(initial=0) if not pointwise else 0
        with np.errstate(invalid="ignore"):
            close = np.abs(got - want) <= k * eps * (np.abs(want) + largest) + tiny
        right = np.where(finite, close, (got == want) | (np.isnan(got) & np.isnan(want)))
    else:
        right = got == want
    if right.all():
        return None
    where = tuple(int(i) for i in np.argwhere(~right)[0])
    wrong = right.size - int(right.sum())
    return f"{wrong} of {right.size} differ; at {where} expected {want[where]}, got {got[where]}"
