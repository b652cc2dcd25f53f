"""Pages that show what commands print: they are run again, and --update-golden writes the pages."""

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from jax_ascend.cli import main

ROOT = Path(__file__).parents[2]
PAGES = {"walkthrough.md": 9, "strips.md": 2, "performance.md": 6}  # blocks at least
BLOCK = re.compile(r"^```console\n\$ ([^\n]*)\n(.*?)^```$", flags=re.M | re.S)


def run(command):
    """Return what a command of the page prints: without places of sources, which differ, and with long lines cut."""
    arguments = shlex.split(command)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        if arguments[:3] == ["python", "-m", "jax_ascend"]:
            assert main(arguments[3:]) == 0, command
        else:
            assert arguments[:2] == ["python", "-c"], command
            exec(arguments[2], {})
    text = re.sub(r" *// .*", "", out.getvalue())
    return re.sub(r"^(.{150}).{3,}$", r"\1...", text, flags=re.M).rstrip() + "\n"


@pytest.fixture
def in_docs(monkeypatch):
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setattr(sys, "path", [".", *sys.path])


@pytest.mark.parametrize("name", PAGES)
def test_the_page_shows_what_its_commands_print(name, in_docs, request):
    page = ROOT / "docs" / name
    text = page.read_text()
    blocks = BLOCK.findall(text)
    assert len(blocks) >= PAGES[name]
    if request.config.getoption("--update-golden"):
        page.write_text(BLOCK.sub(lambda m: f"```console\n$ {m[1]}\n{run(m[1])}```", text))
        return
    for command, shown in blocks:
        assert run(command) == shown, f"docs/{name} is old: pytest {request.node.nodeid} --update-golden"
