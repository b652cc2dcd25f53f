"""List the devices of this process, and its configuration.

A target is chosen by JAX_ASCEND_TARGET, the number of devices by JAX_ASCEND_DEVICES.
"""

from __future__ import annotations

import argparse
from typing import Any, cast

from .. import configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options: there are none."""


def run(options: argparse.Namespace) -> None:
    """Print devices and configuration."""
    print(_devices())
    print("\nconfiguration")
    for variable in configuration.VARIABLES:
        value = variable.get()
        shown = variable.default if value is None else value
        print(f"  {variable.name:22} {shown!s:12} {variable.meaning}")


def _devices() -> str:
    import jax

    try:
        devices = cast("list[Any]", jax.devices("ascend"))  # pyright: ignore[reportUnknownMemberType]
    except RuntimeError as error:
        return f"no devices: {error}"
    lines: list[str] = []
    for device in devices:
        statistics: dict[str, int] = device.memory_stats() or {}
        used, limit = statistics.get("bytes_in_use", 0), statistics.get("bytes_limit", 0)
        lines.append(f"{device!s:12} {device.device_kind}, {used / 1e9:.1f} of {limit / 1e9:.1f} GB in use")
    return "\n".join(lines)
