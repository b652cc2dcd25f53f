"""Programs over eight devices of two and of four processes: the same bits as on eight of one."""

import json
from functools import cache

import jax
import numpy as np
import pytest
from jax.sharding import Mesh
from launching import require_transport, run
from shared_programs import ALL, digests


@cache
def found(processes):
    outputs = run("run_programs.py", count=processes, devices=8 // processes)
    lines = [next(line for line in output.splitlines() if line.startswith("RESULTS")) for output in outputs]
    return [json.loads(line.partition(" ")[2]) for line in lines]


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("program", ALL, ids=lambda p: p.__name__)
def test_the_bits_of_one_process(program, processes):
    require_transport()
    expected = digests(program, Mesh(np.array(jax.devices("ascend")), ("i",)))
    parts = [results[program.__name__] for results in found(processes)]
    assert all(parts) and sum(map(len, parts)) == len(expected)
    assert {k: v for part in parts for k, v in part.items()} == expected
