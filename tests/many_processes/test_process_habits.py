"""What users of several processes do, and what a process is told that cannot meet the others."""

import re
import socket

import pytest
from launching import Processes, require_transport, run


@pytest.fixture(autouse=True)
def transport():
    require_transport()


@pytest.mark.parametrize("count, devices", [(2, 2), (4, 1)])
def test_habits(count, devices):
    for output in run("habits.py", count=count, devices=devices):
        assert output.count("FINE") == 9


def own_address():
    """Return an address of this machine that others see, without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.3"
        return probe.getsockname()[0]


@pytest.mark.parametrize("second", ["127.0.0.1", "127.0.0.2", "own"])
def test_other_machines_reach_a_process_by_tcp(second):
    """The processes are at two addresses."""
    hosts = ["127.0.0.1", own_address() if second == "own" else second]
    for output in run("habits.py", count=2, devices=2, environments=[{"JAX_ASCEND_HOST": host} for host in hosts]):
        assert output.count("FINE") == 9


def refused(environments):
    """Return what two processes print that cannot meet."""
    with Processes("habits.py", environments=environments) as processes:
        codes, outputs = processes.finish()
    assert all(codes), outputs
    return "\n".join(outputs)


def test_processes_with_other_targets_are_refused():
    output = refused([{}, {"JAX_ASCEND_TARGET": "ascend950"}])
    assert re.search(r"process 1 differs from process 0 in its version of jax_ascend or in JAX_ASCEND_TARGET", output)


def test_a_process_without_zeromq_is_told_what_to_install(tmp_path):
    """A package `zmq` without a library hides the one that is installed; nobody here has the system's."""
    (tmp_path / "zmq").mkdir()
    (tmp_path / "zmq" / "__init__.py").touch()
    output = refused([{"PYTHONPATH": str(tmp_path)}] * 2)
    assert re.search(r"expected pyzmq or the system's libzmq 4, got .*Run `pip install pyzmq`", output)
