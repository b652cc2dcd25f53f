"""A PJRT plugin that gives JAX an emulated Huawei Ascend NPU: `jax.devices("ascend")`.

In the root of a checkout this folder shadows the installed package, but has neither the extension module nor the
compiler. Then the installed package takes its place, all of it: nothing of the checkout is imported.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compiler.targets import Target
    from .estimation import Estimate, Lanes, estimate, estimate_program
    from .profiling import Profile, profile
    from .stepper import Stepper

    __version__: str

__all__ = [
    "Estimate",
    "Lanes",
    "Profile",
    "Stepper",
    "Target",
    "__version__",
    "estimate",
    "estimate_program",
    "initialize",
    "profile",
]


def initialize() -> None:
    """Register the platform with JAX; the entry point that JAX calls before it first lists devices."""
    from .registration import register

    register()


def __getattr__(name: str) -> Any:
    # The compiler is imported when it is first needed: JAX imports this package in every process.
    if name == "__version__":
        from ._plugin import __version__

        return __version__
    if name in __all__:
        from . import estimation, profiling, stepper

        homes = {"Profile": profiling, "profile": profiling, "Stepper": stepper}
        return getattr(homes.get(name, estimation), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _installed() -> ModuleSpec:
    """Find the package of this name that has its extension module; ImportError if there is none."""
    for entry in sys.path:
        if PathFinder.find_spec(f"{__name__}._plugin", [str(Path(entry, __name__))]):
            spec = PathFinder.find_spec(__name__, [entry])
            if spec is not None:
                return spec
    raise ImportError(
        f"[jax_ascend] {Path(__file__).parent} is source code that is not installed; expected an installed package, "
        f"got none for {sys.executable}. Run `pip install .` (or `pip install -e .`) in {Path(__file__).parents[1]}."
    )


# An editable install has its extension module elsewhere, and knows where.
if find_spec(f"{__name__}._plugin") is None:
    _spec = _installed()
    sys.modules[__name__] = _module = module_from_spec(_spec)
    assert _spec.loader is not None
    _spec.loader.exec_module(_module)
