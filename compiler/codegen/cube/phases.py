"""A correlation over a dilated map as several over the map itself.

Positions `p` of an axis with map dilation d meet elements of the map only under the taps t with
(p + t * dilation - low) divisible by d. All positions of one remainder modulo d share those taps, so each remainder is
a correlation of its own that multiplies no gaps: the input gradient of a convolution of stride 2 is four, together of a
quarter of the work. They write interleaved parts of one result.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import gcd

from .correlation import Axis, Correlation

_MOST_PHASES = 16


def split_phases(p: Correlation) -> list[Correlation]:
    """Return correlations without map dilation that compute `p` together, or just `p`."""
    gaps = [a for a in p.axes if a.map_dilation > 1]
    if not gaps or p.contract_positions or any(a.stride > 1 for a in gaps):
        return [p]
    choices = [[(a, 0, 0)] if a.map_dilation == 1 else _phases(a) for a in p.axes]
    chosen = list(product(*choices))
    if len(chosen) > _MOST_PHASES:
        return [p]
    parts: list[Correlation] = []
    for combination in chosen:
        other = p.other.offset + sum(tap for _, _, tap in combination)
        out = p.out.offset + sum(position for _, position, _ in combination)
        parts.append(
            replace(
                p,
                axes=tuple(axis for axis, _, _ in combination),
                other=replace(p.other, offset=other),
                out=replace(p.out, offset=out),
            )
        )
    return parts


def _phases(a: Axis) -> list[tuple[Axis, int, int]]:
    """Return the axis per remainder of positions, and the offsets of its first position and first tap."""
    d, found = a.map_dilation, list[tuple[Axis, int, int]]()
    period = d // gcd(a.dilation, d)
    for r in range(min(d, a.positions)):
        positions = -(-(a.positions - r) // d)
        first = next((t for t in range(min(period, a.taps)) if (r + t * a.dilation - a.low) % d == 0), None)
        if first is None:  # no tap meets an element: one tap, all of whose elements are padding
            axis = replace(a, taps=1, dilation=1, low=positions, tap_stride=0)
            first = 0
        else:
            taps = -(-(a.taps - first) // period)
            low = -(r + first * a.dilation - a.low) // d
            dilation = a.dilation * period // d
            axis = replace(a, taps=taps, dilation=dilation, low=low, tap_stride=a.tap_stride * period)
        axis = replace(axis, positions=positions, map_dilation=1, position_stride=a.position_stride * d)
        found.append((axis, r * a.position_stride, first * a.tap_stride))
    return found
