"""Shardings of a module over several partitions: propagated by Shardy, read as what the Graph has.

    %1 = stablehlo.tanh %0 {sdy.sharding = #sdy.sharding_per_value<[<@mesh, [{"x"}, {}]>]>}    ->   %1: f32[8,4]{x,-}

Shardy (jaxlib's passes) says how values should lie, from what the program says of some; the pass partition does the rest.
Meshes that list the same devices in the same order are one grid here, and differ in where they cut it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from jaxlib.mlir import ir, passmanager
from jaxlib.mlir.dialects import sdy

from ..errors import UnsupportedOp
from ..graph.sharding import Axes, Mesh, Sharding
from .deserialize import bytecode

GSPMD = "a sharding in the form of GSPMD; set jax_use_shardy_partitioner to True"
_PIPELINE = "builtin.module(sdy-propagation-pipeline,sdy-close-shardings)"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PART = re.compile(r'"((?:[^"\\]|\\.)*)":\((\d+)\)(\d+)')


def propagate(module: ir.Module, composites: Collection[str]) -> ir.Module:
    """Return a copy of a module in which values have shardings, from those that some have.

    `composites` are those that stay in one piece.
    """
    with module.context, ir.Location.unknown():
        copy = ir.Module.parse(bytecode(module))
        _open_composites(copy.operation, composites)
        passmanager.PassManager.parse(_PIPELINE).run(copy.operation)
        return copy


def _open_composites(module: ir.Operation, whole: Collection[str]) -> None:
    """Make composites calls, in place: Shardy renames functions, but not where composites name them.

    Those that stay in one piece become custom calls with a rule that says along which dimensions they can be cut, as
    the calls get that jax_ascend.function_rules makes.
    """
    found: list[ir.Operation] = []

    def collect(op: ir.Operation) -> ir.WalkResult:
        attributes: Any = op.attributes
        if op.name == "stablehlo.composite":
            found.append(op)
        elif (
            op.name == "stablehlo.custom_call"
            and attributes["call_target_name"].value.startswith("ascend.")
            and [r.type for r in op.results] == [o.type for o in op.operands]
        ):
            attributes["sdy.sharding_rule"] = _rule_of(op)
        return ir.WalkResult.ADVANCE

    module.walk(collect)
    text: Any = ir.StringAttr
    operation: Any = ir.Operation
    for op in found:
        attributes: Any = op.attributes
        name = attributes["name"].value
        kept: dict[str, Any] = {"call_target_name": text.get(name)}
        taken_apart = isinstance(ir.RankedTensorType(op.operands[0].type).element_type, ir.ComplexType)
        rule = _rule_of(op, name) if name in whole and not taken_apart else None
        with op.location, ir.InsertionPoint(op):
            types = [r.type for r in op.results]
            if rule is None:
                callee = {"callee": attributes["decomposition"]}
                new = operation.create("func.call", types, list(op.operands), callee)
            else:
                kept["sdy.sharding_rule"] = rule
                if "composite_attributes" in attributes:
                    kept["composite_attributes"] = attributes["composite_attributes"]
                new = operation.create("stablehlo.custom_call", types, list(op.operands), kept)
        for number, result in enumerate(op.results):
            old: Any = result
            old.replace_all_uses_with(new.results[number])
        op.erase()


def _rule_of(op: ir.Operation, name: str = "") -> ir.Attribute:
    """Return Shardy's rule for a top_k, or a function of each element of one operand."""
    sizes = list(ir.RankedTensorType(op.operands[0].type).shape)
    factors = list(range(len(sizes)))
    out = factors
    if name == "chlo.top_k":
        out = [*factors[:-1], len(sizes)]
        sizes.append(ir.RankedTensorType(op.results[0].type).shape[-1])
    letters = [chr(ord("i") + k) if k < 18 else f"z_{k - 17}" for k in range(len(sizes))]
    given, made = (f"[{', '.join(letters[k] for k in dims)}]" for dims in (factors, out))
    lengths = ", ".join(f"{l}={n}" for l, n in zip(letters, sizes))
    text = f"({given})->({', '.join([made] * len(op.results))}) {{{lengths}}}"
    parse: Any = ir.Attribute
    return parse.parse(f"#sdy.op_sharding_rule<{text}, custom>")


class Shardings:
    """Reads sharding attributes of a module over `partitions` devices.

    Attributes:
        mesh: the grid of the first mesh, and of all that list the same devices and fit it; values lie on it inside.
    """

    def __init__(self, meshes: Mapping[str, Any], partitions: int, text: str) -> None:
        self._partitions = partitions
        self._known: dict[Any, Sharding | None] = {}
        self._read_meshes = {name: _axes_of(attribute) for name, attribute in meshes.items()}
        parts = [(name, int(before), int(size)) for name, before, size in _PART.findall(text)]
        grids: list[_Grid] = []
        self._grids: dict[str, _Grid] = {}
        for name, (axes, devices) in self._read_meshes.items():
            if not axes or len(devices) != partitions:
                continue
            fitting = (g for g in grids if g.devices == devices and _divides(g.cuts, _ends(axes)))
            grid = next(fitting, None)
            if grid is None:
                grid = _Grid(axes, devices, _ends(axes))
                grids.append(grid)
            grid.cuts = _chain(_chain(grid.cuts, _ends(axes)), _cuts(axes, parts))
            self._grids[name] = grid
        everyone = [("devices", partitions)]
        first = grids[0] if grids else _Grid(everyone, list(range(partitions)), _ends(everyone))
        self._meshes = {id(g): g.mesh() for g in (first, *grids)}
        self.mesh = self._meshes[id(first)]

    def read(self, attribute: Any, exact: bool = False) -> Sharding | None:
        """Return what a TensorShardingAttr says, None if it says nothing that this grid can say.

        With `exact` that is an UnsupportedOp: what is a wish elsewhere is a fact of parameters and of manual computations.
        """
        if attribute not in self._known:
            self._known[attribute] = self._read(attribute)
        found = self._known[attribute]
        if exact and found is None:
            raise UnsupportedOp(f"sharding {attribute}, whose axes do not cut a grid of {self._partitions} devices")
        return found

    def read_all(self, attribute: Any, exact: bool = False) -> list[Sharding | None]:
        """Return what a TensorShardingPerValueAttr says of each value."""
        return [self.read(s, exact) for s in sdy.TensorShardingPerValueAttr(attribute).shardings]

    def manual_axes(self, op: ir.OpView) -> Axes:
        """Return the axes along which a manual computation is divided by itself."""
        attributes: Any = op.attributes
        names = _QUOTED.findall(str(attributes["manual_axes"]))
        of_values = [
            s
            for key in ("in_shardings", "out_shardings")
            for s in sdy.TensorShardingPerValueAttr(attributes[key]).shardings
        ]
        meshes: list[str] = [sdy.TensorShardingAttr(s).mesh_or_ref.value for s in of_values]
        meshes += self._grids
        found: Axes = ()
        for name in names:
            span = next((s for mesh in meshes if (s := self._span(mesh, name, 1, 0)) is not None), None)
            if span is None:
                raise UnsupportedOp(f"axis {name} of a mesh that has other devices than the program")
            found += span
        return found

    def _read(self, attribute: Any) -> Sharding | None:
        given: Any = sdy.TensorShardingAttr(attribute)
        mesh = given.mesh_or_ref
        name = mesh.value if isinstance(mesh, ir.FlatSymbolRefAttr) else ""
        dims: list[Axes] = []
        for dimension in given.dimension_shardings:
            axes = self._axes(name, sdy.DimensionShardingAttr(dimension).axes)
            if axes is None:
                return None
            dims.append(axes)
        terms = self._axes(name, given.unreduced_axes)
        if terms is None:
            return None
        grid = self._grids.get(name)
        mesh = self.mesh if grid is None else self._meshes[id(grid)]
        return Sharding(mesh, tuple(dims), tuple(sorted(terms)))

    def _axes(self, mesh: str, references: Iterable[Any]) -> Axes | None:
        """Return the axes here of several (parts of) axes."""
        axes: Axes = ()
        for reference in references:
            axis: Any = sdy.AxisRefAttr(reference)
            part: Any = sdy.SubAxisInfoAttr(axis.sub_axis_info) if axis.sub_axis_info is not None else None
            span = self._span(mesh, axis.name, part.pre_size if part else 1, part.size if part else 0)
            if span is None:
                return None
            axes += span
        return axes

    def _span(self, mesh: str, name: str, before: int, size: int) -> Axes | None:
        """Return the axes here of (a part of) an axis; size 0 means all of it."""
        grid = self._grids.get(mesh)
        if grid is None:
            return None
        axes = self._read_meshes[mesh][0]
        sizes, starts = dict(axes), dict(zip((n for n, _ in axes), _ends(axes)))
        if name not in sizes:
            return None
        first = starts[name] * before
        last = first * (size or sizes[name])
        if first not in grid.cuts or last not in grid.cuts:
            return None
        return tuple(range(grid.cuts.index(first), grid.cuts.index(last)))


_Named = Sequence[tuple[str, int]]


@dataclass
class _Grid:
    """Meshes that list the same devices in the same order, and where all of them are cut."""

    axes: _Named
    devices: list[int]
    cuts: list[int]

    def mesh(self) -> Mesh:
        sizes = tuple(b // a for a, b in pairwise(self.cuts))
        return Mesh(sizes, tuple(self.devices), tuple(_name(self.axes, a, b) for a, b in pairwise(self.cuts)))


def _axes_of(attribute: Any) -> tuple[list[tuple[str, int]], list[int]]:
    """Return a mesh's axes (name, size) and its devices in order."""
    mesh: Any = sdy.MeshAttr(attribute)
    axes = [(axis.name, axis.size) for axis in map(sdy.MeshAxisAttr, mesh.axes)]
    return axes, list(mesh.device_ids) or list(range(prod(n for _, n in axes)))


def _ends(axes: _Named) -> list[int]:
    """Return where axes begin and the last one ends: products of the sizes before."""
    ends = [1]
    for _, n in axes:
        ends.append(ends[-1] * n)
    return ends


def _cuts(axes: _Named, parts: Sequence[tuple[str, int, int]]) -> list[int]:
    """Return the chain of divisors where a mesh is cut: its axes, and the parts of them as far as they fit."""
    chain = sorted(set(_ends(axes)))
    for (name, n), start in zip(axes, _ends(axes)):
        own = [start * c for part, before, size in parts if part == name for c in (before, before * size) if n % c == 0]
        chain = _chain(chain, own)
    return chain


def _chain(chain: list[int], more: Sequence[int]) -> list[int]:
    """Add to a chain of divisors those that leave it one."""
    for cut in more:
        if _divides(chain, [cut]):
            chain = sorted({*chain, cut})
    return chain


def _divides(chain: Sequence[int], more: Sequence[int]) -> bool:
    joined = sorted({*chain, *more})
    return all(b % a == 0 for a, b in pairwise(joined))


def _name(axes: _Named, first: int, last: int) -> str:
    """Return what to call the axis between two cuts of a mesh."""
    for (name, n), start in zip(axes, _ends(axes)):
        if first == start and last == start * n:
            return name
        if start <= first and last <= start * n:
            return f"{name}:({first // start}){last // first}"
    return f"{first}-{last}"
