"""Meanings of the routines of LAPACK, by SciPy's own wrappers: one matrix after the other, by columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg import blas, lapack

from ..isa.aicpu import AicpuSpec
from ..isa.lapack import LAPACK
from .slots import slot_arrays

Arrays = dict[str, Any]
_ROUTINES: dict[str, Callable[[Arrays], Arrays]] = {}


def meanings() -> dict[str, Callable[..., None]]:
    """Return the meaning of each kernel, as reference/aicpu.py has them."""
    return {spec.name: _meaning(spec) for spec in LAPACK}


def _meaning(spec: AicpuSpec) -> Callable[..., None]:
    def run(slots: list[np.ndarray], **parameters: Any) -> None:
        arrays = slot_arrays(spec, slots, parameters)
        given = {slot.name: arrays[slot.name].copy() for slot in spec.slots[len(spec.results) :]}
        for i in range(parameters["batch"]):
            member = {name: array[i] for name, array in given.items()}
            empty = not all(parameters.get(name, 1) for name in ("m", "n"))
            found = {} if empty else _ROUTINES[spec.name]({**parameters, **member})
            for slot in spec.results:
                arrays[slot.name][i] = found.get(slot.name, 0)

    return run


def _register(function: Callable[[Arrays], Arrays]) -> Callable[[Arrays], Arrays]:
    _ROUTINES[function.__name__.removeprefix("_")] = function
    return function


def _call(module: Any, name: str, p: Arrays, *arguments: Any, **options: Any) -> tuple[Any, ...]:
    """Call a routine for the type, with as much workspace as the largest may want."""
    letter = {"f4": "s", "f8": "d", "c8": "c", "c16": "z"}[p["dtype"].numpy.str[1:]]
    found: tuple[Any, ...] | np.ndarray = getattr(module, letter + name)(*arguments, **options)
    return found if isinstance(found, tuple) else (found,)


def _complex(p: Arrays) -> bool:
    return p["dtype"].kind == "c"


@_register
def _potrf(p: Arrays) -> Arrays:
    factor, info = _call(lapack, "potrf", p, p["a"], lower=p["lower"], clean=False)
    return {"factor": factor, "info": info}


@_register
def _trsm(p: Arrays) -> Arrays:
    options = {"side": not p["left"], "lower": p["lower"], "trans_a": p["transpose"], "diag": p["unit"]}
    return {"x": _call(blas, "trsm", p, 1, p["a"], p["b"], **options)[0]}


@_register
def _getrf(p: Arrays) -> Arrays:
    lu, pivots, info = _call(lapack, "getrf", p, p["a"])
    return {"lu": lu, "pivots": pivots + 1, "info": info}


@_register
def _pivots_to_permutation(p: Arrays) -> Arrays:
    m: int = p["m"]
    order = np.arange(m)
    for i, j in enumerate(np.clip(p["pivots"], 0, m - 1)[:m]):
        order[[i, j]] = order[[j, i]]
    return {"permutation": order}


@_register
def _geqrf(p: Arrays) -> Arrays:
    packed, taus, _, _ = _call(lapack, "geqrf", p, p["a"])
    return {"packed": packed, "taus": taus}


@_register
def _geqp3(p: Arrays) -> Arrays:
    packed, columns, taus, _, _ = _call(lapack, "geqp3", p, p["a"])
    assert not p["first"].any(), "SciPy's wrapper keeps no columns in front"
    return {"packed": packed, "columns": columns, "taus": taus}


def _reflections(packed: np.ndarray, taus: np.ndarray) -> np.ndarray:
    """Return the product of I - tau v v^H."""
    rows = len(packed)
    q = np.eye(rows, dtype=packed.dtype)
    for j, tau in enumerate(taus):
        v = np.where(np.arange(rows) > j, packed[:, j], np.arange(rows) == j)
        q = q @ (np.eye(rows) - tau * np.outer(v, v.conj()))
    return q


@_register
def _orgqr(p: Arrays) -> Arrays:
    return {"q": _reflections(p["a"], p["taus"])[:, : p["n"]]}


@_register
def _ormqr(p: Arrays) -> Arrays:
    q = _reflections(p["a"], p["taus"])
    q = q.conj().T if p["transpose"] else q
    return {"product": q @ p["c"] if p["left"] else p["c"] @ q}


@_register
def _syevd(p: Arrays) -> Arrays:
    name = "heevd" if _complex(p) else "syevd"
    values, vectors, info = _call(lapack, name, p, p["a"], compute_v=p["vectors"], lower=p["lower"])
    return {"eigenvectors": vectors, "eigenvalues": values, "info": info}


@_register
def _sytrd(p: Arrays) -> Arrays:
    found = _call(lapack, "hetrd" if _complex(p) else "sytrd", p, p["a"], lower=p["lower"])
    return dict(zip(("packed", "diagonal", "beside", "taus", "info"), found, strict=True))


@_register
def _geev(p: Arrays) -> Arrays:
    if not np.isfinite(p["a"]).all():
        return {"info": -4}
    values, left, right = scipy.linalg.eig(p["a"], left=True, right=True)
    found = {"eigenvalues": values, "info": 0}
    found |= {"left_vectors": left} if p["left"] else {}
    return found | ({"right_vectors": right} if p["right"] else {})


def _none(*_: object) -> int:
    """Select no eigenvalue."""
    return 0


@_register
def _gees(p: Arrays) -> Arrays:
    form, selected, *values, vectors, _, info = _call(lapack, "gees", p, _none, p["a"], compute_v=p["vectors"])
    found = {"form": form, "selected": selected, "info": info}
    found["eigenvalues"] = values[0] if _complex(p) else values[0] + 1j * values[1]
    return found | ({"schur_vectors": vectors} if p["vectors"] else {})


@_register
def _gehrd(p: Arrays) -> Arrays:
    packed, taus, info = _call(lapack, "gehrd", p, p["a"], lo=p["low"] - 1, hi=p["high"] - 1)
    return {"packed": packed, "taus": taus, "info": info}


@_register
def _svd(p: Arrays) -> Arrays:
    options = {"compute_uv": p["vectors"] > 0, "full_matrices": p["vectors"] > 1}
    u, values, vt, info = _call(lapack, "gesdd" if p["divide"] else "gesvd", p, p["a"], **options)
    return {"values": values, "info": info} | ({"u": u, "vt": vt} if p["vectors"] else {})


@_register
def _gtsv(p: Arrays) -> Arrays:
    if p["n"] == 1:  # SciPy's wrapper takes no empty diagonals
        return {"x": p["b"] / p["diagonal"], "info": 0}
    *_, x, info = _call(lapack, "gtsv", p, p["lower"][1:], p["diagonal"], p["upper"][:-1], p["b"])
    return {"x": x, "info": info}


@_register
def _gtsv_perturbed(p: Arrays) -> Arrays:
    matrix = np.diag(p["diagonal"]) + np.diag(p["lower"][1:], -1) + np.diag(p["upper"][:-1], 1)
    return {"x": np.linalg.solve(matrix, p["b"])}  # of matrices that are not singular
