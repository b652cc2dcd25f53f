"""List the targets there are to emulate with their figures, or write a file of one to edit.

  python -m jax_ascend targets
  python -m jax_ascend targets --show ascend910b > my.toml
  JAX_ASCEND_TARGET=my.toml python train.py

In the file every figure stands with its unit, range and meaning.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ..compiler.target_text import show_target
from ..compiler.targets import ARCHITECTURES, TARGETS
from .files import find_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--show", metavar="TARGET", help="print a target, by name or file, as a complete TOML file")


def run(options: argparse.Namespace) -> None:
    """Print the file, or the table."""
    if options.show is not None:
        print(show_target(find_target(options.show, "--show")), end="")
        return
    columns = {name: asdict(target) for name, target in TARGETS.items()}
    print("target".ljust(24) + "".join(name.rjust(14) for name in columns))
    for field in list(next(iter(columns.values())))[1:]:
        print(field.ljust(24) + "".join(_shown(values[field]).rjust(14) for values in columns.values()))
    for a in ARCHITECTURES.values():
        print(f"\narchitecture {a.name}: {a.vector_cores} vector cores per cube core")
        print(f"  memories  {', '.join(a.memories)}")
        print(f"  paths     {', '.join(f'{source} to {to}' for source, to in sorted(a.paths))}")
        print(f"  computes  {', '.join(sorted(d.name for d in a.native))}; other types are promoted, and cost that")


def _shown(value: float | int | str) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value // 1024} Ki" if isinstance(value, int) and value >= 4096 and value % 1024 == 0 else str(value)
