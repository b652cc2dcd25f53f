"""What `compile` and `estimate` work on: a function with its arguments, or a file, for a target."""

from __future__ import annotations

import argparse
from typing import Any

from .. import configuration
from ..compiler.errors import AscendError, InvalidInputError
from ..compiler.program.program import Program
from ..compiler.stages import Stages
from ..compiler.targets import TARGETS
from ..programs import program_of
from .files import find_target, load_function, parse_shapes, read_bytes


def add_input(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name the input and the target."""
    parser.add_argument("input", help="FILE.mlir (StableHLO text or bytecode), FILE.py:function or module:function")
    parser.add_argument("--shapes", nargs="+", metavar="SHAPE", help="the function's arguments, as f32[8,128] i32[]")
    parser.add_argument("--example", metavar="NAME", help="a function of the same module that returns the arguments")
    targets = f"one of {', '.join(TARGETS)}, or a TOML file (default: %(default)s)"
    parser.add_argument("--target", default=configuration.TARGET.get(), help=targets)


def program_from(options: argparse.Namespace, stages: Stages) -> Program:
    """Return the program of the input, traced for this platform if a function is named."""
    name: str = options.input
    target = find_target(options.target, "--target")
    if ":" not in name:
        return program_of(read_bytes(name), target=target, stages=stages)
    function = load_function(name)
    try:
        return program_of(function, example_of(options), target=target, stages=stages)
    except AscendError:
        raise
    except Exception as error:  # whatever the user's function raises while it is traced
        hint = "" if options.example or options.shapes else " Give its arguments by --shapes or --example."
        raise InvalidInputError(
            f"[{options.command} {name}] tracing failed: {type(error).__name__}: {error}{hint}"
        ) from error


def example_of(options: argparse.Namespace) -> list[Any]:
    """Return the function's arguments as --example or --shapes gives them."""
    if not options.example:
        return parse_shapes(options.shapes or [])
    name = f"{options.input.rpartition(':')[0]}:{options.example}"
    try:
        example = load_function(name)()
    except AscendError:
        raise
    except Exception as error:
        raise InvalidInputError(f"[--example {options.example}] failed: {type(error).__name__}: {error}.") from error
    return [*example] if isinstance(example, (tuple, list)) else [example]
