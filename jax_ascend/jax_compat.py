"""Everything that depends on the version of JAX, and every private table of JAX this package touches.

Checks are for what is present, not for version numbers; tests/pjrt/test_jax_compat.py runs them on the JAX installed.

| table | why | without it |
|---|---|---|
| `xla_bridge._nonexperimental_plugins` | JAX calls platforms it does not know experimental | a warning at start |
| `mlir._platforms_with_donation` | where JAX marks donated arguments in the module | donation is silently a copy |
| `mlir._lowerings` | the rules that `function_rules` falls back to | complex functions and lgamma are as on XLA:CPU |
| `_export._CUSTOM_CALL_TARGETS_GUARANTEED_STABLE` | which custom calls an exported program may hold | such programs cannot be exported |
| `compilation_cache.is_cache_used` | has a fixed list of platforms | the persistent cache is never written |
| `compilation_cache.put_executable_and_time` | JAX 0.12 tries to write programs that call the host | a warning for each |
| `array.ArrayImpl.__dlpack__`, `__dlpack_device__` | know CPUs and GPUs only | no DLPack export |
| `custom_partitioning._custom_partitioning_partition` | what JAX has XLA's partitioner call | `custom_partitioning` over several devices fails |
| `mlir._lowerings`, of `inspect_sharding` | its rule writes an address for XLA's partitioner to call | `inspect_array_sharding` in programs over several devices fails |
| `config.abstract_mesh_context_manager`, `device_context` (of `mesh` in JAX 0.12) | the meshes that a thread has set, which functions of the host do not see | they compute on the mesh's devices what they have on the CPU, and fail |
| `mlir._platform_specific_lowerings` | has JAX's rules for linear algebra and callbacks on CPUs | none of them; errors without a way out |
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from .callbacks import BufferFunction, HostFunction, Numbered


@contextmanager
def outside_meshes() -> Generator[None]:
    """Leave the meshes that the thread has set, as functions of the host do that XLA calls on threads of its own."""
    from jax._src import config, mesh

    empty = {"abstract_mesh_context_manager": "empty_abstract_mesh", "device_context": "empty_concrete_mesh"}
    homes = {c: mesh if hasattr(mesh, c) else config for c in empty}  # JAX 0.12 has them with the meshes
    contexts = [(getattr(homes[c], c), getattr(mesh, e)) for c, e in empty.items() if hasattr(homes[c], c)]
    left = [(context, context.swap_local(nothing)) for context, nothing in contexts]
    try:
        yield
    finally:
        for context, before in left:
            context.set_local(before)


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
    _complete_rules(platform)
    _export_arrays(platform)
    xla_bridge.register_plugin(platform, priority=priority, library_path=library, options=options)  # pyright: ignore


def compile_options(serialized: bytes) -> dict[str, Any]:
    """Return the options by name that a serialised CompileOptionsProto carries from the user."""
    from jaxlib import xla_client

    client: Any = xla_client
    return dict(client.CompileOptions.ParseFromString(serialized).env_option_overrides)


def take_handlers(platform: str, handler: Callable[..., None], type_: Callable[..., None]) -> None:
    """Have JAX give what `jax.ffi` registers for the platform, targets and types of state, also what it holds already."""
    from jaxlib import xla_client

    xla_client.register_custom_type_handler(platform, type_)  # handlers know their types when they are registered
    xla_client.register_custom_call_handler(platform, handler)


def divide_by_function(
    name: str, operands: list[Any], given: list[Any], results: list[Any], made: list[Any]
) -> tuple[bytes, list[Any], list[Any]]:
    """Have a function of `custom_partitioning` say what each device does, as JAX has XLA's partitioner ask it.

    Args:
        name: of the function, as the custom call has it.
        operands, results: Shapes of the whole arrays.
        given, made: HloShardings, how they lie.

    Returns:
        The module for one device, and HloShardings: how operands and results have to lie. Raises KeyError without the function.
    """
    from jax._src import custom_partitioning
    from jaxlib import xla_client

    client: Any = xla_client
    asked: Any = custom_partitioning
    one = len(results) == 1
    whole = results[0] if one else client.Shape.tuple_shape(results)
    sharding = made[0] if one else client.HloSharding.tuple_sharding(whole, made)
    module, ins, out = asked._custom_partitioning_partition(operands, given, whole, sharding, name.encode())
    return module, ins, [out] if one else out.tuple_elements()


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


def default_rule(primitive: Any) -> Any:
    """Return JAX's lowering rule of a primitive for all platforms, or None."""
    from jax._src.interpreters import mlir

    entry = getattr(mlir, "_lowerings", {}).get(primitive)
    return getattr(entry, "rule", entry)


def allow_export(targets: set[str]) -> None:
    """Let exported programs hold custom calls of these targets: every later version of this package accepts them."""
    from jax._src.export import _export

    stable: set[str] | None = getattr(_export, "_CUSTOM_CALL_TARGETS_GUARANTEED_STABLE", None)
    if isinstance(stable, set):
        stable.update(targets)


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

    compilation_cache.is_cache_used = is_cache_used  # pyright: ignore
    _leave_host_calls_out_of_the_cache()


def _leave_host_calls_out_of_the_cache() -> None:
    from jax._src import compilation_cache

    put: Callable[..., None] | None = getattr(compilation_cache, "put_executable_and_time", None)
    if put is None:
        return

    def put_executable_and_time(*args: Any, **options: Any) -> None:
        try:
            put(*args, **options)
        except RuntimeError as error:
            if "the program calls functions of this process" not in str(error):
                raise
            logging.getLogger(__name__).debug("not in the persistent cache: %s", error)

    compilation_cache.put_executable_and_time = put_executable_and_time


def _export_arrays(platform: str) -> None:
    """Let arrays go out by DLPack as what they are for others, host memory."""
    from jax._src.array import ArrayImpl

    from . import dlpack

    original_device: Callable[..., Any] = ArrayImpl.__dlpack_device__
    original: Callable[..., Any] = ArrayImpl.__dlpack__

    def is_ours(array: Any) -> bool:
        return any(device.platform == platform for device in array.sharding.device_set)

    def __dlpack_device__(self: Any) -> tuple[Any, int]:
        return dlpack.device(self) if is_ours(self) else original_device(self)

    def __dlpack__(self: Any, **options: Any) -> Any:
        return dlpack.capsule(self, **options) if is_ours(self) else original(self, **options)

    ArrayImpl.__dlpack_device__, ArrayImpl.__dlpack__ = __dlpack_device__, __dlpack__


def _complete_rules(platform: str) -> None:
    from jax._src.interpreters import mlir

    tables: dict[str, dict[Any, Any]] | None = getattr(mlir, "_platform_specific_lowerings", None)
    if isinstance(tables, dict) and not isinstance(tables.get(platform), _Rules):
        tables[platform] = _Rules(tables.get(platform, {}), platform)


_CALLBACKS = {  # primitives whose rule for the CPU calls a function of Python, and what that takes
    "buffer_callback": BufferFunction,
    "check": HostFunction,
    "debug_callback": HostFunction,
    "debug_print": HostFunction,
    "io_callback": HostFunction,
    "pure_callback": HostFunction,
    "spsolve": HostFunction,
}


_SAME = {  # primitives whose rule is that of another platform: a custom call, on CPUs of a routine of LAPACK
    **dict.fromkeys(("cholesky", "eig", "eigh", "geqp3", "geqrf", "hessenberg", "householder_product", "lu"), "cpu"),
    **dict.fromkeys(("ormqr", "schur", "svd", "triangular_solve", "tridiagonal", "tridiagonal_solve"), "cpu"),
    "lu_pivots_to_permutation": "cuda",  # for CPUs it is a loop
    "pbroadcast": "cuda",  # an op of StableHLO, which XLA:CPU does not have
}


class _Rules(dict[Any, Any]):
    """A platform's own lowering rules, by primitive, with those that follow from JAX's rules for others.

    They are looked up when they are needed: modules of JAX that are imported later bring rules of theirs.
    """

    def __init__(self, rules: Mapping[Any, Any], platform: str) -> None:
        super().__init__(rules)
        self.platform = platform

    def __contains__(self, primitive: object) -> bool:
        return super().__contains__(primitive) or self._derived(primitive) is not None

    def __missing__(self, primitive: Any) -> Any:
        entry = self._derived(primitive)
        if entry is None:
            raise KeyError(primitive)
        return entry

    def _derived(self, primitive: Any) -> Any:
        """Return the rule of linear algebra or of a callback, or one that refuses where there is none; None: the default's."""
        from jax._src.interpreters import mlir
        from jax._src.lax import linalg, parallel

        tables = mlir._platform_specific_lowerings  # pyright: ignore[reportPrivateUsage]
        same = tables.get(_SAME.get(primitive.name, ""), {}).get(primitive)
        if same is not None and any(getattr(m, f"{primitive.name}_p", None) is primitive for m in (linalg, parallel)):
            return same
        default = mlir._lowerings.get(primitive)  # pyright: ignore[reportPrivateUsage]
        entry = tables["cpu"].get(primitive, default)
        kind = _CALLBACKS.get(primitive.name)
        if entry is not None and kind is not None and entry.rule.__module__.startswith("jax."):
            return mlir.LoweringRuleEntry(_on_host(entry.rule, kind), entry.inline)
        if default is not None and primitive.name == "inspect_sharding":
            return mlir.LoweringRuleEntry(_inspection(default.rule), default.inline)
        if default is not None:
            return None
        return mlir.LoweringRuleEntry(_refusal(primitive.name, self.platform), True)


class _CpuClient:
    """What rules for the CPU read of the client they lower for."""

    platform = "cpu"
    runtime_type = ""


def _on_host(rule: Callable[..., Any], kind: type[HostFunction]) -> Callable[..., Any]:
    """Return a rule that lowers a callback as for the CPU, but with the function's number in this process."""

    def lower(context: Any, *args: Any, **params: Any) -> Any:
        module = context.module_context
        if len(module.platforms) > 1:
            return rule(context, *args, **params)  # says itself that it cannot
        functions = Numbered(kind)
        on_cpu = module.replace(platforms=("cpu",), backend=_CpuClient(), host_callbacks=functions)
        inner = context.replace(module_context=on_cpu, tokens_out=None)
        results = rule(inner, *args, **params)
        if inner.tokens_out is not None:
            context.set_tokens_out(inner.tokens_out)
        for function in functions.added:  # JAX keeps them, and programs that have any out of its persistent cache
            module.add_host_callback(function)
        return results

    return lower


def _inspection(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule that names the function to tell by its number, where JAX's has the address of one for XLA to call."""
    from jaxlib.mlir import ir as mlir_ir

    ir: Any = mlir_ir

    def lower(context: Any, value: Any, **params: Any) -> Any:
        module = context.module_context
        if len(module.platforms) > 1:
            return rule(context, value, **params)
        kept: list[Any] = []
        results = rule(context.replace(module_context=module.replace(keepalives=kept)), value, **params)
        for function in map(HostFunction, kept):  # none if there is one device: it was told at once
            operations = ir.InsertionPoint.current.block.operations
            call = operations[len(operations) - 1]
            call.attributes["call_target_name"] = ir.StringAttr.get("ascend.inspect_sharding")
            call.attributes["backend_config"] = ir.StringAttr.get(str(function.number))
            module.add_keepalive(function)
        return results

    return lower


def _refusal(name: str, platform: str) -> Callable[..., Any]:
    """Return a rule that raises what JAX raises where it has none, and says what can be done."""
    where = _current_line()  # that which asks for the rule

    def refuse(context: Any, *args: Any, **params: Any) -> Any:
        raise NotImplementedError(
            f"MLIR translation rule for primitive '{name}' not found for platform {platform}: no way to lower {name} at "
            f"{where or 'unknown'}. Rewrite this line or run it on another platform, e.g. under "
            f"jax.default_device(jax.devices('cpu')[0])."
        )

    return refuse


def _current_line() -> str:
    """Return `file:line` of the user's code that is being lowered, or "" if MLIR's current location does not say."""
    from jaxlib.mlir import ir

    try:
        found = re.search(r'"((?:[^"\\]|\\.)*)":(\d+)', str(ir.Location.current))
    except ValueError:  # there is no current location
        return ""
    return f"{found[1]}:{found[2]}" if found else ""
