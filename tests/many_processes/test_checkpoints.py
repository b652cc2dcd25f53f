"""A checkpoint of sharded arrays, saved by four processes and restored by two whose devices are others."""

import pytest
from launching import require_transport, run


def test_saved_by_four_processes_and_restored_by_two(tmp_path):
    require_transport()
    pytest.importorskip("orbax.checkpoint")
    run("checkpoint.py", "save", str(tmp_path / "state"), count=4, devices=2)
    run("checkpoint.py", "restore", str(tmp_path / "state"), count=2, devices=2)
