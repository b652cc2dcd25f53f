"""What fails in one process is an error in the others that names it, soon; and both go on if they can."""

import re
import signal
import time

import pytest
from launching import Processes, require_transport

PLACE = r"\[execute jit_\S+\] device 0 \(ascend:0\) is at command \d+ of \w+, \w+ with devices [\d ]+: "


@pytest.fixture(autouse=True)
def transport():
    require_transport()


def outcome(output):
    """Return (seconds, error) of a process, or None if it has none."""
    found = re.search(r"^ERROR after (\S+) s: (.*?)^ALONE 6.0$", output, re.MULTILINE | re.DOTALL)
    if found is None:
        assert re.search(r"^FINE\nALONE 6.0$", output, re.MULTILINE), output
        return None
    return float(found[1]), found[2]


def fail(case, devices=2, **environment):
    with Processes("fail.py", case, devices=devices, environments=[environment] * 2) as processes:
        _, outputs = processes.finish()
    return outputs


@pytest.mark.parametrize("case", ["dies", "dies_in_a_loop"])
def test_a_process_that_dies_is_named_at_once(case):
    seconds, error = outcome(fail(case)[0])
    assert re.search(rf"UNAVAILABLE: {PLACE}process 1 has gone: its connection is closed", error)
    assert seconds < 60


MISMATCHES = {
    "other_program": r"process {} runs another program in its place, jit__lambda",
    "other_branch": r"process {} is at command \d+ of main, all_\w+\. Have every device",
    "fewer_trips": r"process {} has ended the program without it",
    "raises": r"(?s)process 1 failed: .*ValueError: a check of one process",
}


@pytest.mark.parametrize("case", list(MISMATCHES))
def test_what_cannot_go_together(case):
    outputs = fail(case)
    failed = [outcome(output) for output in outputs]
    assert re.search(MISMATCHES[case].format(1), failed[0][1])
    if case in ("other_program", "other_branch"):
        assert re.search(MISMATCHES[case].format(0), failed[1][1])
    assert all("TOGETHER 16.0" in output for output in outputs)


def test_devices_that_wait_for_each_other_in_other_groups():
    errors = [outcome(output)[1] for output in fail("other_groups")]
    place = rf"INVALID_ARGUMENT: {PLACE}".replace("0", r"\d")
    assert any(re.search(place + r"process \d is at command \d+ of main, all_reduce", e) for e in errors)


def test_a_wait_is_bounded():
    outputs = fail("is_late", JAX_ASCEND_PROCESS_SECONDS="3")
    seconds, error = outcome(outputs[0])
    assert re.search(rf"DEADLINE_EXCEEDED: {PLACE}process 1 has sent nothing for 3 s", error)
    assert 2.9 < seconds < 60


def test_ctrl_c_ends_the_wait():
    with Processes("fail.py", "is_interrupted") as processes:
        deadline = time.monotonic() + 60
        while not all("WAITS" in processes.read(p) for p in (0, 1)):
            assert time.monotonic() < deadline, [processes.read(p) for p in (0, 1)]
            time.sleep(0.1)
        time.sleep(0.5)
        processes.send(0, signal.SIGINT)
        processes.running[0].wait(20)
        assert re.search(r"ERROR after \S+ s: KeyboardInterrupt", processes.read(0))
