"""Tokens of the text form, taken one after the other; what does not fit is an error that names the line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection
from typing import NoReturn, TypeVar

from ..errors import TextError

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*)"""
    r"""|(?P<string>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<number>0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[+-]?\d+)?)"""
    r"""|(?P<name>@[\w.$-]+|%[grst]\d+|!?[A-Za-z_][\w.]*)"""
    r"""|(?P<mark>[{}()\[\]<>=,:*+|\#@-])"""
)
Item = TypeVar("Item")


class Tokens:
    """Tokens of a text, taken one after the other."""

    def __init__(self, text: str):
        self.text, self.tokens, position = text, list[tuple[str, int]](), 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                self._error_at(position, f"cannot be read from here: {text[position : position + 20]!r}")
            if match.lastgroup != "skip":
                self.tokens.append((match.group(), position))
            position = match.end()
        self.next: int = 0

    def _error_at(self, position: int, what: str) -> NoReturn:
        raise TextError(f"[line {self.text.count(chr(10), 0, position) + 1}] {what}")

    def fail(self, what: str, before: bool = False) -> NoReturn:
        """Raise TextError at the next token, or at the one before."""
        at = self.next - before
        self._error_at(self.tokens[at][1] if at < len(self.tokens) else len(self.text), what)

    @property
    def peek(self) -> str:
        """The next token; empty at the end."""
        return self.tokens[self.next][0] if self.next < len(self.tokens) else ""

    def take(self) -> str:
        """Take the next token."""
        token = self.peek
        self.next += 1
        return token

    def has(self, token: str) -> bool:
        """Take `token` if it comes next."""
        found = self.peek == token
        self.next += found
        return found

    def expect(self, *tokens: str) -> None:
        """Take exactly these tokens."""
        for token in tokens:
            if not self.has(token):
                self.fail(f"expected {token!r}, got {self.peek!r}.")

    def expect_end(self) -> None:
        """Fail if there is more."""
        if self.peek:
            self.fail(f"expected the end of the text, got {self.peek!r}.")

    def one_of(self, names: Collection[str], what: str) -> str:
        """Take one of `names`."""
        if self.peek not in names:
            near = difflib.get_close_matches(self.peek, names, 3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            self.fail(f"no such {what}: {self.peek!r}; expected one of {len(names)}.{hint}")
        return self.take()

    def string(self) -> str:
        """Take a quoted string."""
        if not self.peek.startswith('"'):
            self.fail(f"expected a string, got {self.peek!r}.")
        return json.loads(self.take(), strict=False)

    def name(self) -> str:
        """Take @name or @"name"."""
        if self.has("@"):
            return self.string()
        if not self.peek.startswith("@"):
            self.fail(f"expected a name after @, got {self.peek!r}.")
        return self.take()[1:]

    def integer(self) -> int:
        """Take an integer with its sign."""
        sign = -1 if self.has("-") else 1
        if not self.peek.isdigit():
            self.fail(f"expected an integer, got {self.peek!r}.")
        return sign * int(self.take())

    def reference(self, letter: str) -> int:
        """Take %<letter><number>."""
        if not re.fullmatch(f"%{letter}\\d+", self.peek):
            self.fail(f"expected %{letter}<number>, got {self.peek!r}.")
        return int(self.take()[2:])

    def items(self, close: str, item: Callable[[], Item]) -> list[Item]:
        """Take comma-separated items up to `close`, which is taken too."""
        found: list[Item] = []
        while not self.has(close):
            if found:
                self.expect(",")
            found.append(item())
        return found
