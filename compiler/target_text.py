"""A Target as TOML, both ways: the files people copy and edit, and the plain lines that programs and the plugin carry.

`base = "ascend910b"` in a file inherits what the file does not say; without it every field has to be there.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from .targets import TARGETS, Target, TargetError, expected_of, nearest

_FIELDS = {f.name: f for f in fields(Target)}


def print_target(target: Target) -> str:
    """Return every field on a line of its own, `name = value`; parse_target gives the target back, as does the plugin."""
    return "".join(f"{name} = {_toml(value)}\n" for name, value in asdict(target).items())


def show_target(target: Target) -> str:
    """Return a complete TOML file with the unit, range and meaning of each field."""
    lines = [
        f"# {target.name}: every figure of the device that is emulated. Give yours a name of its own, and use it by\n"
        '# JAX_ASCEND_TARGET=my.toml, jax_ascend.estimate(f, x, target="my.toml") or `compile --target my.toml`.\n'
        f'# With `base = "{target.name}"` a file may leave out what it does not change.\n'
    ]
    for name, value in asdict(target).items():
        f = _FIELDS[name]
        note = f"{f.metadata['meaning']}; {expected_of(str(f.type), f.metadata)}."
        lines += ["\n", *(f"# {line}\n" for line in textwrap.wrap(note, 110)), f"{name} = {_toml(value)}\n"]
    return "".join(lines)


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def read_target(path: str | Path) -> Target:
    """Read a TOML file; TargetError names the file and the field. Without a name it is called as the file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"[target {path}] the file cannot be read: {error}.") from None
    return parse_target(text, str(path), Path(path).stem)


def parse_target(text: str, place: str, name: str = "") -> Target:
    """Return the target that TOML text describes; `place` is where it is from, `name` what to call one without a name."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"[target {place}] expected TOML: {error}.") from None
    given = ({"name": name} if name else {}) | given
    base = given.pop("base", None)
    if base is not None:
        if not isinstance(base, str) or base not in TARGETS:
            raise TargetError(
                f"[target {place}] base is unusable; expected one of {', '.join(TARGETS)}{nearest(str(base), TARGETS)}, "
                f"got {base!r}."
            )
        given = asdict(TARGETS[base]) | given
    return target_of(given, place)


def target_of(values: Mapping[str, Any], place: str) -> Target:
    """Return the target of these fields, all of which have to be there; TargetError names the first that is not right."""
    for field in values:
        if field not in _FIELDS:
            raise TargetError(
                f"[target {place}] there is no field {field!r}{nearest(field, list(_FIELDS))}; expected fields of "
                "`python -m jax_ascend targets --show ascend910b`."
            )
    missing = [field for field in _FIELDS if field not in values]
    if missing:
        raise TargetError(
            f'[target {place}] {", ".join(missing)} missing; expected every field, or base = "ascend910b" to inherit from.'
        )
    try:
        return Target(**values)
    except TargetError as error:
        raise TargetError(f"[target {place}] {str(error).removeprefix('[target] ')}") from None
