"""What changed between two estimates: two programs, two targets, or the same program compiled by two versions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .kernel_row import KernelRow, join_rows
from .views import short_line, si

if TYPE_CHECKING:
    from .estimation import Estimate


@dataclass(frozen=True)
class Change:
    """A kernel in both programs, or in one of them."""

    name: str
    before: KernelRow | None
    after: KernelRow | None

    @property
    def seconds(self) -> float:
        """By how much the program became longer because of it."""
        return (self.after.seconds if self.after else 0.0) - (self.before.seconds if self.before else 0.0)

    @property
    def why(self) -> str:
        """What is different, in words."""
        if self.before is None or self.after is None:
            return "only in the first" if self.after is None else "only in the second"
        found: list[str] = []
        if self.before.name != self.after.name:
            found.append(f"was {self.before.name}")
        if self.before.launches != self.after.launches:
            found.append(f"launches {self.before.launches} -> {self.after.launches}")
        if self.before.bound != self.after.bound:
            found.append(f"bound by {self.before.bound} -> {self.after.bound}")
        before, after = (r.hbm_bytes * r.launches for r in (self.before, self.after))
        if abs(after - before) > 0.02 * max(before, after):
            found.append(f"HBM {si(before, 'B')} -> {si(after, 'B')}")
        return "; ".join(found)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two estimates and their kernels side by side, largest change first."""

    before: Estimate
    after: Estimate
    changes: list[Change]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "before": {"program": self.before.name, "target": self.before.target.name, "seconds": self.before.seconds},
            "after": {"program": self.after.name, "target": self.after.target.name, "seconds": self.after.seconds},
            "changes": [
                {
                    "kernel": c.name,
                    "before": c.before.seconds if c.before else None,
                    "after": c.after.seconds if c.after else None,
                    "seconds": c.seconds,
                    "why": c.why,
                }
                for c in self.changes
            ],
        }

    def __repr__(self) -> str:
        a, b = self.before, self.after
        factor = a.seconds / b.seconds if b.seconds else float("inf")
        said = (
            f"{factor:.3g} times as fast"
            if factor >= 1
            else f"{1 / factor if factor else float('inf'):.3g} times as slow"
        )
        lines = [
            f"{a.name} on {a.target.name}: {si(a.seconds, 's')} -> {b.name} on {b.target.name}: {si(b.seconds, 's')}, {said}",
            f"{'before':>10} {'after':>10} {'change':>10}  kernel",
        ]
        for c in self.changes:
            before, after = (si(r.seconds, "s") if r else "" for r in (c.before, c.after))
            row = c.after or c.before
            where = f"  {short_line(row.line)}" if row and row.line else ""
            why = f"  {c.why}" if c.why else ""
            lines.append(f"{before:>10} {after:>10} {c.seconds * 1e6:+8.1f} us  {c.name}{where}{why}")
        return "\n".join(lines)


def compare(before: Estimate, after: Estimate) -> Comparison:
    """Pair kernels of one name; of those that are left, kernels of one line and kind of core that are alone there."""
    rows = [_by_name(e.kernels) for e in (before, after)]
    pairs = {name: (rows[0].get(name), rows[1].get(name)) for name in {**rows[0], **rows[1]}}
    left = [{_place(r): r for n, r in rows[i].items() if pairs[n][1 - i] is None and r.line} for i in (0, 1)]
    for place in left[0].keys() & left[1].keys():
        one, other = left[0][place], left[1][place]
        del pairs[one.name], pairs[other.name]
        pairs[other.name] = one, other
    changes = [Change(name, a, b) for name, (a, b) in pairs.items()]
    return Comparison(before, after, sorted(changes, key=lambda c: -abs(c.seconds)))


def _by_name(kernels: Sequence[KernelRow]) -> dict[str, KernelRow]:
    groups: dict[str, list[KernelRow]] = {}
    for row in kernels:
        groups.setdefault(row.name, []).append(row)
    return {name: join_rows(name, group) for name, group in groups.items()}


def _place(row: KernelRow) -> tuple[str, str, str]:
    """Return what two versions of a kernel share: line, scope, and what of its name is no number."""
    return row.line, row.scope, re.sub(r"\d+", "", row.name)
