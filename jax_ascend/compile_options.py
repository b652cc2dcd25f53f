"""What `jax.jit(f).lower(x).compile(compiler_options={...})` may ask for: options of XLA, with values of their types.

They are accepted as on XLA:CPU, so that programs written for it run, and have no effect; others are refused.
"""

from __future__ import annotations

import difflib
from typing import Any

from . import jax_compat
from .compiler.errors import InvalidInputError
from .xla_options import TYPES

_INTEGERS = {"int32": 31, "int64": 63, "enum": 63}


def check(options: bytes) -> None:
    """Raise InvalidInputError if a serialised CompileOptionsProto sets an option that does not exist, or to another type."""
    for name, value in sorted(jax_compat.compile_options(options).items()):
        kind = TYPES.get(name)
        if kind is None:
            near = difflib.get_close_matches(name, TYPES, 5)
            hint = f"Did you mean {', '.join(near)}?" if near else "jax_ascend.xla_options.TYPES has their names."
            raise InvalidInputError(
                f"[compile options] No such compile option: {name!r}; expected one of the {len(TYPES)} of XLA, such as "
                f"xla_cpu_enable_fast_math, none of which has an effect on this device. {hint}"
            )
        if not _fits(kind, value):
            raise InvalidInputError(
                f"[compile options] While setting option {name}, '{_shown(value)}' is not a valid {kind} value. Leave it out: it "
                "has no effect on this device."
            )


def _shown(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _fits(kind: str, value: object) -> bool:
    """Whether XLA takes a value, which may be written as a string, for an option of this type."""
    if kind == "bool":
        return isinstance(value, bool) or value in ("True", "False")
    if kind == "string":
        return isinstance(value, str)
    if kind == "message":  # its text; only that of one without fields is known here
        return value == ""
    if isinstance(value, bool):
        return False
    if kind == "float":
        return isinstance(value, float) or (isinstance(value, str) and _parses(float, value) is not None)
    if kind in _INTEGERS:
        number = _parses(int, value) if isinstance(value, str) else value
        limit = 1 << _INTEGERS[kind]
        return isinstance(number, int) and -limit <= number < limit
    return False


def _parses(kind: type[Any], text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        return None
