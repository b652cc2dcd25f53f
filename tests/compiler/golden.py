"""Golden texts: what a pass makes of a graph, kept next to the tests."""

import pathlib
import re

DIRECTORY = pathlib.Path(__file__).parent / "golden"


def check(request, name, text):
    """Compare with golden/<name>.txt, or write it under --update-golden."""
    path = DIRECTORY / f"{name}.txt"
    text = re.sub(r" *// .*", "", text).rstrip() + "\n"  # without source lines
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return
    want = path.read_text() if path.exists() else ""
    assert text == want, f"{path.name} differs; if that is meant: pytest {request.node.nodeid} --update-golden"
