"""Assemble the text of a program to its bytes, or disassemble.

The direction follows from the input: bytes become text and text becomes bytes. Bytes are what a serialised executable
holds and what `compile --output` writes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..compiler.errors import DecodeError, InvalidInputError, TextError
from ..compiler.program.program import Program
from ..compiler.program.text import parse_program, print_program
from .files import is_program, read_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("input", help="a file of bytes or of text")
    parser.add_argument("-o", "--output", help="where to write; text goes to stdout without it")
    parser.add_argument("--brief", action="store_true", help="leave the bytes of constants out of the text")


def run(options: argparse.Namespace) -> None:
    """Translate the input to the other form."""
    data = read_bytes(options.input)
    try:
        if is_program(data):
            text = print_program(Program.decode(data), constants=not options.brief) + "\n"
            if options.output:
                Path(options.output).write_text(text)
            else:
                sys.stdout.write(text)
            return
        if not options.output:
            raise InvalidInputError(f"[asm {options.input}] bytes need a file to go to. Add --output FILE.")
        Path(options.output).write_bytes(parse_program(data.decode()).encode())
    except (DecodeError, TextError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"[asm {options.input}] {error}") from error
