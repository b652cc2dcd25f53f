"""Calls of the user's functions that take part in a compilation: how values lie, in the form that JAX has for partitioners."""

from __future__ import annotations

from itertools import chain, permutations
from typing import Any

import numpy as np

from . import jax_compat
from .callbacks import function_of
from .compiler.frontend.user_functions import Lying, UserFunctions
from .compiler.graph.sharding import Mesh, Sharding


def to_hlo(sharding: Sharding | None) -> Any:
    """Return the HloSharding of a sharding; None is whole on every device."""
    from jaxlib import xla_client

    client: Any = xla_client
    shown = client.OpSharding()
    shown.type = client.OpSharding.Type.REPLICATED
    if sharding is not None and any(sharding.dims):
        mesh = sharding.mesh
        axes = [axis for dim in sharding.dims for axis in dim]
        copies = [axis for axis in range(len(mesh.sizes)) if axis not in axes]
        shown.type = client.OpSharding.Type.OTHER
        shown.tile_assignment_dimensions = [*map(mesh.extent, sharding.dims), mesh.extent(copies)]
        shown.tile_assignment_devices = np.reshape(mesh.devices, mesh.sizes).transpose(axes + copies).flatten().tolist()
        shown.replicate_on_last_tile_dim = True
    return client.HloSharding.from_proto(shown)


def from_hlo(hlo: Any, mesh: Mesh, rank: int) -> Sharding:
    """Return the sharding on a mesh that an HloSharding of a value of this rank is. Raises ValueError if there is none."""
    proto = hlo.to_proto()
    extents = list(proto.tile_assignment_dimensions)[:rank]
    if hlo.is_replicated() or not extents:
        return Sharding(mesh, ((),) * rank)
    tiles = np.array(hlo.tile_assignment_devices()).reshape(*extents, -1)
    parts = np.empty((rank, len(mesh.devices)), np.int64)
    parts[:, tiles.reshape(-1)] = np.indices(tiles.shape)[:rank].reshape(rank, -1)
    return Sharding(mesh, tuple(_axes_of(mesh, n, part) for n, part in zip(extents, parts)))


def _axes_of(mesh: Mesh, extent: int, part: np.ndarray) -> tuple[int, ...]:
    """Return the axes along which a dimension is cut of which each device has this part."""
    count = len(mesh.sizes)
    for axes in chain.from_iterable(permutations(range(count), n) for n in range(count + 1)):
        if mesh.extent(axes) == extent and (mesh.index(axes) == part).all():
            return axes
    raise ValueError(f"[partition] no axes of a mesh {mesh.sizes} cut a dimension into {extent} parts {part.tolist()}")


def show(number: int, sharding: Sharding | None) -> None:
    """Tell the function with this number, which takes an HloSharding, how a value lies; None: whole on every device.

    Raises RuntimeError if there is no such function, as in a program that another process has lowered.
    """
    if (known := function_of(number)) is None:
        raise RuntimeError(f"[inspect_array_sharding] no function of this process has number {number}; lower it here.")
    known.function(to_hlo(sharding))


def divide(name: str, operands: list[Lying], results: list[Lying]) -> tuple[bytes, list[Sharding], list[Sharding]]:
    """Have a function of `custom_partitioning` say what each device does. Returns and raises as UserFunctions.divide."""
    mesh = (operands + results)[0][1].mesh
    shapes, hlo = ([[f(v) for v in values] for values in (operands, results)] for f in (_shape_of, _hlo_of))
    module, *found = jax_compat.divide_by_function(name, shapes[0], hlo[0], shapes[1], hlo[1])
    ins, outs = ([from_hlo(h, mesh, t.rank) for h, (t, _) in zip(*pair)] for pair in zip(found, (operands, results)))
    return module, ins, outs


def _shape_of(value: Lying) -> Any:
    from jaxlib import xla_client

    client: Any = xla_client
    type, _ = value
    return client.Shape.array_shape(np.dtype(type.dtype.numpy), type.shape)


def _hlo_of(value: Lying) -> Any:
    return to_hlo(value[1])


FUNCTIONS = UserFunctions(show, divide)
