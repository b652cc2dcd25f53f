"""The StableHLO test data against the device: every failure is in the list, and is a clean one.

The data (openxla/stablehlo's `stablehlo/testdata`) is not part of this project; the environment
variable STABLEHLO_DATA says where it is unpacked.
"""

import os
import re

import pytest
from run_conformance import SUITES, find_modules, known_failures, run_all

PLATFORM = os.environ.get("TEST_PLATFORM", "ascend")
CASES = [c for suite in SUITES for c in find_modules(os.environ.get("STABLEHLO_DATA", "/nonexistent"), suite=suite)]
UPDATE = "Run python tests/conformance/run_conformance.py --update after a deliberate change."


@pytest.fixture(scope="module")
def records():
    if not CASES:
        pytest.skip("STABLEHLO_DATA does not name a directory that holds stablehlo/testdata/*.mlir")
    return run_all(CASES, PLATFORM, workers=os.cpu_count())


def test_only_known_modules_fail(records):
    known = known_failures()
    new = [r for r in records if r["status"] != known.get(r["name"], "pass") and r["status"] != "pass"]
    assert not new, "\n".join(f"{r['status']} {r['name']}: {r['message']}" for r in new) + f"\n{UPDATE}"


def test_the_list_of_known_failures_is_not_stale(records):
    passed = {r["name"] for r in records if r["status"] == "pass"} & set(known_failures())
    assert not passed, f"these pass now: {sorted(passed)}. {UPDATE}"


def test_no_module_ends_the_process_or_hangs(records):
    known = known_failures()  # two examples end jaxlib's own reader of their constants
    bad = [r["name"] for r in records if r["status"] in ("crash", "timeout") and known.get(r["name"]) != r["status"]]
    assert bad == []


def test_what_is_unsupported_is_named(records):
    nameless = [
        r["name"]
        for r in records
        if r["status"] == "unsupported" and not re.search(r"\b(stablehlo|chlo)\.\w+", r["message"])
    ]
    assert nameless == []
