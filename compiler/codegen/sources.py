"""Where the ops of a step come from: what leads a kernel back to the lines of the user's program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..graph.graph import Op
from ..graph.location import Location, distinct
from ..graph.ops import Constant, Convolution, Dot, Reduce


def sources_of(ops: Iterable[Op]) -> tuple[Location, ...]:
    """Return the distinct locations of ops, those of their regions included.

    First is the one that stands for all: of the first product or convolution, else of the last reduction, else of the last op.
    """
    found = [op for op in _walk(ops) if op.loc and not isinstance(op, Constant)]
    if not found:
        return ()
    product = next((op for op in found if isinstance(op, (Dot, Convolution))), None)
    reduction = next((op for op in reversed(found) if isinstance(op, Reduce)), None)
    main = product or reduction or found[-1]
    return distinct([main.loc, *(op.loc for op in found)])


def _walk(ops: Iterable[Op]) -> Iterator[Op]:
    for op in ops:
        yield op
        for region in op.regions():
            yield from region.walk()
