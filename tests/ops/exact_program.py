"""The exact meaning of a jaxpr, op by op: integers in Python's numbers, every result in its own type.

XLA:CPU fuses ops and then keeps no value of four bits between them in four bits, so its integers may be wrong; and it dies of
some programs. Ops on floats, and ops that only move values, are run by XLA:CPU one at a time.
"""

import operator

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal


def evaluate(function, *arguments):
    """Return the results of `function`, as a list of NumPy arrays."""
    with jax.default_device(jax.devices("cpu")[0]):
        closed = jax.make_jaxpr(function)(*arguments)
        return run(closed.jaxpr, closed.consts, [np.asarray(a) for a in arguments])


def run(jaxpr, constants, arguments):
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))

    def read(atom):
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        operands = [read(a) for a in equation.invars]
        name, results = equation.primitive.name, [v.aval for v in equation.outvars]
        if name in CONTROL:
            values = CONTROL[name](operands, **equation.params)
        elif name in INTEGER and all(is_integer(x.dtype) for x in (*operands, *results)):
            operation, bits = INTEGER[name], width(operands[0].dtype)
            values = [elementwise(operation, bits, operands, results[0].dtype)]
        elif name in SUMS and is_integer(results[0].dtype):
            values = [wrap(SUMS[name](integers(operands[0]), equation.params), results[0].dtype)]
        else:
            values = equation.primitive.bind(*map(jnp.asarray, operands), **equation.params)
            values = values if equation.primitive.multiple_results else [values]
        known.update(zip(equation.outvars, map(np.asarray, values), strict=True))
    return [read(v) for v in jaxpr.outvars]


# --- integers ---


def is_integer(dtype):
    return jnp.dtype(dtype).kind == "b" or jnp.issubdtype(dtype, jnp.integer)


def width(dtype):
    return 1 if jnp.dtype(dtype).kind == "b" else jnp.iinfo(dtype).bits


def integers(x):
    """Return an array of Python's numbers."""
    wide = np.uint64 if x.dtype == bool or jnp.iinfo(x.dtype).min == 0 else np.int64
    return x.astype(wide).astype(object)


def wrap(x, dtype):
    """Return numbers modulo 2^bits as a type."""
    x = np.asarray(x, object)
    if jnp.dtype(dtype).kind == "b":
        return x.astype(bool)
    low, sign = [int(n) for n in x.ravel()], jnp.iinfo(dtype).min < 0
    low = [signed(n, width(dtype)) if sign else n % (1 << width(dtype)) for n in low]
    return np.array(low, np.int64 if sign else np.uint64).astype(dtype).reshape(x.shape)


def signed(x, bits):
    """Return what the low bits of x mean in two's complement."""
    half = 1 << (bits - 1)
    return (x + half) % (1 << bits) - half


def elementwise(operation, bits, operands, dtype):
    """Return `operation(bits, *numbers)` of each element, as a type; a scalar goes with every element."""
    function = np.frompyfunc(lambda *numbers: operation(bits, *numbers), len(operands), 1)
    return wrap(function(*map(integers, operands)), dtype)


def binary(function):
    return lambda bits, x, y: function(x, y)


def remainder(bits, x, y):
    """The sign is the dividend's; by 0 it is the dividend."""
    return x if not y else abs(x) % abs(y) * (-1 if x < 0 else 1)


INTEGER = {
    **{name: binary(getattr(operator, name)) for name in ("add", "sub", "mul", "eq", "ne", "lt", "le", "gt", "ge")},
    "and": binary(operator.and_),
    "or": binary(operator.or_),
    "xor": binary(operator.xor),
    "max": binary(max),
    "min": binary(min),
    "rem": remainder,
    "not": lambda bits, x: ~x if bits > 1 else 1 - x,
    "shift_left": lambda bits, x, n: x << n if 0 <= n < bits else 0,
    "shift_right_logical": lambda bits, x, n: (x & ((1 << bits) - 1)) >> n if 0 <= n < bits else 0,
    "shift_right_arithmetic": lambda bits, x, n: signed(x, bits) >> (n if 0 <= n < bits else bits),
    "select_n": lambda bits, which, *cases: cases[which],
    "convert_element_type": lambda bits, x: x,
}
SUMS = {
    "reduce_sum": lambda x, params: np.sum(x, tuple(params["axes"])),
    "cumsum": lambda x, params: np.cumsum(x, params["axis"]),
}


# --- control flow ---


def call(operands, *, jaxpr, **_):
    return run(jaxpr.jaxpr, jaxpr.consts, operands)


def cond(operands, *, branches, **_):
    which, *operands = operands
    branch = branches[min(max(int(which), 0), len(branches) - 1)]
    return run(branch.jaxpr, branch.consts, operands)


def while_loop(operands, *, cond_jaxpr, body_jaxpr, cond_nconsts, body_nconsts):
    first, second = operands[:cond_nconsts], operands[cond_nconsts : cond_nconsts + body_nconsts]
    carry = operands[cond_nconsts + body_nconsts :]
    while run(cond_jaxpr.jaxpr, cond_jaxpr.consts, [*first, *carry])[0]:
        carry = run(body_jaxpr.jaxpr, body_jaxpr.consts, [*second, *carry])
    return carry


def scan(operands, *, jaxpr, length, reverse, num_consts=None, num_carry=None, ft_in=None, **_):
    if num_consts is None:  # newer JAX says it by trees: of constants, what is carried, and rows
        num_consts, num_carry, _rows = (len(list(part)) for part in ft_in.unpack())
    constants, carry = operands[:num_consts], operands[num_consts : num_consts + num_carry]
    rows = operands[num_consts + num_carry :]
    stacked = [np.zeros((length, *v.aval.shape), v.aval.dtype) for v in jaxpr.jaxpr.outvars[num_carry:]]
    for i in reversed(range(length)) if reverse else range(length):
        out = run(jaxpr.jaxpr, jaxpr.consts, [*constants, *carry, *(x[i] for x in rows)])
        carry = out[:num_carry]
        for whole, row in zip(stacked, out[num_carry:], strict=True):
            whole[i] = row
    return [*carry, *stacked]


CONTROL = {"jit": call, "pjit": call, "closed_call": call, "cond": cond, "while": while_loop, "scan": scan}
