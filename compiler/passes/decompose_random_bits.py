"""Counter-based random bits as elementwise integer ops.

    %state', %bits = rng_bit_generator(%state) algorithm=PHILOX    ->    iota, adds, multiplications, xors

Philox4x32-10 and Threefry2x32-20 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11), with the
state layouts and element orders XLA's backends use, found by comparing with XLA:CPU: key = state[0], counter =
state[1] with, for Philox, state[2] above it (state[0] again if the state has two words). DEFAULT is Philox.
"""

from __future__ import annotations

from math import prod

from ..graph.builder import Builder
from ..graph.graph import Op, TensorType, Value
from ..graph.module import Module
from ..graph.ops import BitcastConvert, RngBitGenerator
from ..graph.rewrite import rewrite
from ..isa.dtypes import DType

_PHILOX_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_PHILOX_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_THREEFRY_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_THREEFRY_PARITY = 0x1BD11BDA


def decompose_random_bits(module: Module, target: object) -> None:
    """Replace every RngBitGenerator, in place."""
    rewrite(module.main, _decompose)


def _decompose(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, RngBitGenerator):
        return None
    state, bits = op.operands[0], op.results[1].type
    words = _state_words(b, state)
    generate = _threefry_bits if op.algorithm == "THREE_FRY" else _philox_bits
    raw_dtype = DType.u64 if bits.dtype.bytes == 8 else DType.u32
    raw, used = generate(b, words, TensorType(bits.shape, raw_dtype))
    counter = b.binary("add", words[1], b.like(words[1], used))
    parts = [words[0], counter]
    if len(words) == 3:
        carry = b.convert(b.compare("LT", counter, words[1]), DType.u64)
        parts.append(b.binary("add", words[2], carry))
    new_state = b.concatenate([b.reshape(p, (1,)) for p in parts], 0)
    if state.dtype is DType.u32:
        new_state = _join_or_split(b, new_state, DType.u32, state.shape)
    return [new_state, _as_dtype(b, raw, bits.dtype)]


def _as_dtype(b: Builder, raw: Value, dtype: DType) -> Value:
    if dtype.bytes < raw.dtype.bytes:
        raw = b.convert(raw, DType.u8 if dtype.bytes == 1 else DType.u16)
    return b.bitcast(raw, dtype)


def _join_or_split(b: Builder, x: Value, dtype: DType, shape: tuple[int, ...]) -> Value:
    return b.reshape(b.emit(BitcastConvert([x]), TensorType((x.shape[0], 2), dtype)), shape)


def _state_words(b: Builder, state: Value) -> list[Value]:
    """Return the state's u64 words as scalars."""
    if state.dtype is DType.u32:
        pairs = b.reshape(state, (state.shape[0] // 2, 2))
        state = b.emit(BitcastConvert([pairs]), TensorType((state.shape[0] // 2,), DType.u64))
    return [b.reshape(b.slice_dim(state, 0, i, i + 1), ()) for i in range(state.shape[0])]


def _halves(b: Builder, x: Value) -> tuple[Value, Value]:
    """Return the low and high u32 of a u64."""
    return b.convert(x, DType.u32), b.convert(b.binary("shr_logical", x, b.like(x, 32)), DType.u32)


def _join(b: Builder, low: Value, high: Value) -> Value:
    low, high = b.convert(low, DType.u64), b.convert(high, DType.u64)
    return b.binary("or", low, b.binary("shl", high, b.like(high, 32)))


def _counters(b: Builder, start: Value, count: int) -> Value:
    return b.binary("add", b.iota((count,), 0, DType.u64), b.broadcast(start, (count,)))


def _philox_bits(b: Builder, words: list[Value], bits: TensorType) -> tuple[Value, int]:
    """Return random bits of a type and how far the counter moves: four u32 per counter, in order."""
    count = bits.size * (2 if bits.dtype is DType.u64 else 1)
    vectors = -(-count // 4)
    shape = (vectors,)
    low = _counters(b, words[1], vectors)
    carry = b.convert(b.compare("LT", low, b.broadcast(words[1], shape)), DType.u64)
    high = b.binary("add", b.broadcast(words[2] if len(words) == 3 else words[0], shape), carry)
    x = [*_halves(b, low), *_halves(b, high)]
    key = [b.broadcast(k, shape) for k in _halves(b, words[0])]
    for _ in range(10):
        (low0, high0), (low1, high1) = (
            _halves(b, b.binary("mul", b.convert(x[2 * i], DType.u64), b.constant(m, low.type)))
            for i, m in enumerate(_PHILOX_MULTIPLIERS)
        )
        x = [
            b.binary("xor", b.binary("xor", high1, x[1]), key[0]),
            low1,
            b.binary("xor", b.binary("xor", high0, x[3]), key[1]),
            low0,
        ]
        key = [b.binary("add", k, b.like(k, step)) for k, step in zip(key, _PHILOX_KEY_STEPS)]
    columns = x if bits.dtype is DType.u32 else [_join(b, x[0], x[1]), _join(b, x[2], x[3])]
    flat = b.concatenate([b.reshape(c, (vectors, 1)) for c in columns], 1)
    flat = b.slice_dim(b.reshape(flat, (flat.type.size,)), 0, 0, bits.size)
    return b.reshape(flat, bits.shape), vectors


def _threefry_bits(b: Builder, words: list[Value], bits: TensorType) -> tuple[Value, int]:
    """Return random bits of a type and how far the counter moves: two u32 per counter.

    For u32 the two words of a counter are neighbours along the first dimension of even size. If all are odd, that is the
    first of the largest ones, made longer by one and cut again.
    """
    if bits.dtype is DType.u64:
        x = _threefry(b, words[0], _counters(b, words[1], bits.size))
        return b.reshape(_join(b, *x), bits.shape), bits.size
    shape = bits.shape or (1,)
    largest = max(range(len(shape)), key=shape.__getitem__)
    split = next((d for d, n in enumerate(shape) if n % 2 == 0), largest)
    outer, pairs, inner = shape[:split], -(-shape[split] // 2), shape[split + 1 :]
    count = prod((*outer, pairs, *inner))
    x = _threefry(b, words[0], _counters(b, words[1], count))
    both = b.concatenate([b.reshape(v, (*outer, pairs, 1, *inner)) for v in x], split + 1)
    both = b.reshape(both, (*outer, 2 * pairs, *inner))
    return b.reshape(b.slice_dim(both, split, 0, shape[split]), bits.shape), count


def _threefry(b: Builder, key: Value, counter: Value) -> tuple[Value, Value]:
    """Return the two words Threefry2x32-20 makes of each counter."""
    x0, x1 = _halves(b, counter)
    k0, k1 = _halves(b, key)
    k2 = b.binary("xor", b.binary("xor", k0, k1), b.like(k0, _THREEFRY_PARITY))
    keys = [b.broadcast(k, counter.shape) for k in (k0, k1, k2)]
    x0, x1 = b.binary("add", x0, keys[0]), b.binary("add", x1, keys[1])
    for group in range(5):
        for distance in _THREEFRY_ROTATIONS[group % 2]:
            x0 = b.binary("add", x0, x1)
            left = b.binary("shl", x1, b.like(x1, distance))
            right = b.binary("shr_logical", x1, b.like(x1, 32 - distance))
            x1 = b.binary("xor", b.binary("or", left, right), x0)
        x0 = b.binary("add", x0, keys[(group + 1) % 3])
        x1 = b.binary("add", x1, b.binary("add", keys[(group + 2) % 3], b.like(x1, group + 1)))
    return x0, x1
