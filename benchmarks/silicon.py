"""The clock against hundreds of measured kernels: each op as plain JAX, simulated and published time per family.

    python benchmarks/silicon.py rows.json [--chip 910B2] [--op REGEX] [--rows] [--write docs/clock.md]

The measurements are not part of the project. `rows.json` (or $SILICON_ROWS) is a list of objects: `id`, `chip` (a key of
TARGETS), `op` (a name of OPS), `in` (operands as "f16[1024,1024]", lists of them, or null), `attrs` (keyword arguments of the
op), `us` (measured microseconds, L2 flushed before), `t_hw` (a lower bound in microseconds), `judge` (false where the
library's kernel is known to be weak, or is several). `--write` puts the tables into the page between its marks.
"""

import argparse
import json
import math
import os
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, median

import jax
import jax.numpy as jnp
import published
from jax import lax

from jax_ascend import estimate

F32 = jnp.float32
TYPES = {
    "bf16": jnp.bfloat16,
    "f16": jnp.float16,
    "f32": F32,
    "f64": jnp.float64,
    "bool": jnp.bool_,
    "u8": jnp.uint8,
} | {f"i{bits}": jnp.dtype(f"int{bits}") for bits in (8, 16, 32)}
TYPES["i64"] = jnp.int32  # indices: what JAX makes of them
TARGETS = {"910B2": "ascend910b", "910B3": "ascend910b3", "950PR": "ascend950", "A2": "ascend910b4"}
OPS = {}


def op(function):
    """Register an op under its name."""
    OPS[function.__name__] = function
    return function


def wide(function):
    """Register an op that computes in f32 whatever its operands are, and gives what its first one is."""

    def run(first, *rest, **attrs):
        result = function(first.astype(F32), *(None if x is None else x.astype(F32) for x in rest), **attrs)
        return jax.tree.map(lambda y: y.astype(first.dtype), result)

    OPS[function.__name__] = run
    return run


@op
def sigmoid(x):
    return jax.nn.sigmoid(x)


@op
def exp(x, base=-1.0, scale=1.0, shift=0.0):
    rate = math.log(base) if base > 0 else 1.0
    return jnp.exp((x * scale + shift if (scale, shift) != (1.0, 0.0) else x) * rate)


@op
def gelu(x, approximate="none"):
    return jax.nn.gelu(x, approximate=approximate == "tanh")


@op
def mish(x):
    return x * jnp.tanh(jax.nn.softplus(x))


@op
def maximum(x, y):
    return jnp.maximum(x, y)


@op
def softmax(x, dim=-1):
    return jax.nn.softmax(x, axis=dim)


@op
def transpose(x, perm):
    return jnp.transpose(x, perm)


@op
def arg_max(x, dim, keepdim=False):
    return jnp.argmax(x, axis=dim, keepdims=keepdim).astype(jnp.int32)


@op
def swi_glu(x, dim=-1):
    gate, up = jnp.split(x, 2, axis=dim)
    return jax.nn.silu(gate) * up


@op
def foreach_addcdiv_scalar(xs, numerators, denominators, scalar):
    return [x + n / d * scalar for x, n, d in zip(xs, numerators, denominators, strict=True)]


@op
def foreach_norm(xs, scalar):
    return [jnp.linalg.norm(x.astype(F32).reshape(-1), ord=scalar).astype(x.dtype) for x in xs]


@wide
def apply_adam_w(p, g, m, v, lr, beta1, beta2, weight_decay, epsilon=1e-8, maximize=False):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    update = m / (1 - beta1) / (jnp.sqrt(v / (1 - beta2)) + epsilon) + weight_decay * p
    return p + (lr if maximize else -lr) * update, m, v


def normalised(x, gamma, epsilon):
    return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + epsilon) * gamma


@wide
def rms_norm(x, gamma, epsilon=1e-6):
    return normalised(x, gamma, epsilon)


@wide
def group_norm(x, gamma, beta, num_groups, epsilon=1e-5):
    grouped = x.reshape(x.shape[0], num_groups, -1)
    y = jax.nn.standardize(grouped, axis=-1, epsilon=epsilon).reshape(x.shape)
    channels = (-1, *[1] * (x.ndim - 2))
    return y * gamma.reshape(channels) + beta.reshape(channels)


def quantised(x):
    scale = jnp.maximum(jnp.abs(x).max(-1), 1e-12) / 127
    return jnp.clip(jnp.round(x / scale[..., None]), -128, 127).astype(jnp.int8), scale


@op
def dynamic_quant(x):
    return quantised(x.astype(F32))


@op
def add_rms_norm_dynamic_quant(x, residual, gamma, epsilon=1e-6):
    total = x.astype(F32) + residual.astype(F32)
    return *quantised(normalised(total, gamma.astype(F32), epsilon)), total.astype(x.dtype)


@op
def dequant_swiglu_quant(x, weight_scale=None, activation_scale=None, quant_scale=None, activate_left=False):
    y = x.astype(F32)
    if weight_scale is not None:
        y = y * weight_scale * activation_scale[:, None]
    left, right = jnp.split(y, 2, -1)
    y = jax.nn.silu(left) * right if activate_left else jax.nn.silu(right) * left
    return quantised(y if quant_scale is None else y * quant_scale)


@op
def ascend_anti_quant_v2(x, scale, offset=None, dst_type=1, sqrt_mode=False):
    y = x.astype(F32) if offset is None else x.astype(F32) + offset
    return (y * scale).astype({1: jnp.float16, 27: jnp.bfloat16}[dst_type])


@op
def strided_slice(x, begin, end, strides, begin_mask=0, end_mask=0, **masks):
    if any(masks.values()):
        raise NotImplementedError("masks of axes")
    bounds = zip(begin, end, strides, strict=True)
    return x[tuple(
        slice(None if begin_mask >> i & 1 else b, None if end_mask >> i & 1 else e, s) for i, (b, e, s) in enumerate(bounds)
    )]  # fmt: skip


@op
def gather(x, index, dim=0):
    window = tuple(slice(None) if d == dim % x.ndim else slice(n) for d, n in enumerate(index.shape))
    return jnp.take_along_axis(x[window], index, axis=dim)


@op
def unsorted_segment_sum(data, ids, num_segments):
    return jax.ops.segment_sum(data, ids, num_segments)


@op
def moe_gating_top_k_softmax(x, finished=None, k=1):
    values, expert = lax.top_k(jax.nn.softmax(x, -1), k)
    return values, expert if finished is None else jnp.where(finished[..., None], x.shape[-1], expert)


@op
def gemm(a, b):
    return a @ b


def dot_i32(a, b):
    return jnp.matmul(a, b, preferred_element_type=jnp.int32)


@op
def quant_matmul(a, b, scale, offset=None, pertoken_scale=None, bias=None, output_dtype="float16"):
    y = dot_i32(a, b)
    if bias is not None and bias.dtype == jnp.int32:
        y, bias = y + bias, None
    y = y.astype(F32) * scale
    y = y if offset is None else y + offset
    y = y if pertoken_scale is None else y * pertoken_scale[:, None]
    return (y if bias is None else y + bias.astype(F32)).astype(output_dtype)


@op
def weight_quant_batch_matmul(x, w, scale, offset=None, bias=None):
    w = w.astype(x.dtype)
    y = x @ ((w if offset is None else w + offset) * scale)
    return y if bias is None else (y + bias).astype(x.dtype)


@op
def grouped_matmul(x, w, bias=None, group_list=(), split_item=0, transpose_weight=False):
    w = jnp.swapaxes(w, 1, 2) if transpose_weight else w
    parts = []
    for group, (start, stop) in enumerate(zip((0, *group_list), group_list, strict=False)):
        if start < stop:
            y = x[start:stop] @ w[group]
            parts.append(y if bias is None else y + bias[group].astype(x.dtype))
    return parts if split_item < 2 else jnp.concatenate(parts)


@op
def mha(q, k, v, scaleValue=-1.0, is_causal=False):
    """Attention of [batch, length, heads, width]; several heads of q may share one of k and v."""
    batch, length, heads, width = q.shape
    shared, keys = k.shape[2], k.shape[1]
    q = q.reshape(batch, length, shared, heads // shared, width)
    scores = jnp.einsum("bskgd,btkd->bkgst", q, k).astype(F32) * (scaleValue if scaleValue > 0 else width**-0.5)
    if is_causal:
        seen = jnp.arange(keys) <= jnp.arange(length)[:, None] + (keys - length)
        scores = jnp.where(seen, scores, -jnp.inf)
    weights = jax.nn.softmax(scores, -1).astype(q.dtype)
    return jnp.einsum("bkgst,btkd->bskgd", weights, v).reshape(batch, length, heads, -1)


@op
def mla(q, q_rope, k, k_rope, v, numKVHeads=1, scaleValue=-1.0, inputLayout="BSND", is_causal=False):
    joined = [jnp.concatenate(pair, -1) for pair in ((q, q_rope), (k, k_rope))]
    if inputLayout == "BSND":
        return mha(*joined, v, scaleValue, is_causal)
    swapped = (jnp.swapaxes(x, 1, 2) for x in (*joined, v))
    return jnp.swapaxes(mha(*swapped, scaleValue, is_causal), 1, 2)


@op
def depthwise_conv_2d(x, w, bias, stride, padding, dilation, groups, kernelSize=None):
    y = lax.conv_general_dilated(
        x, w[:, None], stride, [(p, p) for p in padding], rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )  # fmt: skip
    return y if bias is None else y + bias[:, None, None]


@op
def nll_loss(x, target, weight, reduction="mean", ignore_index=-100):
    known = target != ignore_index
    label = jnp.where(known, target, 0)
    weights = jnp.where(known, weight[label], 0)
    axis = min(x.ndim - 1, 1)
    losses = -jnp.take_along_axis(x, jnp.expand_dims(label, axis), axis).squeeze(axis) * weights
    total = weights.sum()
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / total}[reduction], total


@op
def batch_norm_grad_v3(grad, x, weight, running_mean, running_var, mean, invstd, is_training=True, epsilon=1e-5):
    axes = (0, *range(2, x.ndim))

    def channels(t):
        return t.astype(F32).reshape(-1, *[1] * (x.ndim - 2))

    g, y = grad.astype(F32), x.astype(F32)
    inverse = channels(invstd) if is_training else lax.rsqrt(channels(running_var) + epsilon)
    normal = (y - channels(mean if is_training else running_mean)) * inverse
    bias, scale = g.sum(axes), (g * normal).sum(axes)
    if is_training:
        g = g - (channels(bias) + normal * channels(scale)) / (x.size // x.shape[1])
    return (g * inverse * channels(weight)).astype(x.dtype), scale, bias


@op
def moe_re_routing(tokens, counts, scales=None, **types):
    """Tokens as they came, by rank and then expert, put in order of expert and then rank; counts is [ranks, experts]."""
    came = jnp.cumsum(counts.reshape(-1)).reshape(counts.shape) - counts
    sizes = counts.T.reshape(-1)
    go = jnp.cumsum(sizes) - sizes
    count = tokens.shape[0]
    index = jnp.arange(count) + jnp.repeat(came.T.reshape(-1) - go, sizes, total_repeat_length=count)
    return tokens[index], None if scales is None else scales[index], index, counts.sum(0)


@op
def moe_finalize_routing(rows, where, skip1=None, skip2=None, bias=None, scales=None, expert=None, drop_pad_mode=0):
    ways = 1 if scales is None else scales.shape[1]
    where = where.reshape(-1, ways) if drop_pad_mode >= 2 else where.reshape(ways, -1).T
    y = rows.reshape(-1, rows.shape[-1])[jnp.maximum(where, 0)].astype(F32)
    if bias is not None:
        y = y + bias[expert].astype(F32)
    if drop_pad_mode % 2:
        y = jnp.where((where >= 0)[..., None], y, 0)
    if scales is not None:
        y = y * scales[..., None].astype(F32)
    y = y.sum(1)
    return sum((s.astype(F32) for s in (skip1, skip2) if s is not None), y).astype(rows.dtype)


OPS["gqa"] = OPS["flash_attention"] = mha


def struct(text):
    """Return the operand that "f16[4,8]", a list of such, or None is."""
    if text is None or isinstance(text, list):
        return text and [struct(t) for t in text]
    kind, dims = re.fullmatch(r"(\w+)\[(.*)\]", text).groups()
    return jax.ShapeDtypeStruct(tuple(int(d) for d in dims.split(",") if d), TYPES[kind])


def simulate(row):
    """Return the estimate of a measured row."""
    operands = [struct(t) for t in row["in"]]
    given = [i for i, operand in enumerate(operands) if operand is not None]

    def run(*values):
        arguments = [None] * len(operands)
        for i, value in zip(given, values, strict=True):
            arguments[i] = value
        return OPS[row["op"]](*arguments, **row.get("attrs", {}))

    return estimate(run, *(operands[i] for i in given), target=TARGETS[row["chip"]])


def table(rows):
    """Return a table by chip and family of rows that have `simulated` beside `us`."""
    families = defaultdict(list)
    for row in rows:
        families[row["chip"], row["op"]].append(row)
    lines = [
        "| chip | op | rows | simulated / published | median error | within 25 % | below its bound |",
        "|---|---|---|---|---|---|---|",
    ]
    for (chip, name), family in [*sorted(families.items()), (("all", ""), rows)]:
        ratios = [row["simulated"] / row["us"] for row in family]
        error = median(max(r, 1 / r) - 1 for r in ratios)
        near = mean(abs(r - 1) <= 0.25 for r in ratios)
        below = sum(row["simulated"] < 0.999 * (row.get("t_hw") or 0) for row in family)
        ratio = math.exp(mean(map(math.log, ratios)))
        lines.append(f"| {chip} | {name} | {len(family)} | {ratio:.2f} | {error:.0%} | {near:.0%} | {below} |")
    return "\n".join(lines)


def write(page, tables):
    """Replace what stands between <!-- NAME --> and <!-- end --> for each named table."""
    text = page.read_text()
    for name, lines in tables.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
        assert pattern.search(text), f"{page} has no <!-- {name} -->"
        text = pattern.sub(lambda m, lines=lines: f"{m[1]}\n{lines}\n\n{m[2]}", text)
    page.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default=os.environ.get("SILICON_ROWS"), help="rows.json")
    parser.add_argument("--chip", default="910B2|950PR", help="a regular expression")
    parser.add_argument("--op", default="", help="a regular expression")
    parser.add_argument("--rows", action="store_true", help="print each row")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    options = parser.parse_args()
    if not options.data:
        parser.error("expected a file of measurements, or SILICON_ROWS to name one")
    rows, skipped = [], defaultdict(int)
    for row in json.loads(Path(options.data).read_text()):
        if (
            not re.fullmatch(options.chip, row["chip"])
            or not re.search(options.op, row["op"])
            or not row.get("judge", True)
        ):
            continue
        try:
            if row["op"] not in OPS:
                raise NotImplementedError("no such op here")
            row["simulated"] = simulate(row).seconds * 1e6
        except (NotImplementedError, TypeError, ValueError) as error:
            skipped[f"{row['op']}: {error}".splitlines()[0][:100]] += 1
            continue
        rows.append(row)
        if options.rows:
            print(f"{row['id']:40} published {row['us']:9.1f} us  simulated {row['simulated']:9.1f} us", flush=True)
    print(table(rows))
    for reason, count in skipped.items():
        print(f"not simulated: {count} of {reason}", file=sys.stderr)
    if options.write:
        write(options.write, {"families": table(rows), "published": published.table()})


if __name__ == "__main__":
    main()
