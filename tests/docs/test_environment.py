"""docs/environment.md is the table of configuration.py."""

from pathlib import Path

from jax_ascend import configuration

PAGE = Path(__file__).parents[2] / "docs" / "environment.md"
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->"


def table():
    lines = ["| variable | value | when unset | meaning |", "|---|---|---|---|"]
    for v in configuration.VARIABLES:
        default = "" if v.default is None else str(int(v.default) if isinstance(v.default, bool) else v.default)
        lines.append(f"| `{v.name}` | {v.expected} | {default and f'`{default}`'} | {v.meaning} |")
    return "\n".join(lines) + "\n"


def test_the_page_lists_what_is_read(request):
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    current, after = rest.split(END)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(before + BEGIN + table() + END + after)
        return
    assert current == table(), f"docs/environment.md is old: pytest {request.node.nodeid} --update-golden"
