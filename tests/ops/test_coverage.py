"""The gate: every StableHLO op that the front end accepts is in some case of the table."""

import importlib
import re
from pathlib import Path

import jax
from case import PLATFORM, checks

from jax_ascend.compiler import frontend

FAMILIES = sorted({p.stem for p in Path(__file__).parent.glob("test_*.py")} - {"test_case", "test_coverage"})
OP = re.compile(r'^\s*(?:%[^=]+= )?"?((?:stablehlo|chlo|func)\.\w+|return|call)\b', re.MULTILINE)


def ops_of_the_table():
    """Return the names of all ops in the modules that the cases are lowered to, in one type and mode each."""
    found = set()
    for family in FAMILIES:
        seen = set()
        for check in checks(getattr(importlib.import_module(family), "CASES", ())):
            if check.mode == "eager" or (check.case.name, check.mode) in seen:
                continue
            seen.add((check.case.name, check.mode))
            with check.x64():
                traced = jax.jit(check.function(PLATFORM)).trace(*check.inputs())
                text = traced.lower(lowering_platforms=(PLATFORM,)).as_text()
            found |= set(OP.findall(text))
    return found


def test_every_accepted_op_is_in_the_table():
    missing = {op for op in frontend.accepted_ops() if op.startswith(("stablehlo.", "chlo."))} - ops_of_the_table()
    assert not missing, f"accepted, but in no case of tests/ops: {sorted(missing)}. Add a case for each."
