"""Say what a function or a StableHLO file would cost on silicon, and which lines cost it. Nothing is executed.

  python -m jax_ascend estimate train.py:step --example make_arguments
  python -m jax_ascend estimate train.py:loss --shapes f32[8,128] i32[8] --by line
  python -m jax_ascend estimate model.mlir --report report.html --trace model.pftrace
  python -m jax_ascend estimate train.py:step --example make_arguments --against ascend950

Rows are kernels, their launches, JAX lines or scopes, sorted by a column: seconds, share, launches, flops, hbm_bytes, roofline, ... or a
pipe as aiv_vec_ratio. --report is a page for a browser, --trace is for https://ui.perfetto.dev, --csv writes msprof's files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from ..compiler.errors import InvalidInputError
from ..estimation import Estimate, estimate_program
from ..programs import program_of
from .files import find_target
from .inputs import add_input, program_from
from .progress import Progress, ShownStages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_input(parser)
    parser.add_argument(
        "--l2", choices=("cold", "warm"), default="cold", help="what the L2 holds at the start (default: %(default)s)"
    )
    groupings = ("kernel", "launch", "line", "scope")
    parser.add_argument("--by", choices=groupings, default="kernel", help="what a row is (default: %(default)s)")
    parser.add_argument("--sort", default="seconds", metavar="COLUMN", help="largest first (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=30, help="how many rows (default: %(default)s; 0: all)")
    parser.add_argument("--pipes", action="store_true", help="show how busy each pipe is instead of bound and line")
    parser.add_argument("--against", metavar="TARGET", help="compare with another target, kernel by kernel")
    parser.add_argument("--report", metavar="FILE", help="write a page for a browser")
    parser.add_argument("--trace", metavar="FILE", help="write a trace for Perfetto")
    parser.add_argument("--csv", metavar="DIRECTORY", help="write op_summary.csv and PipeUtilization.csv")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON")


def run(options: argparse.Namespace) -> None:
    """Estimate, print and write."""
    with Progress("tracing") as progress:
        program = program_from(options, ShownStages(progress))
        progress.now("simulating")
        found = estimate_program(program, options.l2)
        other = None
        if options.against:
            target = find_target(options.against, "--against")
            progress.now(f"compiling for {target.name}")
            other = estimate_program(program_of(program, target=target), options.l2)
        _write(found, options, progress)
    try:
        print(found.table(options.by, options.sort, options.rows or None, options.pipes))
    except ValueError as error:
        raise InvalidInputError(f"[--sort {options.sort}] {error}.") from None
    if other is not None:
        print(f"\n{found.compare(other)}")


def _write(found: Estimate, options: argparse.Namespace, progress: Progress) -> None:
    writers: dict[str, Callable[[str], object]] = {
        "report": found.report,
        "trace": found.trace,
        "csv": found.to_csv,
        "json": lambda name: Path(name).write_text(json.dumps(found.to_dict())),
    }
    for option, write in writers.items():
        name: str | None = getattr(options, option)
        if name is None:
            continue
        progress.now(f"writing {name}")
        try:
            write(name)
        except OSError as error:
            raise InvalidInputError(f"[--{option} {name}] cannot be written: {error.strerror}.") from error
