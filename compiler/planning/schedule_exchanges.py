"""Regions in an order in which exchanges between devices have something beside them.

    dw = x.T @ dy;  dx = dy @ w.T;  s = all_reduce(dx);  t = tanh(s)
        ->  dx = dy @ w.T;  s = all_reduce(dx);  dw = x.T @ dy;  t = tanh(s)

The links of a device work while its cores compute (jax_ascend/program_clock.py): an exchange starts where it stands, and what
needs it waits. So an exchange stands where its operands are there, what it needs comes early, what needs it late. Regions are
taken one after the other, by an estimate of when each could start; what does more than to give results, and loops and
branches, stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..cost_estimate import Estimator
from ..fusion.region import Region
from ..graph.graph import Value
from ..graph.ops.collectives import Collective
from ..targets import Target
from .schedule import Branches, Item, Loop, Schedule

_WINDOW = 64  # regions that may be passed by: what is computed earlier takes memory earlier
_IN_FLIGHT = 1 / 32  # of a device's memory, that results of exchanges may take which nobody has read yet


def schedule_exchanges(schedule: Schedule, target: Target) -> None:
    """Order the regions of a schedule and of those in it, in place."""
    items: list[Item] = []
    movable: list[Region] = []
    for item in schedule.items:
        if isinstance(item, Region) and item.kind != "host" and not any(op.has_effect for op in item.ops):
            movable.append(item)
            continue
        items += _ordered(movable, target)
        movable = []
        items.append(item)
        if isinstance(item, (Loop, Branches)):
            for part in item.parts:
                schedule_exchanges(part, target)
    schedule.items = [*items, *_ordered(movable, target)]


def _ordered(regions: Sequence[Region], target: Target) -> Sequence[Region]:
    """Return the regions in the order in which they are best computed."""
    if not any(region.kind == "collective" for region in regions):
        return regions
    return _Ordering(regions, target).run()


class _Ordering:
    def __init__(self, regions: Sequence[Region], target: Target) -> None:
        self.regions = regions
        estimator = Estimator(target)
        exchanges = [estimator.exchange(op) if isinstance(op := r.ops[0], Collective) else None for r in regions]
        self.on_links = [None if e is None or e.on_cores else e for e in exchanges]
        self.seconds = [0.0 if e else estimator.region(r) for r, e in zip(regions, self.on_links)]
        maker = {v: i for i, r in enumerate(regions) for v in r.outputs}
        self.needs = [{maker[v] for v in r.inputs if v in maker} for r in regions]
        self.readers: dict[Value, int] = {}  # of what exchanges give: how many there are yet
        for region in regions:
            for value in region.inputs:
                self.readers[value] = self.readers.get(value, 0) + 1
        self.leads_to = self._leads_to()
        self.most_in_flight = target.hbm_bytes * _IN_FLIGHT

    def _leads_to(self) -> list[int]:
        """Return for each region the first exchange that needs it, by number; a number beyond all if there is none."""
        beyond = len(self.regions) + _WINDOW
        first = [beyond] * len(self.regions)
        for i in reversed(range(len(self.regions))):
            if self.on_links[i]:
                first[i] = i
            for j in self.needs[i]:
                first[j] = min(first[j], first[i])
        return first

    def run(self) -> list[Region]:
        left = list(range(len(self.regions)))
        missing = [len(n) for n in self.needs]
        needed_by: list[list[int]] = [[] for _ in self.regions]
        for i, needs in enumerate(self.needs):
            for j in needs:
                needed_by[j].append(i)
        ready = [0.0] * len(self.regions)  # when what a region needs is there
        cores = links = 0.0  # when they are free
        in_flight = 0
        order: list[Region] = []
        while left:
            candidates = [i for i in left[:_WINDOW] if not missing[i]]
            open_exchanges = [
                i for i in candidates if self.on_links[i] and (in_flight < self.most_in_flight or i == left[0])
            ]
            if open_exchanges:
                chosen = open_exchanges[0]
                time = self.on_links[chosen]
                assert time is not None
                end = links = max(max(cores, ready[chosen]) + time.start, links) + time.links + time.network
                in_flight += sum(v.type.bytes for v in self.regions[chosen].outputs if self.readers.get(v))
            else:
                horizon = left[0] + _WINDOW
                computing = [i for i in candidates if not self.on_links[i]] or candidates[:1]

                def key(i: int, cores: float = cores, horizon: int = horizon) -> tuple[float, int, int]:
                    return max(cores, ready[i]), min(self.leads_to[i], horizon), i

                chosen = min(computing, key=key)
                end = cores = max(cores, ready[chosen]) + self.seconds[chosen]
            left.remove(chosen)
            order.append(self.regions[chosen])
            for i in needed_by[chosen]:
                missing[i] -= 1
                ready[i] = max(ready[i], end)
            for value in self.regions[chosen].inputs:
                self.readers[value] -= 1
                if not self.readers[value] and value.producer is not None and isinstance(value.producer, Collective):
                    in_flight -= value.type.bytes
        return order
