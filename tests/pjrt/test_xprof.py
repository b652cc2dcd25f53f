"""jax.profiler.trace shows the device: its kernels stand in the XSpace that is written, and XProf makes its tables of them."""

import itertools
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.profiler import ProfileData

import jax_ascend
from jax_ascend.compiler.errors import InvalidInputError

LINES = ["Steps", "XLA Modules", "XLA Ops"]


@jax.jit
def layer(x, w):
    with jax.named_scope("layer"):
        return jnp.tanh(x @ w), jnp.sort(x.reshape(-1))


@jax.jit
def tail(x):
    return lax.fori_loop(0, 5, lambda i, x: jnp.roll(x @ x, i), x) - 1


@pytest.fixture
def x(device):
    return jax.device_put(np.ones((512, 512), np.float32), device)


def trace(directory, run):
    with jax.profiler.trace(directory):
        run()
    (file,) = directory.glob("plugins/profile/*/*.xplane.pb")
    return file


def device_planes(file):
    planes = [p for p in ProfileData.from_file(str(file)).planes if p.name.startswith("/device:TPU:")]
    return {p.name: {line.name: list(line.events) for line in p.lines} for p in planes}


def train(x, steps=3):
    for step in range(steps):
        with jax.profiler.StepTraceAnnotation("train", step_num=step):
            jax.block_until_ready(layer(x, x)), jax.block_until_ready(tail(x))


def test_planes_hold_what_a_profile_simulates(tmp_path, x):
    train(x)
    with jax_ascend.profile() as expected:
        train(x)
    planes = device_planes(trace(tmp_path, lambda: train(x)))
    (lines,) = planes.values()
    assert list(planes) == ["/device:TPU:0"] and list(lines) == LINES
    runs = [r for r in expected.runs if r.name in ("jit_layer", "jit_tail")]
    assert [e.name for e in lines["XLA Modules"]] == ["jit_layer(1)", "jit_tail(2)"] * 3
    for event, run in zip(lines["XLA Modules"], runs, strict=True):
        assert event.duration_ns == pytest.approx(run.simulation.seconds * 1e9, abs=2)
    seconds = {}
    for e in lines["XLA Ops"]:
        seconds[e.name] = seconds.get(e.name, 0.0) + e.duration_ns / 1e9
    for row in expected.rows():
        assert seconds.pop(row.row.name) == pytest.approx(
            row.row.seconds - row.row.dispatch, abs=1e-9 * row.row.launches
        )
    assert seconds == {}
    # Each kernel lies in a run, each run in a step, and what follows on a line begins when that before it has ended.
    for inner, outer in (("XLA Ops", "XLA Modules"), ("XLA Modules", "Steps")):
        spans = [(o.start_ns, o.start_ns + o.duration_ns) for o in lines[outer]]
        assert all(
            any(a - 1 <= e.start_ns and e.start_ns + e.duration_ns <= b + 1 for a, b in spans) for e in lines[inner]
        )
        assert all(a[1] <= b[0] + 1 for a, b in itertools.pairwise(spans))
    # The host's calls of the runs are theirs.
    host = [p for p in ProfileData.from_file(str(next(tmp_path.rglob("*.xplane.pb")))).planes if p.name == "/host:CPU"]
    called = [v for line in host[0].lines for e in line.events for k, v in e.stats if k == "_p"]
    assert [dict(e.stats)["_c"] for e in lines["XLA Modules"]] == called


def test_each_device_has_a_plane(tmp_path, device, other_device):
    inputs = [jax.device_put(np.ones((64, 64), np.float32), d) for d in (device, other_device)]
    planes = device_planes(trace(tmp_path, lambda: [tail(x) for x in inputs]))
    assert list(planes) == ["/device:TPU:0", "/device:TPU:1"]
    assert all(len(lines["XLA Modules"]) == 1 for lines in planes.values())


def test_a_trace_without_runs_and_one_with_an_exception(tmp_path, x):
    assert device_planes(trace(tmp_path / "none", lambda: None)) == {}

    def fails():
        train(x, 2)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        trace(tmp_path / "error", fails)
    (file,) = (tmp_path / "error").rglob("*.xplane.pb")
    assert len(device_planes(file)["/device:TPU:0"]["XLA Modules"]) == 4
    assert len(device_planes(trace(tmp_path / "again", lambda: train(x, 1)))["/device:TPU:0"]["XLA Modules"]) == 2


def test_a_profile_inside_or_around_is_refused_and_the_host_is_traced(tmp_path, x):
    with jax_ascend.profile() as found:
        assert device_planes(trace(tmp_path, lambda: train(x, 1))) == {}
    assert len(found.runs) == 2
    refused = pytest.raises(InvalidInputError, match="one profile at a time")
    with jax.profiler.trace(tmp_path / "outer"), refused, jax_ascend.profile():
        pass


CONVERT = """
import json, sys
from xprof.convert import raw_to_tool_data
for tool in sys.argv[2:]:
    data, _ = raw_to_tool_data.xspace_to_tool_data([sys.argv[1]], tool, {})
    print(json.dumps(data.decode() if isinstance(data, bytes) else data))
"""


def test_xprof_lists_the_kernels(tmp_path, x):
    """Its converters run in a process of their own: they bring another copy of protocol buffers."""
    pytest.importorskip("xprof", reason="XProf is not installed")
    file = trace(tmp_path, lambda: train(x))
    tools = ["overview_page", "op_profile", "trace_viewer", "hlo_stats"]
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, str(file), *tools], capture_output=True, text=True, check=True
    )
    overview, operations, timeline, statistics = (json.loads(json.loads(line)) for line in done.stdout.splitlines())
    (lines,) = device_planes(file).values()
    names = {e.name for e in lines["XLA Ops"]}
    assert len(names) >= 3

    def column(table, label):
        place = next(i for i, c in enumerate(table["cols"]) if c["label"] == label)
        return [row["c"][place]["v"] for row in table["rows"]]

    assert {name.rsplit("/", 1)[-1] for name in column(overview[0], "Operation")} - {"IDLE"} == names
    assert float(overview[1]["p"]["active_steptime_ms_average"]) > 0
    programs = [c for c in operations["byProgram"]["children"] if c["name"] != "IDLE"]

    def leaves(node):
        return [x for child in node["children"] for x in leaves(child)] if node["children"] else [node]

    kernels = {leaf["name"]: leaf for program in programs for leaf in leaves(program)}
    assert kernels.keys() == names
    product = next(k for name, k in kernels.items() if "tanh" in name)
    assert product["xla"]["sourceInfo"]["fileName"] == __file__
    shown = {e["name"]: e for e in timeline["traceEvents"] if "hlo_category" in e.get("args", {})}
    assert shown.keys() == names
    about = next(e["args"] for name, e in shown.items() if "tanh" in name)
    assert int(about["model_flops"]) >= 2 * 512**3 and int(about["bytes_accessed"]) >= 3 * 512 * 512 * 4
    assert about["tf_op"].startswith("jit_layer/layer/matmul") and about["source"].startswith(f"{__file__}:")
    assert shown["sort"]["args"]["hlo_category"] == "AICPU kernel"
    steps = [e["args"]["step_name"] for e in timeline["traceEvents"] if "step_idle_time_ps" in e.get("args", {})]
    assert steps == ["train 0", "train 1", "train 2"]
    assert set(column(statistics, "HLO op name")) == names
    assert any(
        line.startswith(f"<div class='source-info-cell' title='{__file__}")
        for line in column(statistics, "Source Info")
    )
