"""The notebook runs from top to bottom, and what it says of its model is what its outputs say."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
NOTEBOOK = Path(__file__).parents[2] / "examples" / "bottleneck.ipynb"


def output(cell):
    """Return the text of what a cell printed and showed."""
    parts = [o.get("text") or "".join(o.get("data", {}).values()) for o in cell["outputs"]]
    return "".join(parts)


def texts(notebook):
    return [output(cell) for cell in notebook.cells if cell.cell_type == "code"]


def check(printed):
    model, table, scopes, line, change, _after, against, factors, memory = printed
    assert model == "" and "aiv" in table
    assert "experts_*" in scopes
    assert "bound by vector" in line
    assert float(re.search(r"([\d.]+) times as fast", change)[1]) > 1.15
    assert re.search(r"matmul\S+_bias .*only in the first", change)
    assert "ascend950" in against and "times as fast" in against
    gains = dict(re.findall(r"2 x (\w+) +([\d.]+) times", factors))
    assert len(gains) == 4 and all(float(g) >= 0.98 for g in gains.values()) and float(gains["clock"]) > 1.1
    assert re.match(r"[\d.]+ MB at \d+ us\n", memory)


def test_it_runs_and_says_so():
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    kept = texts(notebook)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    check(texts(notebook))
    check(kept)
