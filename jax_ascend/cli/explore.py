"""Write a page that shows a function at every stage of its compilation, in linked panes.

  python -m jax_ascend explore train.py:step --example make_arguments
  python -m jax_ascend explore train.py:loss --shapes f32[8,128] i32[8] -o loss.html

Python source with what each line costs, StableHLO, the graph after each pass as a difference, regions, kernels with what
their instructions do, and launches on a time line. A click on a line lights up what came from it everywhere. The page is
one file that needs no network.
"""

from __future__ import annotations

import argparse

from ..compiler.errors import InvalidInputError
from .inputs import add_input, program_from
from .progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_input(parser)
    parser.add_argument(
        "-o", "--output", default="explore.html", metavar="FILE", help="where to write (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Compile, and write the page."""
    from ..explore import ExploredStages, explore_page, write_page

    with Progress("tracing") as progress:
        stages = ExploredStages(progress)
        program = program_from(options, stages)
        progress.now("simulating")
        page = explore_page(program, stages)
    if not stages.passes:
        raise InvalidInputError(f"[explore {options.input}] is compiled already; expected a function or StableHLO.")
    try:
        write_page(options.output, page)
    except OSError as error:
        raise InvalidInputError(f"[--output {options.output}] cannot be written: {error.strerror}.") from error
    print(f"written to {options.output}")
