"""The softmax in an expression over scores, proven node by node, so that it can be computed a block of keys at a time.

    w = select(keep, exp(t - max u) / sum exp(t - max u), 0) * 1.25     ->     weight = select(keep, e, 0) * 1.25
                                                                               e = exp(t - max u), divided by sum e at last

What is proven: the weights are linear in e and divided by the row's sum of what is linear in e, and nothing else depends on
the row's maximum. Then rows may be summed up under a maximum that still grows: if it grows by d, all sums so far shrink by
exp(-d) (online softmax: Milakov and Gimelshein, 2018).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...graph.ops import Binary, Reduce, Select, Unary
from ..vector.nodes import Node, reachable


@dataclass(eq=False)
class Softmax:
    """The nodes of a softmax over rows of scores.

    maximum: the row maximum, of `bounded`; exponent: the exponential under it; total: the row sum, of `summed`; weight: the row's weights before their division by
    `total`. `summed` and `weight` are linear in the exponent.
    """

    maximum: Node
    exponent: Node
    total: Node
    weight: Node

    @property
    def bounded(self) -> Node:
        """What the maximum is of."""
        return self.maximum.operands[0]

    @property
    def shift(self) -> Node:
        """What the exponent subtracts: the maximum, or that rounded."""
        return self.exponent.operands[0].operands[1]

    @property
    def summed(self) -> Node:
        """What the total is of."""
        return self.total.operands[0]

    @property
    def nodes(self) -> list[Node]:
        """All nodes, operands first."""
        return reachable([self.bounded, self.summed, self.weight])

    def replaced(self, old: Node, new: Node) -> Softmax:
        """Return the softmax with one node in place of another."""
        made = replaced([self.maximum, self.total, self.weight], {old: new})
        return Softmax(*(made.get(n, n) for n in (self.maximum, self.exponent, self.total, self.weight)))


def replaced(roots: list[Node], made: dict[Node, Node]) -> dict[Node, Node]:
    """Return `made`, nodes by those they stand for, with all between them and the roots."""
    for n in reachable(roots):
        if n in made:
            made[n] = made.get(made[n], made[n])
        elif any(made.get(o, o) is not o for o in n.operands):
            operands = tuple(made.get(o, o) for o in n.operands)
            axes = frozenset[int]().union(*(o.axes for o in operands)) - n.reduced
            made[n] = replace(n, operands=operands, axes=axes)
    return made


def read_softmax(root: Node, keys: frozenset[int]) -> Softmax | None:
    """Return `root` as the weights of a softmax along the axes `keys`, or None if it is not proven to be one."""
    nodes = reachable([root])
    reduced = {n: n.op.kind for n in nodes if isinstance(n.op, Reduce) and n.kind == "reduce"}
    if sorted(reduced.values()) != ["add", "max"] or sum(bool(n.reduced) for n in nodes) != 2:
        return None
    maximum, total = (next(n for n, kind in reduced.items() if kind == wanted) for wanted in ("max", "add"))
    if maximum.reduced != keys or total.reduced != keys or maximum.dtype.bytes != 4 or total.dtype.bytes != 4:
        return None
    exponent = next((n for n in reachable([total]) if _is_shifted_exp(n, maximum)), None)
    if exponent is None:
        return None
    on_maximum, on_exponent, on_total = (_depending(nodes, n) for n in (maximum, exponent, total))
    (shifted,) = exponent.operands
    if shifted.operands[1].dtype is not maximum.dtype:
        return None
    if shifted.operands[0] in on_maximum or maximum.operands[0] in on_total:
        return None
    # Nothing but the exponent may know of the maximum.
    rounded = {n for n in nodes if _unrounded(n) is maximum}
    if any(n is not shifted and n not in rounded and not rounded.isdisjoint(n.operands) for n in nodes):
        return None
    if any(shifted in n.operands and n is not exponent for n in nodes):
        return None
    if not _is_linear(total.operands[0], on_exponent, exponent):
        return None
    weight = _without(root, total, on_total)
    if weight is None or not _is_linear(weight, _depending(reachable([weight]), exponent), exponent):
        return None
    return Softmax(maximum, exponent, total, weight)


def _is_shifted_exp(n: Node, maximum: Node) -> bool:
    if not (isinstance(n.op, Unary) and n.op.kind == "exp"):
        return False
    (x,) = n.operands
    return isinstance(x.op, Binary) and x.op.kind == "sub" and _unrounded(x.operands[1]) is maximum


def _unrounded(node: Node) -> Node:
    """Return what a node is but for conversions between floats, which only round."""
    while node.kind == "cvt" and node.dtype.is_float and node.operands[0].dtype.is_float:
        (node,) = node.operands
    return node


def _depending(nodes: list[Node], on: Node) -> set[Node]:
    """Return the nodes, given operands first, that depend on one of them, itself included."""
    found = {on}
    for n in nodes:
        if any(o in found for o in n.operands):
            found.add(n)
    return found


def _is_linear(node: Node, depending: set[Node], base: Node) -> bool:
    """Whether node = factor * base, where the factor does not depend on the base, up to rounding."""
    while node is not base:
        on = [o in depending for o in node.operands]
        if not any(on):
            return False
        if node.kind == "cvt":
            (node,) = node.operands
            if not node.dtype.is_float:
                return False
        elif isinstance(node.op, Binary) and node.op.kind in ("mul", "div"):
            if all(on) or (node.op.kind == "div" and on[1]):
                return False
            node = node.operands[on.index(True)]
        elif isinstance(node.op, Select):
            if on[0] or (on[1] and on[2]):
                return False
            other = node.operands[1 if on[2] else 2]
            if other.kind != "const" or other.value != 0:
                return False
            node = node.operands[1 if on[1] else 2]
        else:
            return False
    return True


def _without(node: Node, total: Node, depending: set[Node]) -> Node | None:
    """Return a node with its one division by `total` left out, or None if it is not divided so, and once."""
    if node not in depending:
        return None
    if isinstance(node.op, Binary) and node.op.kind == "div" and _unrounded(node.operands[1]) is total:
        return None if node.operands[0] in depending else node.operands[0]
    on = [o in depending for o in node.operands]
    allowed = node.kind == "cvt" or isinstance(node.op, Select) or (
        isinstance(node.op, Binary) and node.op.kind in ("mul", "div")
    )  # fmt: skip
    if sum(on) != 1 or not allowed or (isinstance(node.op, Binary) and node.op.kind == "div" and on[1]):
        return None
    at = on.index(True)
    inner = _without(node.operands[at], total, depending)
    if inner is None:
        return None
    if isinstance(node.op, Binary) and node.op.kind == "mul" and inner.kind == "const" and inner.value == 1:
        return node.operands[1 - at]  # e * (1 / total)
    operands = (*node.operands[:at], inner, *node.operands[at + 1 :])
    return Node(node.kind, node.dtype, operands, frozenset[int]().union(*(o.axes for o in operands)), node.op)
