"""Which keys a mask lets a tile of rows see, where iotas say so: what lies outside is never computed.

    select(k <= q + 3, x, -inf)                          keys up to q + 3
    select(k <= q and k > q - 256 and seen, x, -inf)     keys from q - 255 to q

A key that the mask hides has the weight exp(fill - maximum) = 0. For a fill of -inf that is certain: a row that sees nothing
is 0 / 0 either way. For another, far below every score, it takes a key that each row does see; that is known if the mask is
nothing but one comparison with an iota.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from ...graph.ops import Binary, Compare, Select, Unary
from ..cube.groups import Group
from ..vector.nodes import Node, reachable
from .softmax import Softmax, replaced

_FAR_BELOW = -1e30  # no score that was not overflowing comes near; the fills of JAX's libraries are below


@dataclass(frozen=True)
class Bound:
    """A key is seen only if constant + sum of coefficients[axis] * index >= 0; the key's own coefficient is 1 or -1."""

    coefficients: dict[int, int]
    constant: int

    def extreme(self, groups: Group, largest: bool) -> int:
        """Return the largest or the smallest value over whole dimensions."""
        return self.constant + sum(
            max(0, c * (d.size - 1)) if largest else min(0, c * (d.size - 1))
            for d in groups
            if (c := self.coefficients.get(d.axis, 0))
        )


@dataclass(eq=False)
class Visibility:
    """Bounds that all keys of a row lie within, and the scores without the mask if it is but the one bound `last`."""

    first: list[Bound]  # coefficient of the key 1
    last: list[Bound]  # -1
    unmasked: Softmax | None  # for keys that one bound of `last` shows to all rows of a tile


def read_visibility(softmax: Softmax, rows: Group, keys: Group) -> Visibility | None:
    """Return what a softmax's mask says, or None if it says nothing certain; `rows` are batch and row dimensions."""
    scores = softmax.bounded
    if not isinstance(scores.op, Select) or scores not in softmax.exponent.operands[0].operands[:1]:
        return None
    mask, seen, fill = scores.operands
    if fill.kind != "const" or not float(fill.value) <= _FAR_BELOW:
        return None
    parts = _conjunction(mask)
    (key,) = keys
    bounds = [b for part in parts if (b := _bound(part)) and abs(b.coefficients.get(key.axis, 0)) == 1]
    only = len(parts) == len(bounds) == 1
    if not bounds:
        return None
    best_key = max(0, (key.size - 1) * bounds[0].coefficients[key.axis])
    if float(fill.value) != -inf and (not only or bounds[0].extreme(rows, False) + best_key < 0):
        return None  # some row may see no key at all: its weights are even over all
    first = [b for b in bounds if b.coefficients[key.axis] == 1]
    last = [b for b in bounds if b.coefficients[key.axis] == -1]
    unmasked = softmax.replaced(scores, seen) if only and last else None
    return Visibility(first, last, unmasked)


@dataclass(eq=False)
class Hidden:
    """A bound outside of which factors are 0, and what stands for them where it shows all: the same without the mask."""

    bound: Bound
    unmasked: dict[Node, Node]


def read_hidden(factors: list[Node], rows: Group, keys: Group) -> Hidden | None:
    """Return where products need not look: what a mask makes 0 in all factors; None if it says nothing certain.

    Each row has to see a key: one that sees none is 0 / 0, and so is every product over the rows.
    """
    (key,) = keys
    for mask in dict.fromkeys(n.operands[0] for n in reachable(factors) if isinstance(n.op, Select)):
        parts = _conjunction(mask)
        bounds = [b for part in parts if (b := _bound(part)) and abs(b.coefficients.get(key.axis, 0)) == 1]
        if len(parts) != 1 or len(bounds) != 1 or not all(_vanishes(f, mask) for f in factors):
            continue
        (bound,) = bounds
        if bound.extreme(rows, False) + max(0, (key.size - 1) * bound.coefficients[key.axis]) < 0:
            continue
        shown = {n: n.operands[1] for n in reachable(factors) if isinstance(n.op, Select) and n.operands[0] is mask}
        return Hidden(bound, replaced(factors, shown))
    return None


def _vanishes(node: Node, mask: Node) -> bool:
    """Whether a node is 0 where a mask hides, given that what the mask shows of a row has a finite maximum."""
    op, operands = node.op, node.operands
    if node.kind == "const":
        return node.value == 0
    if node.kind == "cvt":
        return _vanishes(operands[0], mask)
    if isinstance(op, Select):
        return operands[0] is mask and _vanishes(operands[2], mask)
    if isinstance(op, Binary) and op.kind in ("mul", "div"):
        return any(_vanishes(x, mask) for x in operands[: 1 if op.kind == "div" else 2])
    if isinstance(op, Binary) and op.kind in ("add", "sub"):
        return all(_vanishes(x, mask) for x in operands)
    if isinstance(op, Unary) and op.kind == "neg":
        return _vanishes(operands[0], mask)
    if isinstance(op, Unary) and op.kind == "exp":
        (difference,) = operands
        shift = isinstance(difference.op, Binary) and difference.op.kind == "sub"
        return shift and _is_far_below(difference.operands[0], mask)
    return False


def _is_far_below(node: Node, mask: Node) -> bool:
    if node.kind == "cvt":
        return _is_far_below(node.operands[0], mask)
    if not isinstance(node.op, Select) or node.operands[0] is not mask:
        return False
    fill = node.operands[2]
    return fill.kind == "const" and float(fill.value) <= _FAR_BELOW


def _conjunction(mask: Node) -> list[Node]:
    if isinstance(mask.op, Binary) and mask.op.kind == "and":
        return [part for o in mask.operands for part in _conjunction(o)]
    return [mask]


def _bound(node: Node) -> Bound | None:
    if not isinstance(node.op, Compare) or node.op.direction not in ("LT", "LE", "GT", "GE"):
        return None
    left, right = map(_linear, node.operands)
    if left is None or right is None:
        return None
    if node.op.direction[0] == "L":  # left <= right: right - left >= 0
        left, right = right, left
    difference = {a: left[0].get(a, 0) - right[0].get(a, 0) for a in {*left[0], *right[0]}}
    return Bound({a: c for a, c in difference.items() if c}, left[1] - right[1] - (node.op.direction[1] == "T"))


def _linear(node: Node) -> tuple[dict[int, int], int] | None:
    """Return an integer node as coefficients by axis and a constant, or None."""
    if not node.dtype.is_integer:
        return None
    if node.kind == "const":
        return {}, int(node.value)
    if node.kind == "iota":
        return dict(node.coefficients), 0
    if isinstance(node.op, Binary) and node.op.kind in ("add", "sub"):
        left, right = map(_linear, node.operands)
        if left is None or right is None:
            return None
        sign = 1 if node.op.kind == "add" else -1
        coefficients = dict(left[0])
        for axis, c in right[0].items():
            coefficients[axis] = coefficients.get(axis, 0) + sign * c
        return coefficients, left[1] + sign * right[1]
    return None
