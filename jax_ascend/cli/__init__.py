"""The command line: one file per command, each with `add_arguments` and `run`."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

from .. import __version__
from ..compiler.errors import AscendError

COMMANDS = {
    "devices": "the devices of this process, and its configuration",
    "targets": "the targets there are to emulate, and files of them to edit",
    "estimate": "what a function or a StableHLO file would cost on silicon, line by line",
    "profile": "run a script, and write what the device ran and what that would cost",
    "explore": "a page with a function at every stage of its compilation, in linked panes",
    "step": "run a kernel instruction by instruction",
    "compile": "what a function or a StableHLO file compiles to, stage by stage",
    "asm": "assemble the text of a program to its bytes, or disassemble",
    "isa": "the manual of the instruction set, or of one instruction",
}


def main(arguments: list[str]) -> int:
    """Run a command; return the exit status. What went wrong is one message on stderr."""
    started_as = Path(sys.argv[0]).name
    prog = "python -m jax_ascend" if started_as == "__main__.py" else started_as
    parser = argparse.ArgumentParser(prog=prog, description="An emulated Ascend NPU for JAX.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter  # the others break paths over lines
    parser.add_argument(
        "--version", action="version", version=f"jax-ascend {__version__} ({Path(__file__).parents[1]})"
    )
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        module = import_module(f".{name}", __name__)
        command = parsers.add_parser(name, help=summary, description=module.__doc__)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except AscendError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
