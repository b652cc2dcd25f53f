"""List the devices of this process, and the targets there are to emulate.

A target is chosen by JAX_ASCEND_TARGET, the number of devices by JAX_ASCEND_DEVICES.
"""

from __future__ import annotations

import argparse
import dataclasses

from .. import configuration
from ..compiler.targets import TARGETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--targets", action="store_true", help="only the targets and their parameters")


def run(options: argparse.Namespace) -> None:
    """Print devices, configuration and targets."""
    if not options.targets:
        print(_devices())
        print("\nconfiguration")
        for variable in configuration.VARIABLES:
            value = variable.get()
            shown = variable.default if value is None else value
            print(f"  {variable.name:22} {shown!s:12} {variable.meaning}")
        print()
    names = list(TARGETS)
    print("target".ljust(24) + "".join(name.rjust(14) for name in names))
    for field in dataclasses.fields(TARGETS[names[0]])[1:]:
        values = [getattr(TARGETS[name], field.name) for name in names]
        print(field.name.ljust(24) + "".join(_number(value).rjust(14) for value in values))


def _number(value: float | int) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value // 1024} Ki" if value >= 4096 and value % 1024 == 0 else str(value)


def _devices() -> str:
    import jax

    try:
        devices = jax.devices("ascend")
    except RuntimeError as error:
        return f"no devices: {error}"
    lines = []
    for device in devices:
        statistics = device.memory_stats() or {}
        used, limit = statistics.get("bytes_in_use", 0), statistics.get("bytes_limit", 0)
        lines.append(f"{device!s:12} {device.device_kind}, {used / 1e9:.1f} of {limit / 1e9:.1f} GB in use")
    return "\n".join(lines)
