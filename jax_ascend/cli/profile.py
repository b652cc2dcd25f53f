"""Run a script and write what the device ran, with simulated beside the host's time.

  python -m jax_ascend profile train.py --steps 10
  python -m jax_ascend profile -o folder train.py --steps 10

The script runs as `python SCRIPT [args]` does; what ran until it ends is in the folder: summary.txt, profile.json, kernels.csv,
report.html, trace.pftrace (for https://ui.perfetto.dev). The device is the script's default unless JAX_PLATFORMS says otherwise.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from contextlib import ExitStack
from pathlib import Path

from ..compiler.errors import InvalidInputError
from ..profiling import profile
from .progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "-o", "--output", default="profile", metavar="DIRECTORY", help="where to write (default: %(default)s)"
    )
    parser.add_argument(
        "--commands", type=int, default=500_000, help="record at most so many commands (default: %(default)s)"
    )
    parser.add_argument("script", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script is called with")


def run(options: argparse.Namespace) -> None:
    """Run the script, then print the summary on stderr: stdout is the script's."""
    script = Path(options.script)
    if not script.is_file():
        raise InvalidInputError(f"[profile {script}] there is no such file; expected a Python script.")
    if "JAX_PLATFORMS" not in os.environ:
        import jax

        jax.config.update("jax_platforms", "ascend,cpu")  # pyright: ignore[reportUnknownMemberType]
    arguments, path = sys.argv, list(sys.path)
    sys.argv = [str(script), *options.arguments]
    sys.path.insert(0, str(script.resolve().parent))
    found = None
    try:
        with ExitStack() as after:
            progress = Progress("")

            def now(what: str) -> None:
                if not progress.running:
                    after.enter_context(progress)
                progress.now(what)

            with profile(options.output, options.commands, now) as found:
                runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv, sys.path[:] = arguments, path
        if found is not None and found.seconds:
            print(f"\n{found}\nwritten to {options.output}", file=sys.stderr)
