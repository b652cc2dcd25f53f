"""The functions of LAPACK and BLAS that AICPU kernels call: addresses of what SciPy hands to C.

SciPy is there because JAX depends on it. The plugin asks for a function once in a process, when it loads a program that
calls it.
"""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

from .compiler.errors import InternalError

_MODULES = ("cython_lapack", "cython_blas")


def address(name: str) -> int:
    """Return the address of a function, such as spotrf or ztrsm; InternalError if SciPy has none that fits."""
    for module in _MODULES:
        capsule = _functions(module).get(name)
        if capsule is not None:
            return _pointer(name, capsule)
    raise InternalError(
        f"[lapack] scipy.linalg.cython_lapack and cython_blas have no function {name}; expected what SciPy 1.11 and later "
        "have. Install another version of SciPy."
    )


def _functions(module: str) -> dict[str, Any]:
    try:
        return importlib.import_module(f"scipy.linalg.{module}").__pyx_capi__
    except ImportError as error:
        raise InternalError(
            "[lapack] linear algebra needs the LAPACK of SciPy; expected scipy.linalg, which JAX depends on, got "
            f"{error}. Run `pip install scipy`."
        ) from error


def _pointer(name: str, capsule: object) -> int:
    """Return the pointer in a capsule, whose name is the function's signature."""
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    signature = get_name(capsule)
    if b" int *" not in signature:
        raise InternalError(
            f"[lapack] SciPy's {name} does not count in 32 bits; expected int *, got {signature.decode()}. "
            "Install another build of SciPy."
        )
    return get_pointer(capsule, signature)
