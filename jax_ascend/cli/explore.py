"""Write or serve a page that shows a function at every stage of its compilation, in linked panes.

  python -m jax_ascend explore train.py:step --example make_arguments
  python -m jax_ascend explore train.py:loss --shapes f32[8,128] i32[8] -o loss.html
  python -m jax_ascend explore train.py:step --example make_arguments --serve

Python source with what each line costs, StableHLO, the graph after each pass as a difference, regions, kernels with what
their instructions do, and launches on a time line. A click on a line lights up what came from it everywhere. The page is
one file that needs no network. With --serve it is a page of this machine, and a reload compiles the file as it is then.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..compiler.errors import InvalidInputError
from .inputs import add_input, program_from
from .progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_input(parser)
    parser.add_argument(
        "-o", "--output", default="explore.html", metavar="FILE", help="where to write (default: %(default)s)"
    )
    parser.add_argument(
        "--serve", action="store_true", help="serve the page on localhost until Ctrl-C, and write nothing"
    )
    parser.add_argument("--port", type=int, default=8000, help="where to serve (default: %(default)s; 0: any)")


def run(options: argparse.Namespace) -> None:
    """Compile, and write or serve the page."""
    if options.serve:
        from ..explore.serve import forget, serve

        folder = Path(options.input.rpartition(":")[0] or options.input).resolve().parent

        def again() -> str:
            forget(folder)
            return _page(options)

        serve(again, options.port, lambda address: print(f"serving {address} until Ctrl-C", flush=True))
        return
    page = _page(options)
    try:
        Path(options.output).write_text(page, encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"[--output {options.output}] cannot be written: {error.strerror}.") from error
    print(f"written to {options.output}")


def _page(options: argparse.Namespace) -> str:
    from ..explore import ExploredStages, explore_page

    with Progress("tracing") as progress:
        stages = ExploredStages(progress)
        program = program_from(options, stages)
        if not stages.passes:
            raise InvalidInputError(f"[explore {options.input}] is compiled already; expected a function or StableHLO.")
        progress.now("simulating")
        return explore_page(program, stages)
