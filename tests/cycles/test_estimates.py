"""What an estimate says: what it accepts, its rows, tables and files, and what they can never claim."""

import csv
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jax_ascend
from jax_ascend import estimate, estimate_program
from jax_ascend.compiler.errors import InvalidInputError, ModuleFormatError, TargetError
from jax_ascend.compiler.targets import TARGETS, Target


def shape(*dims, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(dims, dtype)


def block(x, w, v):
    with jax.named_scope("mlp"):
        y = jax.nn.gelu(x @ w)
    with jax.named_scope("out"):
        return jax.nn.softmax(y @ v)


ARGUMENTS = [shape(512, 256), shape(256, 1024), shape(1024, 256)]
SECONDS = estimate(block, *ARGUMENTS).seconds


def lowered():
    return jax.jit(block).trace(*ARGUMENTS).lower(lowering_platforms=("ascend",))


def exported():
    return jax.export.export(jax.jit(block), platforms=["ascend"])(*ARGUMENTS)


def compiled():
    with jax.default_device(jax.devices("ascend")[0]):
        return jax.jit(block).lower(*ARGUMENTS).compile()


@pytest.mark.parametrize("make", [lowered, exported, compiled, lambda: lowered().as_text().encode()])
def test_what_jax_makes_of_a_function_is_estimated_as_the_function(make):
    assert estimate(make()).seconds == pytest.approx(SECONDS, rel=1e-12)


@pytest.mark.parametrize("kind", ["text", "program"])
def test_files(kind, tmp_path):
    path = tmp_path / "a file"
    program = estimate(block, *ARGUMENTS).program
    path.write_bytes(program.encode() if kind == "program" else lowered().as_text().encode())
    assert estimate(path).seconds == estimate(str(path)).seconds == pytest.approx(SECONDS, rel=1e-12)


def test_keyword_and_static_arguments():
    def f(x, n, *, scale, mode="sum"):
        y = functools.reduce(lambda y, _: jnp.sin(y @ y), range(n), x)
        return (y.sum() if mode == "sum" else y) * scale

    x, scale = shape(64, 64), shape()
    once, thrice = (estimate(f, x, n, static_argnums=1, scale=scale) for n in (1, 3))
    assert thrice.seconds > once.seconds
    jitted = jax.jit(f, static_argnames=("n", "mode"))
    assert estimate(jitted, x, n=3, scale=scale).seconds == thrice.seconds
    assert estimate(jitted, x, n=3, scale=scale, mode="").seconds != thrice.seconds


def test_compiled_programs_keep_their_target_and_others_are_compiled_again():
    other = estimate(block, *ARGUMENTS, target="ascend950")
    assert estimate(other.program).target.name == "ascend950"
    assert estimate(other.program, target="ascend910b").seconds == pytest.approx(SECONDS, rel=1e-12)
    other.program.stablehlo = b""
    with pytest.raises(InvalidInputError, match="does not carry its StableHLO"):
        estimate(other.program, target="ascend910b")


def test_the_environment_chooses_the_target(monkeypatch):
    monkeypatch.setenv("JAX_ASCEND_TARGET", "ascend950")
    assert estimate(block, *ARGUMENTS).target.name == "ascend950"
    assert estimate(block, *ARGUMENTS, target="ascend910b").seconds == SECONDS
    monkeypatch.setenv("JAX_ASCEND_TARGET", "ascend999")
    with pytest.raises(TargetError, match="ascend999"):
        estimate(block, *ARGUMENTS)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ([3], InvalidInputError, "got a int; expected a function"),
        (["nowhere.mlir"], InvalidInputError, "nowhere.mlir] cannot be read"),
        ([b"nonsense"], ModuleFormatError, "cannot read the program"),
        ([b"ASCENDPG and no more"], InvalidInputError, "header is cut short"),
    ],
)
def test_what_is_none_of_these_is_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        estimate(*arguments)


def test_arguments_of_what_has_its_own_are_refused():
    with pytest.raises(InvalidInputError, match="has its arguments already"):
        estimate(lowered(), *ARGUMENTS)
    with pytest.raises(InvalidInputError, match="jitted"):
        estimate(jax.jit(block), *ARGUMENTS, static_argnums=1)
    cpu = jax.jit(block).trace(*ARGUMENTS).lower(lowering_platforms=("cpu",)).compile()
    with pytest.raises(InvalidInputError, match="expected one for ascend"):
        estimate(cpu)


def test_rows_lead_to_lines_and_scopes():
    found = estimate(block, *ARGUMENTS)
    first = block.__code__.co_firstlineno
    assert {r.line for r in found.kernels} == {f"{__file__}:{first + 2}", f"{__file__}:{first + 4}"}
    assert {r.scope for r in found.kernels} == {"mlp", "out"}
    for by in ("kernel", "launch", "line", "scope"):
        rows = found.by(by)
        assert sum(r.seconds for r in rows) == pytest.approx(found.seconds)
        assert sum(r.share for r in rows) == pytest.approx(1)
        assert [r.seconds for r in rows] == sorted((r.seconds for r in rows), reverse=True)
    assert {r.name for r in found.by("scope")} == {"mlp", "out"}


def test_flops_and_bytes_are_those_of_the_product():
    found = estimate(jnp.dot, shape(1024, 512, dtype=jnp.float16), shape(512, 2048, dtype=jnp.float16))
    assert found.flops == 2 * 1024 * 512 * 2048
    assert found.bytes["HBM read"] == 2 * (1024 * 512 + 512 * 2048)
    assert found.bytes["L0C to GM"] == 2 * 1024 * 2048 == found.bytes["L2 written"]
    assert found.bytes["GM to L1"] >= found.bytes["HBM read"]
    add = estimate(jnp.add, shape(1000, 1000), shape(1000, 1000))
    assert add.flops == 1e6 and add.bytes["GM to UB"] == 8e6 and add.bytes["UB to GM"] == 4e6


BOUND = {  # what bounds it -> a function and its arguments
    "cube": (jnp.dot, [shape(4096, 4096)] * 2),
    "HBM": (jnp.add, [shape(8192, 8192)] * 2),
    "launch": (jnp.add, [shape(8)] * 2),
    "vector": (lambda x: functools.reduce(lambda y, _: jnp.sin(y) + 1, range(9), x), [shape(2048, 2048)]),
    "AICPU": (jnp.linalg.cholesky, [shape(512, 512)]),
}


@pytest.mark.parametrize("bound", BOUND)
def test_what_bounds_a_kernel(bound):
    function, arguments = BOUND[bound]
    worst = estimate(function, *arguments).by("kernel")[0]
    assert worst.bound.split(",")[0] == bound


def test_kernels_that_use_few_cores_say_so():
    def f(x):
        return lax.fori_loop(0, 2000, lambda i, y: y * 1.01 + 1, x)

    assert ", on 1 of 48 vector cores" in estimate(f, shape(8, 128)).by("kernel")[0].bound


def test_a_kernel_of_the_scalar_unit_alone_says_so():
    found = estimate(lambda x: lax.fori_loop(0, 100_000, lambda i, c: c * 3 + i, x), shape(dtype=jnp.int32))
    row = max(found.kernels, key=lambda r: r.seconds)
    assert row.bound == "scalar unit of the vector core" and str(found)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("bound", BOUND)
def test_nothing_is_busier_than_always_or_faster_than_the_roofline(bound, target):
    function, arguments = BOUND[bound]
    found = estimate(function, *arguments, target=target)
    for row in [*found.kernels, *found.launches, *found.by("line"), *found.by("scope")]:
        assert all(0 <= ratio <= 1 + 1e-9 for ratio in row.busy.values()), row
        assert 0 <= row.roofline <= 1 + 1e-9, row
        assert 0 <= row.assumed <= row.seconds and 0 < row.dispatch <= row.seconds, row
    assert 0 <= found.roofline <= 1 and 0 <= found.assumed <= 1


def test_assumed_shares():
    assert estimate(jnp.add, shape(1000, 1000), shape(1000, 1000)).assumed == 0
    assert estimate(jnp.linalg.cholesky, shape(512, 512)).assumed > 0.9
    gather = estimate(lambda x, i: x[i], shape(1 << 16), shape(1 << 16, dtype=jnp.int32))
    assert 0.1 < gather.assumed < 1


def test_a_loop_counts_its_trips():
    def f(x, w):
        return lax.scan(lambda c, w: (jnp.tanh(c @ w), None), x, w)[0]

    found = estimate(f, shape(256, 512), shape(50, 512, 512))
    product = next(r for r in found.kernels if r.core in ("aic", "mix"))
    assert product.launches == 50 and product.scope.startswith("while/body")


def test_peak_memory_is_of_the_arrays_that_are_live():
    def f(x):
        y = jnp.sort(x)  # both are needed after the other
        return jnp.sort(-y) + y

    found = estimate(f, shape(1 << 20))
    time, peak = found.memory.peak
    assert peak <= found.memory.allocated
    assert peak >= 3 * 4 << 20
    live = found.memory.at(time)
    assert sum(b.bytes for b in live) == peak
    assert {"x"} < {b.name for b in live}


def test_tables_sort_and_cut():
    found = estimate(block, *ARGUMENTS)
    text = found.table(sort="hbm_bytes", rows=1)
    assert text.count("matmul") == 1 and "in 2 more" in text
    assert f"{__file__.split('/')[-2]}/{__file__.split('/')[-1]}:" in text
    assert found.table("line") and found.table("scope", sort="aic_mac_ratio")
    with pytest.raises(ValueError, match="sorted by one of blocks, launches"):
        found.table(sort="nonsense")
    with pytest.raises(ValueError, match="kernel, launch, line or scope"):
        found.table("file")


def test_json_and_html():
    found = estimate(lambda x, _a_b: (x @ x, _a_b + 1), shape(300, 300), shape(30))
    assert json.loads(json.dumps(found.to_dict()))["kernels"][0]["line"]
    page = found._repr_html_()
    assert "&lt;lambda&gt;" in page or "lambda" in page
    assert "<script" not in page and page.count("<tr>") == 1 + len(found.kernels)


def test_csv_has_msprofs_columns(tmp_path):
    found = estimate(block, *ARGUMENTS)
    found.to_csv(tmp_path / "new")
    with (tmp_path / "new" / "op_summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:13] == [
        "Device_id", "Model ID", "Task ID", "Stream ID", "Op Name", "OP Type", "OP State", "Task Type", "Task Start Time(us)",
        "Task Duration(us)", "Task Wait Time(us)", "Block Dim", "Mix Block Dim",
    ]  # fmt: skip
    total = sum(int(r["Count"]) * (float(r["Task Duration(us)"]) + float(r["Task Wait Time(us)"])) for r in rows)
    assert total == pytest.approx(found.seconds * 1e6, rel=1e-3)
    with (tmp_path / "new" / "PipeUtilization.csv").open() as file:
        pipes = list(csv.DictReader(file))
    assert len(pipes) == len(found.kernels) and {"aic_cube_ratio", "aic_cube_time(us)", "aiv_vec_ratio"} <= set(
        pipes[0]
    )


def test_comparing_targets_and_versions():
    a, b = (estimate(block, *ARGUMENTS, target=t) for t in ("ascend910b", "ascend950"))
    found = a.compare(b)
    assert sum(c.seconds for c in found.changes) == pytest.approx(b.seconds - a.seconds)
    assert "ascend910b" in str(found) and "ascend950" in str(found)
    assert all(c.seconds == 0 and not c.why for c in a.compare(a).changes)
    other = estimate(block, shape(512, 256), shape(256, 2048), shape(2048, 256))
    changes = a.compare(other).changes
    assert all(c.before and c.after for c in changes), (
        "kernels of one line and scope are paired though their names differ"
    )
    assert any("was matmul" in c.why for c in changes)
    assert sum(c.seconds for c in changes) == pytest.approx(other.seconds - a.seconds)
    json.dumps(found.to_dict())


def test_programs_that_do_nothing():
    found = estimate(lambda x: x, shape(4))
    assert found.seconds >= 0 and str(found) and found._repr_html_()
    nothing = estimate(lambda: ())
    assert nothing.seconds == 0 and nothing.roofline == 0 and str(nothing) and str(nothing.compare(nothing))


def test_zero_sizes_and_no_debug_section():
    found = estimate(lambda x: x * 2, shape(0, 5))
    assert str(found)
    program = estimate(block, *ARGUMENTS).program
    program.debug = b""
    bare = estimate_program(program)
    assert bare.seconds == SECONDS and bare.kernels[0].line == "" and bare.kernels[0].scope == ""
    assert [r.name for r in bare.by("line")] == ["unknown"]
    assert str(bare) and bare.memory.buffers[0].name == "parameter 0"


def test_a_half_as_fast_hbm_is_seen_where_it_matters():
    half = Target(name="half", hbm_bandwidth=Target().hbm_bandwidth / 2)
    arguments = [shape(8192, 8192)] * 2
    change = estimate(jnp.add, *arguments).compare(estimate(jnp.add, *arguments, target=half))
    assert 1.9 < change.after.seconds / change.before.seconds < 2.1
    np.testing.assert_allclose(change.changes[0].seconds, change.after.seconds - change.before.seconds)


def test_the_package_offers_it():
    assert {"estimate", "estimate_program", "Estimate"} <= set(jax_ascend.__all__)
