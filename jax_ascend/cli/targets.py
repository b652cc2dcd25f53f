"""List the targets there are to emulate with their figures, or write a file of one to edit.

  python -m jax_ascend targets
  python -m jax_ascend targets ascend910b mine.toml --differences
  python -m jax_ascend targets --show ascend910b > my.toml
  JAX_ASCEND_TARGET=my.toml python train.py

In the file every figure stands with its unit, range and meaning.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ..bottleneck import peak_operations
from ..compiler.target_text import show_target
from ..compiler.targets import ARCHITECTURES, TARGETS
from ..views import si
from .files import find_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="which to list, by name or file (default: all there are)"
    )
    parser.add_argument("--differences", action="store_true", help="list only the figures in which they differ")
    parser.add_argument("--show", metavar="TARGET", help="print a target, by name or file, as a complete TOML file")


def run(options: argparse.Namespace) -> None:
    """Print the file, or the table."""
    if options.show is not None:
        print(show_target(find_target(options.show, "--show")), end="")
        return
    chosen = [find_target(name, "targets") for name in options.targets] or list(TARGETS.values())
    columns = [
        asdict(target) | {f"peak {n}": si(v, "flop/s") for n, v in peak_operations(target).items()} for target in chosen
    ]
    width = max(14, *(len(target.name) + 2 for target in chosen))
    print("target".ljust(24) + "".join(target.name.rjust(width) for target in chosen))
    for field in list(columns[0])[1:]:
        shown = [_shown(values[field]) for values in columns]
        if not options.differences or len(set(shown)) > 1:
            print(field.ljust(24) + "".join(text.rjust(width) for text in shown))
    if options.differences:
        return
    for a in {target.architecture: ARCHITECTURES[target.architecture] for target in chosen}.values():
        print(f"\narchitecture {a.name}: {a.vector_cores} vector cores per cube core")
        print(f"  memories  {', '.join(a.memories)}")
        print(f"  paths     {', '.join(f'{source} to {to}' for source, to in sorted(a.paths))}")
        print(f"  computes  {', '.join(sorted(d.name for d in a.native))}; other types are promoted, and cost that")


def _shown(value: float | int | str) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value // 1024} Ki" if isinstance(value, int) and value >= 4096 and value % 1024 == 0 else str(value)
