"""Debug sections that lie: about the program, about their own lists."""

import struct

from corpus import crafted

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.program.program import Function, Program, command


def with_debug(*words, tail=b""):
    """A program of one copy, whose debug section is these words."""
    array = TensorType((4,), DType.f32)
    main = Function("main")
    main.commands.append(command("copy", main.slot("result", 0, 16), main.slot("parameter", 0, 16), 16))
    program = Program("crafted", "ascend910b", [array], [array], [-1], [main])
    program.debug = struct.pack(f"<{len(words)}q", *words) + tail
    return program.encode(), [b""]


NO_NAMES = (0, 0)


@crafted(load="debug section, word 0.*3 bytes are no whole words")
def debug_of_broken_words():
    return with_debug(tail=b"abc")


@crafted(load=r"a list of \d+ does not fit")
def debug_of_endless_strings():
    return with_debug(2**62)


@crafted(load=r"a list of \d+ does not fit")
def debug_of_negative_length():
    return with_debug(-1)


@crafted(load=r"a string of \d+ bytes does not fit")
def debug_string_beyond_the_end():
    return with_debug(1, 2**63 - 8)


@crafted(load="no string has the number 1; expected less than 1")
def debug_name_that_is_no_string():
    return with_debug(1, 0, 1, 1, 0)


@crafted(load="there is no line")
def debug_line_before_the_first():
    return with_debug(1, 0, 1, 0, 1, 0, -1)


@crafted(load="it names other arrays; expected 1 names or none, got 2")
def debug_of_more_parameters():
    return with_debug(1, 0, 0, 2, 0, 0)


@crafted(load="it is of other functions; expected 1, got 2")
def debug_of_more_functions():
    return with_debug(0, 0, *NO_NAMES, 2, 0, 0)


@crafted(load="it is of other commands; expected 1, got 0")
def debug_of_fewer_commands():
    return with_debug(0, 0, *NO_NAMES, 1, 0)


@crafted(load="no location has the number 0; expected less than 0")
def debug_location_that_is_not_there():
    return with_debug(0, 0, *NO_NAMES, 1, 1, 1, 0)


@crafted(load="words are left over")
def debug_that_goes_on():
    return with_debug(0, 0, *NO_NAMES, 1, 1, 0, 7)
