"""Everything that depends on the version of JAX, and every private table of JAX this package touches.

Checks are for what is present, not for version numbers; tests/pjrt/test_jax_compat.py runs them on the JAX installed.

| table | why | without it |
|---|---|---|
| `xla_bridge._nonexperimental_plugins` | JAX calls platforms it does not know experimental | a warning at start |
| `mlir._platforms_with_donation` | where JAX marks donated arguments in the module | donation is silently a copy |
| `compilation_cache.is_cache_used` | has a fixed list of platforms | the persistent cache is never written |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def stablehlo_versions() -> tuple[list[int], list[int]]:
    """Return (current, minimum) StableHLO version of the installed jaxlib, each [major, minor, patch]."""
    from jaxlib.mlir.dialects import stablehlo

    return (_version(stablehlo.get_current_version()), _version(stablehlo.get_minimum_version()))


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


def register_plugin(platform: str, library: str, priority: int, options: Callable[[], Mapping[str, Any]]) -> None:
    """Register the library at path `library` as the PJRT plugin of `platform`.

    Args:
        platform: the platform's name.
        library: path of the shared object that exports GetPjrtApi.
        priority: JAX's default backend is the one with the highest; CPU has 0.
        options: called when the client is created; returns its options.
    """
    from jax._src import xla_bridge

    _call_experimental_off(platform)
    _allow_donation(platform)
    _allow_persistent_cache(platform)
    xla_bridge.register_plugin(platform, priority=priority, library_path=library, options=options)  # pyright: ignore


def _call_experimental_off(platform: str) -> None:
    from jax._src import xla_bridge

    known: set[str] | None = getattr(xla_bridge, "_nonexperimental_plugins", None)
    if isinstance(known, set):
        known.add(platform)


def _allow_donation(platform: str) -> None:
    from jax._src.interpreters import mlir

    platforms: list[str] | None = getattr(mlir, "_platforms_with_donation", None)
    if isinstance(platforms, list) and platform not in platforms:
        platforms.append(platform)


class _KnownPlatform:
    """What `is_cache_used` reads of a client, with the name of a platform on its list."""

    platform = "tpu"
    supports_executable_serialization = True


def _allow_persistent_cache(platform: str) -> None:
    from jax._src import compilation_cache

    original = getattr(compilation_cache, "is_cache_used", None)
    if original is None:
        return

    def is_cache_used(backend: Any) -> bool:
        return original(_KnownPlatform() if backend.platform == platform else backend)

    compilation_cache.is_cache_used = is_cache_used
