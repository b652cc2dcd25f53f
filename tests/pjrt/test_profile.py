"""jax_ascend.profile: what ran is what is recorded, by whichever thread, however it ends."""

import json
import re
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jax_ascend
from jax_ascend import _plugin
from jax_ascend.compiler.errors import InvalidInputError
from jax_ascend.views import si

sys.path.append(str(Path(__file__).parents[1] / "cycles"))
from test_traces import Decoded


@pytest.fixture(autouse=True)
def on_the_device():
    with jax.default_device(jax.devices("ascend")[0]):
        yield


@jax.jit
def looping(x, n):
    x, _ = lax.while_loop(lambda c: c[1] < n, lambda c: (jnp.tanh(c[0] @ c[0]), c[1] + 1), (x, 0))
    return lax.cond(n > 3, lambda x: jnp.sort(x.reshape(-1)).reshape(x.shape), lambda x: x @ x, x)


X = np.ones((256, 256), np.float32)


def there(x):  # the default device is of a thread
    return jax.device_put(x, jax.devices("ascend")[0])


def test_trips_and_branches_are_those_that_ran():
    jax.block_until_ready(looping(X, 1))
    with jax_ascend.profile() as found:
        for n in (2, 5, 2, 0):
            jax.block_until_ready(looping(X, n))
    assert [r.name for r in found.runs] == ["jit_looping"] * 4
    decisions = [[c.decision for c in r.commands if c.decision >= 0] for r in found.runs]
    assert [d[0] for d in decisions] == [2, 5, 2, 0]
    assert decisions[1][1] != decisions[0][1] == decisions[2][1] == decisions[3][1]
    rows = {r.row.name: r for r in found.rows()}
    product = next(r for name, r in rows.items() if "tanh" in name)
    assert product.row.launches == 2 + 5 + 2 + 0
    assert rows["sort"].row.launches == 1
    seconds = [r.simulation.seconds for r in found.runs]
    assert seconds[3] < seconds[2] < seconds[1]
    assert sum(r.row.seconds for r in rows.values()) == pytest.approx(found.simulated)
    for r in found.runs:
        assert 0 <= r.accepted <= r.start <= r.end <= found.seconds
        assert all(r.start <= c.start <= c.end <= r.end for c in r.commands)
    assert all(r.host_seconds > 0 for r in rows.values())


def test_a_first_run_costs_what_an_estimate_says():
    def f(x, w):
        return jax.nn.softmax(x @ w)

    y = jax.jit(f)
    with jax_ascend.profile() as found:
        for _ in range(3):
            jax.block_until_ready(y(X, X))
    cold, warm = (jax_ascend.estimate(f, X, X, l2=l2) for l2 in ("cold", "warm"))
    runs = [r.simulation.seconds for r in found.runs if r.name == "jit_f"]
    assert runs == pytest.approx([cold.seconds, warm.seconds, warm.seconds])
    assert found.rows()[0].row.line == f"{__file__}:{f.__code__.co_firstlineno + 1}"


def test_what_it_writes(tmp_path):
    folder = tmp_path / "new" / "folder"
    with jax_ascend.profile(folder) as found:
        y = looping(jax.device_put(X), 2)
        jax.block_until_ready(y)
    assert {p.name for p in folder.iterdir()} == {
        "summary.txt", "profile.json", "kernels.csv", "trace.pftrace", "report.html",
    }  # fmt: skip
    assert (folder / "summary.txt").read_text() == f"{found}\n"
    told = json.loads((folder / "profile.json").read_text())
    assert told["runs"][-1]["decisions"][0][2] == 2 and told["error"] == ""
    trace = Decoded((folder / "trace.pftrace").read_bytes())
    assert {path[0] for path in trace.tracks.values()} == {"host, device 0", "simulated device 0"}
    simulated = sum(end - start for path, _, start, end, _ in trace.slices if path[1:] == ("programs",)) / 1e9
    assert simulated == pytest.approx(found.simulated, rel=0.01)
    assert any(name == "loop x 2" and path[1] == "commands" for path, name, _, _, _ in trace.slices)
    (to_device,) = (s for s in trace.slices if s[0][1] == "to device" and s[4]["bytes"] == X.nbytes)
    assert to_device[1] == f"{X.nbytes} B"
    lanes = {path[1] for path in trace.tracks.values() if len(path) > 1}
    assert {"queued", "runs", "commands", "gaps", "kernels", "dispatch", "AI core 0 cube"} <= lanes


def page_of(file):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', file.read_text(), flags=re.S)
    return json.loads(text)


def test_the_report_has_what_ran(tmp_path):
    other = jax.jit(lambda x: jnp.cumsum(x) + 1)
    with jax_ascend.profile(tmp_path) as found:
        for n in (2, 5):
            jax.block_until_ready((looping(X, n), other(X)))
    page = page_of(tmp_path / "report.html")
    assert page["meta"]["seconds"] == pytest.approx(found.simulated)
    for rows in ("kernels", "lines", "scopes"):
        assert sum(r["seconds"] for r in page[rows]) == pytest.approx(found.simulated)
        assert sum(r["launches"] for r in page[rows]) == sum(r.row.launches for r in found.rows())
    product = next(k for k in page["kernels"] if "tanh" in k["name"])
    assert product["launches"] == 2 + 5 and product["host"] > 0
    e = page["events"]
    ends = [s + n * (d + t) for s, n, d, t in zip(e["start"], e["times"], e["dispatch"], e["seconds"], strict=True)]
    assert max(ends) == pytest.approx(found.simulated, rel=1e-6)
    drawn = [t for t, k in zip(ends, e["kernel"], strict=True) if k >= 0]
    assert drawn == sorted(drawn), "one after the other"
    assert page["memory"]["at_peak"] and page["what_if"] == []


def test_several_devices_have_times_of_their_own(tmp_path):
    one, two = (jax.device_put(X, d) for d in jax.devices("ascend")[:2])
    with jax_ascend.profile(tmp_path) as found:
        jax.block_until_ready([looping(one, 1), looping(two, 9)])
    seconds = [found.simulated_on(d) for d in found.devices]
    assert len(seconds) == 2 and found.simulated == max(seconds) == seconds[1] > seconds[0] > 0
    assert f"0: {si(seconds[0], 's')}, 1: {si(seconds[1], 's')}" in str(found)
    assert sum(r.row.share for r in found.rows()) == pytest.approx(1)
    assert sum(r.row.seconds for r in found.rows(1)) == pytest.approx(seconds[1])
    pages = [page_of(tmp_path / f"report-{d}.html") for d in (0, 1)]
    assert [p["meta"]["seconds"] for p in pages] == pytest.approx(seconds)
    told = json.loads((tmp_path / "profile.json").read_text())
    assert told["simulated"] == found.simulated and told["devices"] == {"0": seconds[0], "1": seconds[1]}


def test_gaps_are_when_the_device_has_nothing_to_do():
    y = looping(X, 1)
    jax.block_until_ready(y)
    with jax_ascend.profile() as found:
        jax.block_until_ready(looping(X, 1))
        event = threading.Event()
        event.wait(0.05)
        jax.block_until_ready(looping(X, 1))
    assert max(end - start for start, end in found.gaps()) >= 0.05


def test_one_profile_at_a_time():
    with jax_ascend.profile() as outer:
        with pytest.raises(InvalidInputError, match="one profile at a time"), jax_ascend.profile():
            pass
        jax.block_until_ready(looping(X, 1))
    assert outer.runs
    with jax_ascend.profile() as again:
        pass
    assert again.runs == [] and str(again)


def test_an_exception_inside_is_written_and_goes_on(tmp_path):
    with pytest.raises(KeyError, match="mine"), jax_ascend.profile(tmp_path) as found:
        looping(X, 4)
        raise KeyError("mine")
    assert found.error == "KeyError: 'mine'"
    assert json.loads((tmp_path / "profile.json").read_text())["error"] == found.error
    assert [r.name for r in found.runs][-1] == "jit_looping", "what was accepted inside is waited for"
    with jax_ascend.profile():
        pass


def test_runs_that_fail_are_told_apart():
    def fails(x):
        raise ValueError("no")

    @jax.jit
    def f(x):
        return jax.pure_callback(fails, x, x + 1) * 2

    with jax_ascend.profile() as found:
        with pytest.raises(Exception, match="no"):
            jax.block_until_ready(f(X))
        jax.block_until_ready(looping(X, 1))
    failed, last = found.runs[0], found.runs[-1]
    assert failed.failed and failed.simulation is None
    assert not last.failed and last.simulation is not None
    assert "1 runs failed" in str(found)


def test_runs_that_are_away_in_callbacks_overlap(tmp_path):
    @jax.jit
    def outer(x):
        return jax.pure_callback(lambda x: np.asarray(looping(there(X), 2)) + 0 * np.asarray(x), x, x + 1)

    with jax_ascend.profile(tmp_path) as found:
        jax.block_until_ready(outer(X))
    assert {"jit_outer", "jit_looping"} <= {r.name for r in found.runs}
    Decoded((tmp_path / "trace.pftrace").read_bytes())


def test_all_threads_are_recorded():
    @jax.jit
    def f(x):
        return jnp.sin(x) @ x

    jax.block_until_ready(f(X))

    def work():
        for _ in range(10):
            jax.block_until_ready(f(there(X)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    with jax_ascend.profile() as found:
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert sum(r.name == "jit_f" for r in found.runs) == 40
    assert len({id(r.program) for r in found.runs}) == 1
    assert all(r.simulation for r in found.runs)


def test_profiles_begin_and_end_while_other_threads_work():
    @jax.jit
    def f(x):
        return lax.fori_loop(0, 20, lambda i, x: jnp.tanh(x @ x), x)

    stop = threading.Event()

    def work():
        while not stop.is_set():
            jax.block_until_ready(f(there(X)))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(10):
            with jax_ascend.profile() as found:
                jax.block_until_ready(f(X))
            assert found.runs and all(r.commands for r in found.runs if not r.failed)
    finally:
        stop.set()
        thread.join()


def test_beyond_the_limit_commands_are_counted():
    with jax_ascend.profile(most_commands=5) as found:
        jax.block_until_ready(looping(X, 30))
        jax.block_until_ready(looping(X, 1))
    assert sum(len(r.commands) for r in found.runs) == 5 and found.unrecorded > 50
    assert not any(r.simulation for r in found.runs if r.name == "jit_looping")
    assert "beyond the limit" in str(found)


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match="cannot be written"), jax_ascend.profile(tmp_path / "file"):
        raise AssertionError("not entered")
    with jax_ascend.profile():
        pass


def test_nothing_is_recorded_when_nobody_asks():
    jax.block_until_ready(looping(X, 2))
    assert _plugin.stop_recording() is None
