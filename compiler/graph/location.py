"""Where an op comes from: the calls in the user's Python that led to it, and JAX's name for it with the scopes around.

JAX writes both into the module's locations. In a function that is called, they are relative to its calls: `inside` puts them
together when the call is inlined.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

MOST_FRAMES = 24  # that a location keeps, innermost first

Frame = tuple[str, int]  # file, line


@dataclass(frozen=True, slots=True)
class Location:
    """`frames` are Python's, innermost first, JAX's own left out; `name` is as `jit(f)/layer_0/dot_general`."""

    frames: tuple[Frame, ...] = ()
    name: str = ""

    @property
    def frame(self) -> Frame | None:
        """The innermost frame of the user's own code; where all belong to installed packages, the innermost of them."""
        return next((f for f in self.frames if not is_installed(f[0])), self.frames[0] if self.frames else None)

    @property
    def line(self) -> str:
        """The user's `file:line`, or ""."""
        return "{}:{}".format(*self.frame) if self.frame else ""

    @property
    def scope(self) -> str:
        """The scopes around the op, as `transpose(jvp(GPT))/layer_0/attention`: jax.named_scope and flax's modules.

        JAX's name of the primitive at the end, and of functions that were jitted, are left out.
        """
        return scope_of(self.name)

    def inside(self, call: Location) -> Location:
        """Return this location, of an op in a function, as seen from a call of the function."""
        return Location(
            (self.frames + call.frames)[:MOST_FRAMES], "/".join(part for part in (call.name, self.name) if part)
        )

    def __bool__(self) -> bool:
        return bool(self.frames or self.name)

    def __str__(self) -> str:
        if not self.frames:
            return self.name
        return f"{self.line} ({self.name})" if self.name else self.line


UNKNOWN = Location()


@cache
def scope_of(name: str) -> str:
    """Return what `Location.scope` says of a name."""
    return "/".join(p for p in _parts(name)[:-1] if p not in _NO_SCOPE and not p.startswith(("jit(", "pjit(")))


def distinct(locations: Iterable[Location]) -> tuple[Location, ...]:
    """Return the known locations, each once, in their order."""
    return tuple(dict.fromkeys(filter(None, locations)))


_NO_SCOPE = frozenset(
    ("closed_call", "core_call", "eval_jaxpr", "jit", "pjit", "custom_jvp_call", "custom_vjp_call", "jvp()", "")
)


def _parts(name: str) -> list[str]:
    """Split a name at the slashes that are in no parentheses."""
    parts, depth, start = [""], 0, 0
    for i, c in enumerate(name):
        depth = max(depth + (c == "(") - (c == ")"), 0)
        if c == "/" and depth == 0:
            parts[-1:] = [name[start:i], ""]
            start = i + 1
    parts[-1] = name[start:]
    return parts


_PACKAGES = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_STANDARD = sysconfig.get_path("stdlib")


@cache
def is_installed(file: str) -> bool:
    """Whether a file belongs to an installed package or to Python."""
    return bool(_PACKAGES.search(file)) or file.startswith((_STANDARD, "<frozen"))
