"""Refuses kernels that break a rule of the instruction set, naming the kernel, the instruction and the rule.

The rules are in plugin/isa/verify_kernel.cc, which every program passes when it is loaded: there is one verifier.
"""

from __future__ import annotations

import struct
from importlib import import_module

from ..errors import KernelError
from ..target_text import print_target
from ..targets import Target
from .kernel import Kernel


def verify_kernel(kernel: Kernel, target: Target | None = None) -> None:
    """Raise KernelError if `kernel` breaks a rule; with a target, tiles must have addresses within its memories."""
    try:
        words = kernel.encode()
        data = struct.pack(f"<{len(words)}q", *words)
    except (ValueError, struct.error) as error:
        raise KernelError(f"[kernel {kernel.name}] cannot be encoded: {error}.") from error
    plugin = import_module("jax_ascend._plugin")  # not at import: the plugin is built with this package's help
    try:
        plugin.verify_kernel(kernel.name, data, print_target(target) if target else "")
    except RuntimeError as error:
        raise KernelError(str(error)) from None
