"""Groups the ops of a graph into regions, each of which becomes one kernel (or a few), in an order that can run.

    dot -> add bias -> gelu -> convert     ->   cube region
    max, sub, exp, sum, div                ->   vector region (softmax)
    mul, add, mul, sqrt, ... (Adam)        ->   vector region with three outputs

Ops are taken in execution order. Cheap ones (views, broadcasts, iotas, widening converts, masks) float: whoever uses
them computes them again. Any other op starts a cluster and pulls in the clusters that make its operands where the
merged one is still one loop nest: axes agree (fusion/vector_dims.py), enough blocks stay parallel, and no cycle arises.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from math import prod

from ..codegen.cube.dot import LAYOUT_OPS, apply_layout, whole
from ..codegen.cube.read_region import carried_ops
from ..codegen.indexing import AICPU_OPS, INDEXING_OPS
from ..graph.builder import is_splat
from ..graph.graph import Graph, Op, Value
from ..graph.ops import (
    ArgReduce,
    Binary,
    BitcastConvert,
    BroadcastInDim,
    Case,
    Collective,
    Compare,
    Concatenate,
    Constant,
    Convert,
    Convolution,
    Dot,
    DynamicSlice,
    GatherSlices,
    HostCall,
    Iota,
    Pad,
    PartitionId,
    Reduce,
    ReplicaId,
    Reshape,
    Reverse,
    Select,
    Slice,
    Transpose,
    Unary,
    While,
)
from ..targets import Target
from ..tiling.vector_plan import BLOCK_RUN
from .attach_attention import attach_attention
from .attach_epilogues import attach_epilogues
from .attach_prologues import attach_prologues
from .cluster_graph import Cluster, ClusterGraph
from .find_gradients import GradientOps, find_gradients, in_order
from .region import Region
from .vector_axes import Axes
from .vector_dims import ELEMENTWISE, RegionDims

_VIEWS = (BroadcastInDim, Reshape, Transpose, Slice, Reverse, DynamicSlice)
_STORED_ONCE = (Transpose, Slice, Reverse, DynamicSlice, Convert)  # once in memory, read from there
_SMALL_WORK = 8192  # elements that one block may compute alone
_WORK_PER_BLOCK = 4096  # elements that keep a block busy
_MOST_INPUTS = 48
_MOST_OPS = 2048  # of a cluster: allocation and flags look at pairs of a kernel's tiles
_CHEAP_CHAIN = 8  # ops of a mask or scalar that are computed again rather than stored
_RETURN = Op([])  # stands for the graph's return among the users of a value


def fuse_regions(
    graph: Graph, target: Target, captured: dict[Op, list[Value]], effects: AbstractSet[Op] = frozenset()
) -> list[Region]:
    """Return the regions of `graph` in execution order; graphs inside control flow are left alone.

    `captured` has the outer values that each op with graphs inside uses (captured_values), `effects` the ops that keep their
    order among each other (ops_with_effects).
    """
    return _Fusion(graph, target, captured, effects).run()


class _Fusion:
    def __init__(self, graph: Graph, target: Target, captured: dict[Op, list[Value]], effects: AbstractSet[Op]):
        self.graph, self.target, self.captured, self.effects = graph, target, captured, effects
        self.last_effect: Cluster | None = None
        self.axes = Axes()
        self.clusters = ClusterGraph()
        self.home: dict[Value, Cluster] = {}
        self.floating: dict[Op, int] = {}  # op -> ops it takes to compute it from values in memory
        self.users = graph.users(captured)
        for value in graph.results:
            self.users.setdefault(value, []).append(_RETURN)
        gradients = find_gradients(graph, self.users, target)
        self.order = graph.ops
        while gradients:
            order = in_order(graph, gradients, captured, effects)
            if order is not None:
                self.order = order
                break
            gradients.pop()  # two wait for each other
        self.position = {op: i for i, op in enumerate(self.order)}
        self.gradients = {max(g.own, key=self.position.__getitem__): g for g in gradients}
        self.absorbed: set[Op] = {op for g in gradients for op in g.own}  # by a gradient or a contraction before them
        self.with_product = _computed_with_products(graph)
        self.scalars: Cluster | None = None  # last cluster of scalar ops
        self.readers: dict[Value, Cluster] = {}  # last open cluster that reads a value elementwise

    def run(self) -> list[Region]:
        """Cluster all ops, then cut the regions."""
        for op in self.order:
            if op in self.gradients:
                self._gradient(self.gradients[op])
            if op in self.absorbed or self._floats(op):
                continue
            if isinstance(op, (While, Case, HostCall)):
                self._in_turn(self._alone("host" if isinstance(op, HostCall) else "control", op), op)
            elif isinstance(op, (Collective, PartitionId, ReplicaId)):
                self._alone("collective", op)
            elif isinstance(op, (Dot, Convolution)):
                self._cube(op)
            elif isinstance(op, GatherSlices) and self._is_part_of_an_expression(op):
                self._vector(op)
            elif isinstance(op, INDEXING_OPS):
                self._alone("indexing", op)
            elif isinstance(op, AICPU_OPS):
                self._alone("aicpu", op)
            elif (isinstance(op, (*ELEMENTWISE, Reduce, ArgReduce)) or _same_width(op)) and not _is_empty(op):
                self._vector(op)
            else:
                self._alone("vector", op)
        for value in self.graph.results:
            self._need(value)
        attach_attention(self.clusters, self.home, self.graph.results, self.position)
        attach_prologues(self.clusters, self.home, self.graph.results, self.position)
        attach_epilogues(self.clusters, self.home, self.graph.results, self.position)
        return self._regions()

    # --- floating ops ---

    def _floats(self, op: Op) -> bool:
        """Whether an op is computed again by each user; remembers so."""
        cost = 1 + sum(self.floating.get(v.producer, 0) for v in op.operands if v.producer is not None)
        if isinstance(op, Constant):
            if op.splat is not None:
                self.floating[op] = 0
            return True
        if isinstance(op, (Iota, *_VIEWS)):
            self.floating[op] = cost
            return True
        if isinstance(op, Convert):
            x, y = op.operands[0].dtype, op.results[0].dtype
            if y.bytes > x.bytes and not (x.is_float and y.is_integer):
                self.floating[op] = cost
                return True
        derived = isinstance(op, (Unary, Binary, Compare, Select, Convert)) and all(
            isinstance(v.producer, Op) and v.producer in self.floating and not self._anchors(v) for v in op.operands
        )
        if derived and cost <= _CHEAP_CHAIN:
            self.floating[op] = cost
            return True
        return False

    def _anchors(self, value: Value) -> bool:
        """Whether a floating value is computed from anything but constants and iotas."""
        seen = [value]
        while seen:
            op = seen.pop().producer
            if op is None or op not in self.floating:
                return True
            if isinstance(op, (Slice, Reverse, DynamicSlice)):
                return True  # a view of a computed value needs it in memory
            seen += op.operands
        return False

    def _pulled(self, operands: Iterable[Value]) -> list[Op]:
        """Return the floating ops behind operands, in execution order."""
        found: dict[Op, None] = {}
        stack = list(operands)
        while stack:
            value = stack.pop()
            op = value.producer
            if op is None or op in found or op not in self.floating:
                continue
            if value in self.home and isinstance(op, _STORED_ONCE):
                continue
            found[op] = None
            if isinstance(op, DynamicSlice):
                stack.append(op.operands[0])
            else:
                stack += op.operands
        return sorted(found, key=self.position.__getitem__)

    def _need(self, value: Value) -> None:
        """Make sure a value is computed by some region, as something outside vector kernels reads it."""
        op = value.producer
        if op is None or value in self.home or op not in self.floating or isinstance(op, Constant):
            return
        self._vector(op)

    # --- clusters ---

    def _external(self, ops: Iterable[Op]) -> list[Value]:
        """Return what ops read and do not make, splat constants excluded."""
        made = {r for op in ops for r in op.results}
        read = dict.fromkeys(v for op in ops for v in (*op.operands, *self.captured.get(op, ())) if v not in made)
        return [v for v in read if not is_splat(v)]

    def _alone(self, kind: str, op: Op) -> Cluster:
        ops: list[Op] = []
        if isinstance(op, (Concatenate, Pad)):
            ops = [o for o in self._pulled(op.operands) if isinstance(o, (*_VIEWS, Constant, Iota, Convert))]
            ops = self._closed(ops)
        ops.append(op)
        return self._close(kind, ops)

    def _in_turn(self, c: Cluster, op: Op) -> None:
        """Let an op that has an effect come after the one before it."""
        if op in self.effects:
            if self.last_effect is not None:
                self.clusters.depend(c, self.last_effect)
            self.last_effect = c

    def _closed(self, ops: list[Op]) -> list[Op]:
        """Keep the floating ops if their axes agree with each other, else the constants alone."""
        dims = RegionDims(self.axes)
        mark = self.axes.mark()
        fits = all(dims.add(o) for o in ops)
        self.axes.rollback(mark)
        return ops if fits else [o for o in ops if isinstance(o, Constant)]

    def _close(self, kind: str, ops: list[Op]) -> Cluster:
        outside = self._external(ops)
        for v in outside:
            self._need(v)
        c = self.clusters.new(kind, RegionDims(self.axes), [self.home[v] for v in outside if v in self.home])
        c.ops = dict.fromkeys(ops)
        for r in ops[-1].results:
            self.home[r] = c
        return c

    def _cube(self, op: Op) -> None:
        layout: dict[Op, None] = {}
        for value in op.operands if isinstance(op, Dot) else ():
            chain: list[Op] = []
            x = value
            while _loads_through(x.producer) and x.producer in self.floating and x not in self.home:
                chain.append(x.producer)
                x = x.producer.operands[0]
            while chain and not self._expressible(chain[::-1]):
                chain.pop()
            layout.update(dict.fromkeys(chain))
        after = carried_ops(op, self.users, self.position)
        made = {op.results[0]}
        for o in after:
            if any(v in made for v in o.operands):  # not the broadcast of a bias, which others may use
                made.update(o.results)
                self.absorbed.add(o)
        self._close("cube", [*sorted(layout, key=self.position.__getitem__), op, *after])

    def _is_part_of_an_expression(self, op: GatherSlices) -> bool:
        """Whether where a gather takes from is computed, or what it takes is computed with, but not with a product."""
        readers = self._readers_through_views(op.result)
        if _is_empty(op) or any(reader in self.with_product for reader in readers):
            return False
        starts = [v.producer for v in op.operands[1:]]
        return any(p is not None and not isinstance(p, (*_VIEWS, *INDEXING_OPS)) for p in starts) or any(
            isinstance(reader, (*ELEMENTWISE, Reduce)) for reader in readers
        )

    def _readers_through_views(self, value: Value) -> list[Op]:
        readers, seen = list(self.users.get(value, ())), 0
        while seen < len(readers):
            if isinstance(readers[seen], _VIEWS):
                readers += self.users.get(readers[seen].results[0], ())
            seen += 1
        return readers

    def _gradient(self, gradient: GradientOps) -> None:
        c = self._close("gradient", sorted(gradient.ops, key=self.position.__getitem__))
        for value in gradient.outputs:
            self.home[value] = c

    def _expressible(self, chain: list[Op]) -> bool:
        view = whole(chain[0].operands[0])
        for op in chain:
            if not isinstance(op, LAYOUT_OPS):
                return False
            view = apply_layout(op, view)
            if view is None:
                return False
        return True

    def _vector(self, op: Op) -> None:
        """Start a cluster with `op` and pull in what makes its operands."""
        c = None
        constants = [v.producer for v in dict.fromkeys(op.operands) if v.producer is not None and is_splat(v)]
        for ops in ([*self._pulled(op.operands), op], [*constants, op]):
            dims = RegionDims(self.axes)
            mark = self.axes.mark()
            if all(dims.add(o) for o in ops):
                c = self._start(ops, dims)
                break
            self.axes.rollback(mark)
        if c is None:
            self._close("vector", [*constants, op])
            return
        alone = len(c.ops)
        for value in list(c.dims.uses):
            producer = self.home.get(value)
            if producer is not None:
                a = producer.root()
                if a is not c.root() and a.open:
                    self._try_merge(a, c.root())
        c.sums = isinstance(op, Reduce) and c.merged_into is None and len(c.ops) == alone
        for value in list(c.root().dims.uses):  # a reduction shares its loads with whoever reads the same
            other = self.readers.get(value)
            if other is not None and other.root() is not c.root() and (other.root().sums or isinstance(op, Reduce)):
                self._try_merge(other.root(), c.root())
        if c.root().main <= 1:
            if self.scalars is not None and self.scalars.root() is not c.root() and self.scalars.root().main <= 1:
                self._try_merge(self.scalars.root(), c.root())
            self.scalars = c.root()
        c = c.root()
        for value in c.dims.uses:
            self.readers[value] = c

    def _start(self, ops: list[Op], dims: RegionDims) -> Cluster:
        c = self._close("vector", ops)
        c.dims, c.open = dims, True
        for op in ops:
            self._enlarge(c, op.results[0])
        for v in self._external(ops):
            self._enlarge(c, v)
        return c

    def _enlarge(self, c: Cluster, value: Value) -> None:
        if value.type.size > c.main:
            uses = c.dims.uses.get(value)
            dims = c.dims.dims.get(value) or (uses[0] if uses else None)
            if dims is not None:
                c.main, c.main_axes = value.type.size, tuple(a for d in dims for a in d)

    def _try_merge(self, a: Cluster, c: Cluster) -> None:
        """Merge `c` with a cluster that makes its operands or reads what it reads, if that makes one loop nest."""
        if len(a.dims.uses) + len(c.dims.uses) > _MOST_INPUTS or len(a.ops) + len(c.ops) > _MOST_OPS:
            return
        if not self.clusters.can_merge(a, c):
            return
        mark = self.axes.mark()
        if not self._unify(a, c):
            self.axes.rollback(mark)
            return
        big, small = (a, c) if len(a.ops) >= len(c.ops) else (c, a)
        again, removed = self._brought_back(a, c)
        serial = a.dims.serial | c.dims.serial | again
        if not self._parallel_enough(a, c, serial):
            self.axes.rollback(mark)
            return
        into, other = big.dims, small.dims
        made = {**into.dims, **other.dims} if len(into.dims) < len(other.dims) else into.dims
        made.update(other.dims)
        into.dims = made
        for value, uses in other.uses.items():
            into.uses.setdefault(value, []).extend(uses)
        for value in [v for v in into.uses if v in made]:
            del into.uses[value]
        into.rigid |= other.rigid
        into.views = {v: base for v, base in {**into.views, **other.views}.items() if base not in made}
        into.removed = removed
        into.serial = serial
        if small.main > big.main:
            big.main, big.main_axes = small.main, small.main_axes
        big.sums = big.sums and small.sums
        self.clusters.merge(big, small)

    def _unify(self, a: Cluster, c: Cluster) -> bool:
        for x, y in ((a.dims, c.dims), (c.dims, a.dims)):
            if any(value in x.dims for value in y.rigid):  # a view, or where a slice starts, is read from memory
                return False
            small, large = (x.dims, y.uses) if len(x.dims) < len(y.uses) else (y.uses, x.dims)
            for value in small:
                if value not in large:
                    continue
                if not all(self.axes.unify(x.dims[value], use) for use in y.uses[value]):
                    return False
        for x, y in ((a.dims, c.dims),):
            first, second = (x, y) if len(x.dims) < len(y.dims) else (y, x)
            for value, dims in first.dims.items():
                if value in second.dims and not self.axes.unify(dims, second.dims[value]):
                    return False
            first, second = (x, y) if len(x.uses) < len(y.uses) else (y, x)
            for value, uses in first.uses.items():
                if value in second.uses and value not in x.dims and value not in y.dims:
                    mark = self.axes.mark()
                    if not self.axes.unify(uses[0], second.uses[value][0]):
                        self.axes.rollback(mark)
        return True

    def _brought_back(self, a: Cluster, c: Cluster) -> tuple[set[int], dict[Value, frozenset[int]]]:
        """Return the axes reduced in one cluster along which the other uses the result again, and all removed axes."""
        serial: set[int] = set()
        removed = {**a.dims.removed, **c.dims.removed}
        for x, y in ((a, c), (c, a)):
            if not any(v in x.dims.removed for v in y.dims.uses):
                continue
            for op in sorted(y.ops, key=self.position.__getitem__):
                gone = frozenset[int]().union(*(removed.get(v, ()) for v in op.operands))
                if not gone:
                    continue
                if isinstance(op, BroadcastInDim) and op.results[0].type.size > op.operands[0].type.size:
                    serial |= gone
                else:
                    for r in op.results:
                        removed[r] = removed.get(r, frozenset()) | gone
        return serial, removed

    def _parallel_enough(self, a: Cluster, c: Cluster, serial: set[int]) -> bool:
        axes, others = set(self.axes.atoms(a.main_axes)), set(self.axes.atoms(c.main_axes))
        if not (axes <= others or others <= axes):
            return False
        big, small = (a, c) if a.main >= c.main else (c, a)
        main = self.axes.atoms(big.main_axes)
        if (
            small.main * 4 <= big.main
            and not self._reduces_to(big, small)
            and (len(small.ops) > _CHEAP_CHAIN * 2 or (small.main <= 1 and big.main > 64))
        ):
            return False
        together = set(self.axes.atoms(tuple(serial)))
        if not together or big.main <= _SMALL_WORK:
            return True
        parallel = prod(self.axes.extent[x] for x in main if x not in together)
        if main and main[-1] not in together:
            parallel //= BLOCK_RUN  # blocks take runs of the innermost axis
        return parallel * 2 >= min(self.target.vector_cores, big.main // _WORK_PER_BLOCK)

    def _reduces_to(self, big: Cluster, small: Cluster) -> bool:
        """Whether the small cluster uses what the big one has reduced."""
        return any(v in big.dims.removed for v in small.dims.uses)

    # --- regions ---

    def _regions(self) -> list[Region]:
        alive = self.clusters.alive()
        inputs: dict[Cluster, list[Value]] = {}
        wanted: set[Value] = set(self.graph.results)
        for c in alive:
            ops = sorted(c.ops, key=self.position.__getitem__)
            c.ops = dict.fromkeys(ops)
            made = {r for op in ops for r in op.results}
            read = dict.fromkeys(v for op in ops for v in (*op.operands, *self.captured.get(op, ())) if v not in made)
            inputs[c] = [v for v in read if c.kind != "vector" or not is_splat(v)]
            wanted.update(inputs[c])
        regions: dict[Cluster, Region] = {}
        for c in alive:
            outputs = [
                r for op in c.ops for r in op.results if r in wanted and r in self.home and self.home[r].root() is c
            ]
            if c.kind not in ("vector", "cube", "attention", "gradient"):
                outputs = list(next(reversed(c.ops)).results)
            regions[c] = Region(c.kind, list(c.ops), inputs[c], outputs)
        return [regions[c] for c in self._order(alive)]

    def _order(self, alive: list[Cluster]) -> list[Cluster]:
        """Sort topologically; among those that can run, the one whose last op comes first."""
        key = {c: max(self.position[op] for op in c.ops) for c in alive}
        missing = {c: len({p.root() for p in c.preds} - {c}) for c in alive}
        ready = [(key[c], i, c) for i, c in enumerate(alive) if not missing[c]]
        heapq.heapify(ready)
        number = {c: i for i, c in enumerate(alive)}
        out: list[Cluster] = []
        while ready:
            _, _, c = heapq.heappop(ready)
            out.append(c)
            for s in {s.root() for s in c.succs} - {c}:
                missing[s] -= 1
                if not missing[s]:
                    heapq.heappush(ready, (key[s], number[s], s))
        assert len(out) == len(alive), "[fuse regions] the regions depend on each other in a circle"
        return out


def _loads_through(op: Op | None) -> bool:
    """Whether the loads of a contraction can follow a layout op: its rows stay as contiguous as they are."""
    return isinstance(op, (Transpose, Reshape, BroadcastInDim)) or (isinstance(op, Slice) and set(op.stride) == {1})


def _computed_with_products(graph: Graph) -> set[Op]:
    """Return the ops that compute element by element with what a product gives, which its kernel may take."""
    found: set[Op] = set()
    for op in graph.ops:
        if isinstance(op, (*ELEMENTWISE, *_VIEWS)) and any(
            v.producer in found or isinstance(v.producer, (Dot, Convolution)) for v in op.operands
        ):
            found.add(op)
    return found


def _is_empty(op: Op) -> bool:
    return any(v.type.size == 0 for v in (*op.operands, *op.results))


def _same_width(op: Op) -> bool:
    return isinstance(op, BitcastConvert) and op.operands[0].shape == op.results[0].shape
