"""Print the manual page of an instruction, a list of all instructions, or the whole manual as Markdown."""

from __future__ import annotations

import argparse
import difflib

from ..compiler.errors import InvalidInputError
from ..compiler.isa.manual import manual, page
from ..compiler.isa.model import instruction_set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", nargs="?", help="an instruction, such as tload")
    parser.add_argument("--manual", action="store_true", help="the whole manual, as docs/isa.md has it")


def run(options: argparse.Namespace) -> None:
    """Print what was asked for."""
    if options.manual:
        print(manual(), end="")
    elif options.name is None:
        groups: dict[str, list[str]] = {}
        for spec in instruction_set().values():
            groups.setdefault(spec.group, []).append(spec.name)
        for group, names in groups.items():
            print(f"{group}:\n  {' '.join(names)}")
    else:
        print(page(_find(options.name)))


def _find(name: str) -> str:
    name = name.removeprefix("pto.")
    if name in instruction_set():
        return name
    near = difflib.get_close_matches(name, instruction_set(), 3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`python -m jax_ascend isa` lists them."
    raise InvalidInputError(f"[isa] there is no instruction {name!r}. {hint}")
