"""Handlers that programs call by name: what `jax.ffi.register_ffi_target(..., platform="ascend")` gives.

The plugin keeps them (plugin/ffi); the compiler asks here which names there are. JAX hands over what was registered
before this platform was; a handler that cannot be taken then is refused where a program calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

_STAGES = ("instantiate", "prepare", "initialize", "execute")
_refused: dict[str, str] = {}


class Registry:
    """Takes handlers and types of state, as functions of the form that JAX calls them in."""

    def __init__(self) -> None:
        self.early = True  # what comes was registered before the platform was

    def handler(self, name: str, function: Any, platform: str, api_version: int = 0, traits: int = 0) -> None:
        """Register a capsule, or a dictionary of them by stage, for a target of custom calls.

        Raises RuntimeError, as JAX does for CPUs: for another handler of the same name, an interface other than the typed
        one (api_version 1), or what is no handler.
        """
        from . import _plugin

        try:
            if api_version != 1:
                raise NotImplementedError(
                    f"UNIMPLEMENTED: [ffi {name}] api_version {api_version} is not there on {platform}: its handlers report "
                    "failures through a structure that only jaxlib defines. Register a handler of the typed interface, "
                    "api_version=1."
                )
            stages = _mapping(function, "execute")
            for stage in stages:
                if stage not in _STAGES:
                    raise ValueError(
                        f"INVALID_ARGUMENT: [ffi {name}] no stage {stage!r}; expected {', '.join(_STAGES)}."
                    )
            _plugin.register_ffi_handler(name, [stages.get(stage) for stage in _STAGES])
        except Exception as error:
            if not self.early:
                raise
            _refused[name] = f"its handler was refused: {error}"

    def type(self, name: str, registration: Any) -> None:
        """Register a type of state: a dictionary of the capsules type_id and, to destroy it, type_info."""
        from . import _plugin

        capsules = _mapping(registration, "type_id")
        _plugin.register_ffi_type(name, capsules["type_id"], capsules.get("type_info"))


def _mapping(given: object, name: str) -> Mapping[str, Any]:
    """Return a dictionary as it is, and anything else as its value of this name."""
    return cast("Mapping[str, Any]", given) if isinstance(given, dict) else {name: given}


def handlers() -> dict[str, str]:
    """Return the registered targets, each with why it cannot be called, or ""."""
    from . import _plugin

    return {**_refused, **dict.fromkeys(_plugin.ffi_handlers(), "")}


def register(platform: str) -> None:
    """Take what `jax.ffi` registers for the platform, from now on and before."""
    from . import jax_compat

    registry = Registry()
    jax_compat.take_handlers(platform, registry.handler, registry.type)
    registry.early = False
