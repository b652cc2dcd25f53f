"""Estimates rest on the Target they are given, on each of its figures."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import pytest

from jax_ascend import estimate, estimate_program
from jax_ascend.compiler.exchange_time import exchange_time
from jax_ascend.compiler.targets import TARGETS, Target, TargetError

F16 = jnp.float16


def shape(*dims):
    return jax.ShapeDtypeStruct(dims, F16)


def product(rows, inner, columns, dtype=F16):
    arguments = (rows, inner), (inner, columns), (columns,)
    return lambda x, w, b: x @ w + b, [jax.ShapeDtypeStruct(s, dtype) for s in arguments]


PROGRAMS = {
    "elementwise": (lambda x: x * 2 + 1, [shape(2048, 2048)]),
    "gather": (lambda x, i: x[i], [shape(4096, 256), jax.ShapeDtypeStruct((4096,), jnp.int32)]),
    "beyond the L2": (lambda x: x * 2 + 1, [shape(8192, 8192)]),
    "product": product(1024, 1024, 1024),
    "tall product": product(16, 4096, 1024),
    "f32 product": product(256, 512, 256, jnp.float32),
    "factor": (jnp.linalg.cholesky, [jax.ShapeDtypeStruct((256, 256), jnp.float32)]),
    "indexed loop": (lambda x: jax.lax.fori_loop(0, 50, lambda i, c: c.at[7 * i % 99].add(1), x), [shape(99)]),
    "host": (lambda x: jax.pure_callback(abs, x, x), [shape(512, 512)]),
}
MATTERS = {  # each figure: a program whose estimate depends on it, and another value
    "cube_cores": ("product", 12),
    "vector_cores": ("elementwise", 24),
    "clock": ("product", 0.9e9),
    "hbm_bandwidth": ("elementwise", 0.8e12),
    "hbm_read_efficiency": ("elementwise", 0.4),
    "hbm_write_efficiency": ("beyond the L2", 0.3),
    "hbm_mixed_efficiency": ("beyond the L2", 0.3),
    "l2_bytes": ("product", 2**20),
    "l2_line": ("product", 64),
    "l2_rate": ("product", 30.0),
    "l2_total": ("product", 0.4e12),
    "l1_bytes": ("product", 128 * 1024),
    "l0a_bytes": ("product", 16 * 1024),
    "l0b_bytes": ("product", 32 * 1024),
    "l0c_bytes": ("product", 32 * 1024),
    "ub_bytes": ("elementwise", 32 * 1024),
    "bt_bytes": ("product", 256),
    "ub_load_rate": ("elementwise", 5.0),
    "ub_store_rate": ("elementwise", 5.0),
    "l0a_rate": ("product", 20.0),
    "l0b_rate": ("product", 10.0),
    "fixp_start": ("product", 5000.0),
    "fixp_row": ("product", 50.0),
    "fixp_rate": ("product", 7.0),
    "mad_start": ("product", 500.0),
    "mad_f32_factor": ("f32 product", 20.0),
    "vector_start": ("elementwise", 3000.0),
    "vector_repeat_bytes": ("elementwise", 32),
    "vector_issue": ("elementwise", 0.1),
    "move_start": ("elementwise", 4000.0),
    "scalar_access": ("indexed loop", 400.0),
    "gather_row": ("gather", 200.0),
    "misaligned_efficiency": ("product", 0.1),  # its tiles are 256 bytes wide
    "aicpu_rate": ("factor", 1e9),
    "launch_dispatch": ("elementwise", 1e-3),
    "aicpu_bandwidth": ("factor", 1e9),
    "host_bandwidth": ("host", 1e8),
}
LINKS = {  # an exchange, the bytes of an operand, devices, and a worse figure
    "server_devices": ("all_gather", 1e7, 8, 4),
    "peer_bandwidth": ("collective_permute", 1e7, 8, 1e9),
    "exchange_bandwidth": ("all_gather", 1e7, 8, 1e9),
    "exchange_reduction": ("reduce_scatter", 1e7, 8, 1e9),
    "exchange_start": ("all_gather", 1e7, 8, 1e-3),
    "exchange_small_bytes": ("all_gather", 1e3, 8, 0),
    "exchange_small_start": ("all_reduce", 1e3, 8, 1e-3),
    "exchange_small_bandwidth": ("all_to_all", 1e3, 8, 1e6),
    "network_bandwidth": ("all_reduce", 1e7, 16, 1e8),
    "network_latency": ("collective_permute", 1e3, 16, 1e-3),
}
ELSEWHERE = {
    "name", "architecture",
    "hbm_bytes",  # tests/pjrt/test_configuration.py: the device's memory
    "fb_bytes",  # no instruction puts a tile into FB yet; the loader holds tiles to it
}  # fmt: skip
_seconds = {}


def seconds(program, device):
    if (program, device) not in _seconds:
        function, arguments = PROGRAMS[program]
        _seconds[program, device] = estimate(function, *arguments, target=device).seconds
    return _seconds[program, device]


def test_every_figure_is_accounted_for():
    assert {f.name for f in fields(Target)} == ELSEWHERE | set(MATTERS) | set(LINKS)


@pytest.mark.parametrize("figure", MATTERS)
def test_every_figure_matters(figure):
    program, value = MATTERS[figure]
    changes = {figure: value}
    if figure == "cube_cores":
        changes["vector_cores"] = 2 * value
    if figure == "vector_cores":
        changes["cube_cores"] = value // 2
    assert getattr(Target(), figure) != value
    before, after = seconds(program, Target()), seconds(program, replace(Target(), **changes))
    assert after != pytest.approx(before, rel=1e-3)
    if not figure.startswith("mad_f32") and figure != "l2_line":
        assert after > before  # each of these values is a worse one


@pytest.mark.parametrize("figure", LINKS)
def test_every_figure_of_links_matters(figure):
    *exchange, value = LINKS[figure]
    name, size, devices = exchange
    before, after = (
        exchange_time(name, size, [range(devices)], t).seconds for t in (Target(), replace(Target(), **{figure: value}))
    )
    assert after > 1.001 * before


def test_times_follow_bandwidth_and_clock():
    base, free = Target(), replace(Target(), launch_dispatch=0)
    tenth = replace(free, hbm_bandwidth=base.hbm_bandwidth / 10)
    assert seconds("beyond the L2", tenth) > 8 * seconds("beyond the L2", free)
    everything = replace(free, **{f: 2 * getattr(base, f) for f in ("clock", "hbm_bandwidth", "l2_total")})
    assert seconds("product", everything) == pytest.approx(seconds("product", free) / 2, rel=0.02)


def test_names_targets_and_files_are_the_same_thing(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "ascend910c"\nclock = 1.0e9\n')
    mine = replace(TARGETS["ascend910c"], name="mine", clock=1e9)
    found = estimate(*_flat("product"), target=str(path))
    assert found.target == mine and found.seconds == seconds("product", mine)
    assert estimate(*_flat("product"), target="ascend910c").seconds == seconds("product", TARGETS["ascend910c"])
    with pytest.raises(TargetError, match="there is no target 'ascend910d'"):
        estimate(*_flat("product"), target="ascend910d")


def _flat(program):
    return PROGRAMS[program][0], *PROGRAMS[program][1]


def test_a_program_is_timed_on_the_target_it_carries():
    from jax_ascend.compiler.program.program import Program

    slow = replace(Target(), name="slow", hbm_bandwidth=1e11)
    found = estimate(*_flat("elementwise"), target=slow)
    program = Program.decode(found.program.encode())
    assert program.target == slow and estimate_program(program).seconds == found.seconds
    program.target = Target()
    assert estimate_program(program).seconds < found.seconds / 5


@pytest.mark.parametrize(("text", "message"), [
    ("hbm_bandwith = 1", r"no field 'hbm_bandwith' \(did you mean hbm_bandwidth\?\)"),
    ("clock = -1.0", r"clock is unusable; expected a number from 1e\+06 to 1e\+11 \(Hz\), got -1.0"),
    ("clock = nan", "clock is unusable; .* got nan"),
    ('clock = "fast"', "clock is unusable; .* got 'fast'"),
    ("l1_bytes = 1.5", "l1_bytes is unusable; expected an integer from 512 to 67108864"),
    ("l1_bytes = 1_000_000_000_000", "l1_bytes is unusable"),
    ("ub_bytes = true", "ub_bytes is unusable"),
    ("cube_cores = 20", "vector_cores is unusable; expected 2 per cube core, 40, got 48"),
    ('architecture = "a9"', "architecture is unusable; expected one of a2a3, a5, got 'a9'"),
    ('name = "my device"', "name is unusable"),
    ("clock = ", "expected TOML"),
])  # fmt: skip
def test_files_are_refused_by_name_and_field(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(f'base = "ascend910b"\n{text}\n')
    with pytest.raises(TargetError, match=rf"\[target {path}\] .*{message}"):
        estimate(jnp.sin, 1.0, target=str(path))


def test_a_file_without_a_base_says_everything(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("clock = 1.0e9\n")
    with pytest.raises(TargetError, match=r"\] architecture, .* missing; expected every field, or base"):
        estimate(jnp.sin, 1.0, target=str(path))
    with pytest.raises(TargetError, match=r"nowhere.toml\] the file cannot be read"):
        estimate(jnp.sin, 1.0, target=str(tmp_path / "nowhere.toml"))
