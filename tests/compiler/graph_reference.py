"""A NumPy interpreter of the Graph: the slow, obvious meaning of every op, for tests only.

Half types compute in f32 and round; f32 computes in f32 (reductions and contractions in f64), so results are
compared with tolerances.
"""

import math
from functools import cmp_to_key
from itertools import product

import numpy as np

from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.graph.identities import identity_element
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.stream import AICPU_BY_NAME
from jax_ascend.compiler.reference.aicpu import AICPU_MEANINGS

np.seterr(all="ignore")


def run(graph, arguments):
    """Return the results of a graph for these arrays."""
    return _graph(graph, [np.asarray(a) for a in arguments], {})


def _graph(graph, arguments, outer):
    env = dict(outer)
    env.update(zip(graph.arguments, arguments, strict=True))
    for op in graph.ops:
        results = EVALUATE[type(op)](op, [env[v] for v in op.operands], env)
        results = results if isinstance(results, (list, tuple)) else [results]
        for value, array in zip(op.results, results, strict=True):
            array = np.asarray(array)
            assert array.shape == value.shape, f"{op.name}: shape {array.shape}, declared {value.type} at {op.loc}"
            env[value] = array.astype(value.dtype.numpy, copy=False)
    return [env[v] for v in graph.results]


def _wide(x):
    """Half and quarter types to f32."""
    return x.astype(np.float32) if DType.of_numpy(x.dtype).is_float and x.dtype.itemsize < 4 else x


_vector_erf = np.vectorize(math.erf, otypes=[np.float64])
_vector_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _unary(op, args, env):
    (x,) = args
    kind, w = op.kind, _wide(args[0])
    integer = x.dtype.kind in "iu"
    if kind in ("neg", "abs", "sign", "not", "real", "imag", "clz", "popcnt"):
        if kind == "abs" and integer:
            return np.where(x < 0, -x, x) if x.dtype.kind == "i" else x
        if kind == "sign" and x.dtype.kind == "c":
            return np.where(x == 0, 0, x / np.abs(x))
        if kind == "sign":
            return np.where(np.isnan(w), w, np.where(w == 0, w, np.sign(w))) if not integer else np.sign(x)
        if kind == "neg":
            return np.negative(w) if not integer else (np.zeros_like(x) - x)
        if kind == "clz":
            bits = x.dtype.itemsize * 8
            out = np.full(x.shape, bits, x.dtype)
            unsigned = x.view(f"u{x.dtype.itemsize}")
            for b in range(bits):
                out = np.where(unsigned >> b, bits - 1 - b, out)
            return out
        if kind == "popcnt":
            unsigned = x.view(f"u{x.dtype.itemsize}")
            return sum((unsigned >> b) & 1 for b in range(x.dtype.itemsize * 8))
        return {"abs": np.abs, "not": np.invert, "real": np.real, "imag": np.imag}[kind](w)
    if kind == "round_afz":
        return np.where(
            np.abs(w) >= 2**52, w, np.trunc(w + np.copysign(np.nextafter(w.dtype.type(0.5), w.dtype.type(0)), w))
        )
    f = {
        "floor": np.floor,
        "ceil": np.ceil,
        "round_even": np.rint,
        "is_finite": np.isfinite,
        "sqrt": np.sqrt,
    }.get(kind)
    if f:
        return f(w)
    wide = w.astype(np.float64) if w.dtype == np.float32 else w
    wide = w.astype(np.complex128) if w.dtype == np.complex64 else wide
    return {
        "exp": np.exp,
        "expm1": np.expm1,
        "log": np.log,
        "log1p": np.log1p,
        "rsqrt": lambda v: 1 / np.sqrt(v),
        "cbrt": np.cbrt,
        "sin": np.sin,
        "cos": np.cos,
        "tan": np.tan,
        "tanh": np.tanh,
        "logistic": lambda v: 1 / (1 + np.exp(-v)),
        "erf": _vector_erf,
        "erfc": _vector_erfc,
    }[kind](wide)


def _divide(a, b):
    if a.dtype.kind in "iu":
        safe = np.where(b == 0, 1, b).astype(a.dtype)
        if a.dtype.kind == "i":
            low = np.iinfo(a.dtype).min
            overflow = (a == low) & (safe == -1)
            safe = np.where(overflow, 1, safe).astype(a.dtype)
            q = (a // safe).astype(a.dtype)
            q = q + ((a % safe != 0) & ((a < 0) != (safe < 0)))
        else:
            q = a // safe
        return np.where(b == 0, np.array(-1).astype(a.dtype), q)
    return a / b


def _remainder(a, b):
    if a.dtype.kind in "iu":
        safe = np.where((b == 0) | (b == np.array(-1).astype(b.dtype)), 1, b).astype(a.dtype)
        r = np.fmod(a, safe)
        if a.dtype.kind == "u":
            safe = np.where(b == 0, 1, b).astype(a.dtype)
            r = np.fmod(a, safe)
        return np.where(b == 0, a, r)
    return np.fmod(a, b)


def _power(a, b):
    if a.dtype.kind in "iu":
        out = np.ones_like(a)
        base, e = a.copy(), np.where(b < 0, 0, b)
        for _ in range(64):
            out = np.where(e & 1, out * base, out)
            base, e = base * base, e >> 1
        if a.dtype.kind == "i":
            negative = np.where(a == 1, 1, np.where(a == -1, np.where(b & 1, -1, 1), 0))
            out = np.where(b < 0, negative, out)
        return out
    return np.power(a, b)


def _shift(kind, a, b):
    bits = a.dtype.itemsize * 8
    amount = b.view(f"u{b.dtype.itemsize}")
    big = amount >= bits
    amount = np.where(big, 0, amount).astype(a.dtype)
    if kind == "shl":
        return np.where(big, 0, a << amount)
    unsigned = a.view(f"u{a.dtype.itemsize}")
    if kind == "shr_logical":
        return np.where(big, 0, unsigned >> amount.view(unsigned.dtype)).astype(unsigned.dtype).view(a.dtype)
    signed = a.view(f"i{a.dtype.itemsize}")
    amount = np.where(big, bits - 1, amount).astype(signed.dtype)
    return (signed >> amount).view(a.dtype)


def binary(kind, a, b):
    """Return a kind b, both of one dtype."""
    dtype = a.dtype
    if kind.startswith("sh"):
        return _shift(kind, a, b)
    a, b = _wide(a), _wide(b)
    if kind in ("pow", "atan2") and a.dtype == np.float32:
        a, b = a.astype(np.float64), b.astype(np.float64)
    out = {
        "add": np.add,
        "sub": lambda x, y: x - y,
        "mul": np.multiply,
        "div": _divide,
        "rem": _remainder,
        "max": np.maximum,
        "min": np.minimum,
        "pow": _power,
        "atan2": np.arctan2,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
        "complex": lambda x, y: x + 1j * y,
    }[kind](a, b)
    if kind == "complex":
        out = np.empty(a.shape, np.complex64 if a.dtype == np.float32 else np.complex128)
        out.real, out.imag = a, b
        return out
    return np.asarray(out).astype(dtype)


def _compare(op, args, env):
    a, b = args
    if op.total_order:
        a, b = _total(a), _total(b)
    a, b = _wide(a), _wide(b)
    f = {"EQ": np.equal, "NE": np.not_equal, "LT": np.less, "LE": np.less_equal}
    f |= {"GT": np.greater, "GE": np.greater_equal}
    return f[op.direction](a, b)


def _total(x):
    bits = x.view(f"i{x.dtype.itemsize}").astype(np.int64)
    return np.where(bits < 0, bits ^ np.int64((1 << (x.dtype.itemsize * 8 - 1)) - 1), bits)


def _convert(op, args, env):
    (x,), to = args, op.result.dtype
    if to.kind == "b":
        return x != 0
    if to.is_integer and DType.of_numpy(x.dtype).is_float:
        w = _wide(x).astype(np.float64)
        info = np.iinfo(to.numpy)
        inside = np.where((w < info.max) & (w > info.min), w, 0)
        out = np.trunc(inside).astype(np.int64 if to.kind == "i" else np.uint64)
        out = np.where(np.isnan(w), 0, np.where(w >= info.max, info.max, np.where(w <= info.min, info.min, out)))
        return out.astype(to.numpy)
    if DType.of_numpy(x.dtype).is_float and to.is_float:
        return _wide(x).astype(to.numpy)
    return x.astype(to.numpy)


def _bitcast(op, args, env):
    x, to = np.array(args[0], order="C"), op.result.dtype.numpy
    if to.itemsize == x.dtype.itemsize:
        return x.view(to)
    if to.itemsize < x.dtype.itemsize:
        return x[..., None].view(to)
    return x.view(to)[..., 0]


def _reduce_precision(op, args, env):
    (x,) = args
    dtype = x.dtype
    info = {2: (5, 10), 4: (8, 23), 8: (11, 52)}
    exponent_bits, mantissa_bits = (8, 7) if DType.of_numpy(dtype) is DType.bf16 else info[dtype.itemsize]
    bits = x.view(f"u{dtype.itemsize}").astype(np.uint64)
    drop = mantissa_bits - op.mantissa_bits
    if drop > 0:
        last = (bits >> np.uint64(drop)) & np.uint64(1)
        bits = bits + np.uint64((1 << (drop - 1)) - 1) + last
        bits &= ~np.uint64((1 << drop) - 1)
    rounded = bits.astype(f"u{dtype.itemsize}").view(dtype)
    if op.exponent_bits < exponent_bits:
        w = _wide(rounded).astype(np.float64)
        bias = (1 << (op.exponent_bits - 1)) - 1
        overflow = np.abs(w) >= 2.0 ** (bias + 1)
        underflow = np.abs(w) < 2.0 ** (1 - bias)
        rounded = np.where(overflow, np.copysign(np.inf, w), np.where(underflow, np.copysign(0, w), w)).astype(dtype)
    kept = x if op.mantissa_bits else np.copysign(np.inf, x)  # a format without a mantissa has no NaN
    return np.where(np.isnan(_wide(x)), kept, rounded)


def _broadcast(op, args, env):
    (x,), shape = args, op.result.shape
    middle = [1] * len(shape)
    for d, n in zip(op.dimensions, x.shape):
        middle[d] = n
    return np.broadcast_to(x.reshape(middle), shape)


def _pad(op, args, env):
    x, p = args
    for d in range(x.ndim):
        n, it = x.shape[d], op.interior[d]
        size = n + max(n - 1, 0) * it
        spread = np.full((*x.shape[:d], size, *x.shape[d + 1 :]), p, x.dtype)
        spread[(slice(None),) * d + (slice(None, None, it + 1),)] = x
        lo, hi = op.low[d], op.high[d]
        spread = spread[(slice(None),) * d + (slice(max(-lo, 0), size - max(-hi, 0)),)]
        widths = [(0, 0)] * x.ndim
        widths[d] = (max(lo, 0), max(hi, 0))
        x = np.pad(spread, widths, constant_values=p)
    return x


def combine(kind, values, axis):
    """Reduce along axes."""
    dtype = values.dtype
    f = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
    f |= {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
    w = _wide(values)
    if w.dtype == np.float32 and kind in ("add", "mul"):
        w = w.astype(np.float64)
    out = f[kind].reduce(w, axis=axis, initial=identity_element(kind, DType.of_numpy(dtype)))
    return np.asarray(out).astype(dtype)


def _arg_reduce(op, args, env):
    (x,) = args
    w = _wide(x)
    return (np.argmax if op.kind == "argmax" else np.argmin)(w, axis=op.dimension)


def _general_reduce(op, args, env):
    n = len(op.results)
    arrays, state = args[:n], args[n:]
    shape = arrays[0].shape
    kept = [d for d in range(len(shape)) if d not in op.dimensions]
    outs = [np.broadcast_to(s, op.results[0].shape).copy() for s in state]
    for where in product(*(range(shape[d]) for d in op.dimensions)):
        index = [slice(None)] * len(shape)
        for d, i in zip(op.dimensions, where):
            index[d] = i
        for cell in np.ndindex(*[shape[d] for d in kept]):
            new = [a[tuple(index)][cell] for a in arrays]
            for o, v in zip(outs, _graph(op.body, [o[cell] for o in outs] + new, env)):
                o[cell] = v
    return outs


def _windows(op, shape):
    """Yield (output index, [input index or None ...]) of a window op without base dilation limits."""
    reach = [range(w) for w in op.window]
    base = getattr(op, "base_dilation", (1,) * len(shape))
    dil = getattr(op, "window_dilation", (1,) * len(shape))
    sizes = []
    for d, n in enumerate(shape):
        padded = ((n - 1) * base[d] + 1 if n else 0) + op.low[d] + op.high[d]
        span = (op.window[d] - 1) * dil[d] + 1
        sizes.append(0 if padded < span else (padded - span) // op.stride[d] + 1)
    for out in np.ndindex(*sizes):
        cells = []
        for w in product(*reach):
            cell = []
            for d, (o, k) in enumerate(zip(out, w)):
                p = o * op.stride[d] + k * dil[d] - op.low[d]
                cell.append(p // base[d] if p % base[d] == 0 and 0 <= p // base[d] < shape[d] else None)
            cells.append(None if None in cell else tuple(cell))
        yield out, cells


def _reduce_window(op, args, env):
    n = len(op.results)
    xs, inits = args[:n], args[n:]
    outs = [np.zeros(r.shape, x.dtype) for r, x in zip(op.results, xs)]
    for out, cells in _windows(op, xs[0].shape):
        if op.kind != "general":
            picked = np.array([xs[0][c] if c is not None else inits[0] for c in cells], xs[0].dtype)
            outs[0][out] = combine(op.kind, picked, 0)
            continue
        state = list(inits)
        for c in cells:
            new = [x[c] if c is not None else i for x, i in zip(xs, inits)]
            state = _graph(op.body, state + new, env)
        for o, s in zip(outs, state):
            o[out] = s
    return outs


def _select_and_scatter(op, args, env):
    x, source, init = args
    result = np.full(x.shape, init, x.dtype)

    def keeps(a, b):
        return _graph(op.select, [a, b], env)[0]

    for out, cells in _windows(op, x.shape):
        best = None
        for c in cells:
            if c is not None and (best is None or not keeps(x[best], x[c])):
                best = c
        if best is not None:
            received, so_far = np.asarray(source[out]), np.asarray(result[best])
            if op.kind == "general":
                (result[best],) = _graph(op.body, [so_far, received], env)
            else:
                result[best] = binary(op.kind, so_far, received)
    return result


def _dynamic_slice(op, args, env):
    x, starts = args[0], args[1:]
    at = [int(np.clip(int(s), 0, n - m)) for s, n, m in zip(starts, x.shape, op.sizes)]
    return x[tuple(slice(a, a + m) for a, m in zip(at, op.sizes))]


def _dynamic_update_slice(op, args, env):
    x, u, starts = args[0].copy(), args[1], args[2:]
    at = [int(np.clip(int(s), 0, n - m)) for s, n, m in zip(starts, x.shape, u.shape)]
    x[tuple(slice(a, a + m) for a, m in zip(at, u.shape))] = u
    return x


def _start_vector(idx, batch, index_vector_dim):
    if index_vector_dim == idx.ndim:
        return [int(idx[batch])]
    return [int(v) for v in idx[(*batch[:index_vector_dim], slice(None), *batch[index_vector_dim:])]]


def _gather(op, args, env):
    x, idx = args
    out = np.zeros(op.result.shape, x.dtype)
    batch_dims = [d for d in range(out.ndim) if d not in op.offset_dims]
    kept = [d for d in range(x.ndim) if d not in (*op.collapsed_slice_dims, *op.operand_batching_dims)]
    for cell in np.ndindex(*out.shape):
        batch = tuple(cell[d] for d in batch_dims)
        start = [0] * x.ndim
        for d, v in zip(op.start_index_map, _start_vector(idx, batch, op.index_vector_dim)):
            start[d] = min(max(v, 0), x.shape[d] - op.slice_sizes[d])
        for d, b in zip(op.operand_batching_dims, op.start_indices_batching_dims):
            start[d] = batch[b - (b > op.index_vector_dim)]
        for d, o in zip(kept, op.offset_dims):
            start[d] += cell[o]
        out[cell] = x[tuple(start)]
    return out


def _scatter(op, args, env):
    out, idx, updates = args[0].copy(), *args[1:]
    scatter_dims = [d for d in range(updates.ndim) if d not in op.update_window_dims]
    kept = [d for d in range(out.ndim) if d not in (*op.inserted_window_dims, *op.input_batching_dims)]
    for cell in np.ndindex(*updates.shape):
        batch = tuple(cell[d] for d in scatter_dims)
        at = [0] * out.ndim
        for d, v in zip(op.scatter_dims_to_operand_dims, _start_vector(idx, batch, op.index_vector_dim)):
            at[d] = v
        for d, b in zip(op.input_batching_dims, op.scatter_indices_batching_dims):
            at[d] = batch[b - (b > op.index_vector_dim)]
        for d, o in zip(kept, op.update_window_dims):
            at[d] += cell[o]
        if all(0 <= a < s for a, s in zip(at, out.shape)):
            _update(op, out, tuple(at), updates[cell])
    return out


def _update(op, out, at, new):
    out[at] = new if op.kind == "assign" else binary(op.kind, np.asarray(out[at]), np.asarray(new))


def _gather_slices(op, args, env):
    x, *starts = args
    out = np.zeros(op.result.shape, x.dtype)
    for b in range(len(out)):
        at = [0] * x.ndim
        for d, v in zip(op.index_map, (s[b] for s in starts)):
            at[d] = min(max(int(v), 0), x.shape[d] - op.slice_sizes[d])
        out[b] = x[tuple(slice(a, a + n) for a, n in zip(at, op.slice_sizes))]
    return out


def _scatter_slices(op, args, env):
    out, starts, updates = args[0].copy(), *args[1:]
    window = updates.shape[1:]
    for b in range(len(starts)):
        at = [0] * out.ndim
        for d, v in zip(op.index_map, starts[b]):
            at[d] = int(v)
        if all(a >= 0 and a + w <= s for a, w, s in zip(at, window, out.shape)):
            for cell in np.ndindex(*window):
                _update(op, out, tuple(a + c for a, c in zip(at, cell)), updates[(b, *cell)])
    return out


def _dot(op, args, env):
    l, r = (_wide(a) for a in args)
    if op.result.dtype.is_float:
        l, r = l.astype(np.float64), r.astype(np.float64)
    else:
        l, r = l.astype(op.result.dtype.numpy), r.astype(op.result.dtype.numpy)
    lf, rf = op.free()
    l = l.transpose(*op.lhs_batch, *lf, *op.lhs_contracting)
    r = r.transpose(*op.rhs_batch, *op.rhs_contracting, *rf)
    nb, k = len(op.lhs_batch), int(np.prod([args[0].shape[d] for d in op.lhs_contracting], dtype=int))
    batch = l.shape[:nb]
    out = np.matmul(
        l.reshape(*batch, int(np.prod([args[0].shape[d] for d in lf], dtype=int)), k),
        r.reshape(*batch, k, int(np.prod([args[1].shape[d] for d in rf], dtype=int))),
    )
    return out.reshape(op.result.shape)


def _convolution(op, args, env):
    x, k = (_wide(a) for a in args)
    if op.result.dtype.is_float:
        x, k = x.astype(np.float64), k.astype(np.float64)
    x, k = x.transpose(op.lhs_spec), k.transpose(op.rhs_spec)
    n = len(op.stride)
    fake = type("P", (), {})()
    fake.low, fake.high = (0, 0, *op.low), (0, 0, *op.high)
    fake.interior = (0, 0, *(d - 1 for d in op.lhs_dilation))
    x = _pad(fake, [x, x.dtype.type(0)], None)
    k = k[(slice(None), slice(None), *(slice(None, None, -1) if r else slice(None) for r in op.reversal))]
    out_shape = [op.result.shape[d] for d in op.out_spec]
    out = np.zeros(out_shape, x.dtype)
    fg, bg = op.feature_groups, op.batch_groups
    groups = fg * bg
    co = k.shape[0] // groups
    for g in range(groups):
        xs = np.split(x, fg, 1)[g] if bg == 1 else np.split(x, bg, 0)[g]
        ks = k[g * co : (g + 1) * co]
        for w in product(*(range(s) for s in k.shape[2:])):
            window = tuple(
                slice(i * d, i * d + (o - 1) * s + 1, s)
                for i, d, o, s in zip(w, op.rhs_dilation, out_shape[2:], op.stride)
            )
            if 0 in out_shape:
                continue
            part = xs[(slice(None), slice(None), *window)]
            out[:, g * co : (g + 1) * co] += np.moveaxis(
                np.tensordot(part, ks[(slice(None), slice(None), *w)], ([1], [1])), -1, 1
            )
    inverse = np.argsort(op.out_spec)
    del n
    return out.transpose(inverse)


def _while(op, args, env):
    while bool(_graph(op.cond, args, env)[0]):
        args = _graph(op.body, args, env)
    return args


def _case(op, args, env):
    index = int(args[0])
    index = index if 0 <= index < len(op.branches) else len(op.branches) - 1
    return _graph(op.branches[index], [], env)


def _order_key(x, descending):
    w = _wide(x)
    if DType.of_numpy(x.dtype).is_float:
        keys = [np.isnan(w), np.where(np.isnan(w), 0, w + 0.0)]
    else:
        keys = [w]
    if descending:
        keys = [(~k if k.dtype == bool else (-k.astype(np.float64) if k.dtype.kind == "f" else ~k)) for k in keys]
    return keys


def _sort(op, args, env):
    d = op.dimension
    keys = [k for number, descending in op.keys for k in _order_key(np.moveaxis(args[number], d, -1), descending)]
    order = np.lexsort(keys[::-1], axis=-1)
    return [np.moveaxis(np.take_along_axis(np.moveaxis(a, d, -1), order, -1), -1, d) for a in args]


def _general_sort(op, args, env):
    d, last = op.dimension, [np.moveaxis(a, op.dimension, -1) for a in args]
    outs = [a.copy() for a in last]
    for row in np.ndindex(last[0].shape[:-1]):

        def before(i, j, row=row):
            return bool(_graph(op.body, [a[row][k] for a in last for k in (i, j)], env)[0])

        order = sorted(range(last[0].shape[-1]), key=cmp_to_key(lambda i, j: before(j, i) - before(i, j)))
        for out, a in zip(outs, last):
            out[row] = a[row][order]
    return [np.moveaxis(out, -1, d) for out in outs]


def _top_k(op, args, env):
    (x,) = args
    keys = _total(x) if DType.of_numpy(x.dtype).is_float else x
    order = np.argsort(~keys if op.largest else keys, axis=-1, kind="stable")[..., : op.k]
    return [np.take_along_axis(x, order, -1), order]


def _aicpu_kernel(op, args, env):
    parameters = dict(op.parameters)
    shapes = [(slot.shape(parameters), slot.dtype(parameters).numpy) for slot in AICPU_BY_NAME[op.kernel].results]
    results = [np.zeros(shape, dtype) for shape, dtype in shapes]
    slots = [np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in (*results, *args)]
    AICPU_MEANINGS[op.kernel](slots, **parameters)
    found = [s.view(dtype) for s, (_, dtype) in zip(slots, shapes)]
    return [f.view(r.dtype.numpy).reshape(r.shape) for f, r in zip(found, op.results, strict=True)]


def _cumulative(op, args, env):
    fold = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[op.kind]
    (x,) = args
    if op.backwards:
        x = np.flip(x, op.dimension)
    y = fold.accumulate(x, op.dimension, dtype=x.dtype)
    return np.flip(y, op.dimension) if op.backwards else y


EVALUATE = {
    ops.ArgReduce: _arg_reduce,
    ops.Binary: lambda op, args, env: binary(op.kind, *args),
    ops.BitcastConvert: _bitcast,
    ops.BroadcastInDim: _broadcast,
    ops.Call: lambda op, args, env: _graph(op.callee, args, {}),
    ops.Case: _case,
    ops.Compare: _compare,
    ops.Concatenate: lambda op, args, env: np.concatenate(args, op.dimension),
    ops.Constant: lambda op, args, env: op.value if op.value.size else op.value.reshape(op.result.shape),
    ops.Convert: _convert,
    ops.Convolution: _convolution,
    ops.Cumulative: _cumulative,
    ops.Dot: _dot,
    ops.DynamicSlice: _dynamic_slice,
    ops.DynamicUpdateSlice: _dynamic_update_slice,
    ops.Gather: _gather,
    ops.GatherSlices: _gather_slices,
    ops.GeneralReduce: _general_reduce,
    ops.GeneralSort: _general_sort,
    ops.Iota: lambda op, args, env: np.broadcast_to(
        np.arange(op.result.shape[op.dimension]).reshape(
            [-1 if d == op.dimension else 1 for d in range(op.result.type.rank)]
        ),
        op.result.shape,
    ),
    ops.AicpuKernel: _aicpu_kernel,
    ops.OptimizationBarrier: lambda op, args, env: args,
    ops.Pad: _pad,
    ops.Reduce: lambda op, args, env: combine(op.kind, args[0], op.dimensions),
    ops.ReducePrecision: _reduce_precision,
    ops.ReduceWindow: _reduce_window,
    ops.Reshape: lambda op, args, env: args[0].reshape(op.result.shape),
    ops.Reverse: lambda op, args, env: np.flip(args[0], op.dimensions),
    ops.Scatter: _scatter,
    ops.TakeAlong: lambda op, args, env: np.take_along_axis(args[0], np.clip(args[1], 0, args[0].shape[1] - 1), 1),
    ops.ScatterSlices: _scatter_slices,
    ops.Select: lambda op, args, env: np.where(*args),
    ops.SelectAndScatter: _select_and_scatter,
    ops.Slice: lambda op, args, env: args[0][tuple(slice(*b) for b in zip(op.start, op.limit, op.stride, strict=True))],
    ops.Sort: _sort,
    ops.TopK: _top_k,
    ops.Transpose: lambda op, args, env: args[0].transpose(op.permutation),
    ops.Unary: _unary,
    ops.While: _while,
}
