"""examples/train_gpt.py in two processes: the losses of one process, bit by bit."""

import subprocess
import sys
from pathlib import Path

import pytest
from launching import require_transport, run

SCRIPT = Path(__file__).parents[2] / "examples" / "train_gpt.py"
SMALL = [
    "--mesh",
    "data=2,model=2",
    "--steps",
    "5",
    "--layers",
    "1",
    "--width",
    "32",
    "--heads",
    "2",
    "--context",
    "16",
    "--batch",
    "4",
    "--sample",
    "0",
]


def test_training_in_two_processes(tmp_path):
    require_transport()
    pytest.importorskip("optax")
    several = ["--losses", str(tmp_path / "{process}"), "--processes", "2", "--process-id", "{process}"]
    run(SCRIPT, *SMALL, *several, "--coordinator", "{coordinator}", count=2, devices=2)
    alone = [sys.executable, SCRIPT, *SMALL, "--losses", tmp_path / "alone"]
    subprocess.run(alone, check=True, capture_output=True, timeout=200)
    losses = (tmp_path / "alone").read_text()
    assert len(losses.split()) == 5
    assert (tmp_path / "0").read_text() == (tmp_path / "1").read_text() == losses
