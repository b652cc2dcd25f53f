"""The commands estimate, profile and targets, as they are typed."""

import csv
import json
import os
import subprocess
import sys
import time

import pytest

from jax_ascend.cli import main, progress

MODULE = """
import jax, jax.numpy as jnp

def block(x, w):
    with jax.named_scope("mlp"):
        return jnp.tanh(x @ w)

def arguments():
    return [jax.ShapeDtypeStruct((256, 128), jnp.float32), jax.ShapeDtypeStruct((128, 64), jnp.float32)]

def broken():
    raise ZeroDivisionError("mine")
"""


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "net_of_mine.py"
    path.write_text(MODULE)
    yield path
    sys.modules.pop("net_of_mine", None)
    sys.path.remove(str(tmp_path)) if str(tmp_path) in sys.path else None


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_estimate_prints_and_writes(module, tmp_path, capsys):
    files = [tmp_path / n for n in ("r.html", "t.pftrace", "csv", "e.json")]
    options = [x for pair in zip(("--report", "--trace", "--csv", "--json"), files, strict=True) for x in pair]
    status, out, err = run(capsys, "estimate", f"{module}:block", "--example", "arguments", *options)
    assert status == 0 and err == ""
    assert "net_of_mine.py:6" in out and "mlp" in out and "jit_block on ascend910b" in out
    assert all(f.exists() for f in files)
    assert json.loads(files[3].read_text())["kernels"][0]["scope"] == "mlp"
    with (files[2] / "op_summary.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1


@pytest.mark.parametrize(
    "options", [["--by", "line"], ["--by", "scope"], ["--pipes"], ["--sort", "flops", "--rows", "0"], ["--l2", "warm"]]
)
def test_estimate_has_other_tables(module, capsys, options):
    status, out, _ = run(capsys, "estimate", f"{module}:block", "--shapes", "f32[64,64]", "f32[64,64]", *options)
    assert status == 0 and "roofline" in out


def test_estimate_compares_targets(module, capsys, tmp_path):
    half = tmp_path / "half.toml"
    half.write_text('base = "ascend910b"\nlaunch_dispatch = 1e-6\n')
    status, out, _ = run(capsys, "estimate", f"{module}:block", "--example", "arguments", "--against", half)
    assert status == 0 and "on half" in out and "times as fast" in out


def test_estimate_takes_files(module, tmp_path, capsys):
    _, text, _ = run(
        capsys, "compile", f"{module}:block", "--example", "arguments", "--stage", "stablehlo", "-o", tmp_path / "p"
    )
    (tmp_path / "m.mlir").write_text(text)
    seconds = [
        json.loads((tmp_path / "e.json").read_text())["seconds"]
        for name in ("m.mlir", "p")
        if run(capsys, "estimate", tmp_path / name, "--json", tmp_path / "e.json")[0] == 0
    ]
    assert len(seconds) == 2 and seconds[0] == seconds[1] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{m}:nothing"], "has no function 'nothing'; it has block, arguments, broken"),
        (["nowhere.py:f"], "cannot be imported"),
        (["nowhere.mlir"], "cannot be read"),
        (["{m}:block"], "tracing failed: TypeError"),
        (["{m}:block", "--shapes", "f32[3,4]", "f32[5,6]"], "tracing failed: TypeError"),
        (["{m}:block", "--shapes", "f32[3"], "is no shape; expected one as f32[8,128]"),
        (["{m}:block", "--example", "broken"], "[--example broken] failed: ZeroDivisionError: mine"),
        (["{m}:block", "--example", "arguments", "--sort", "x"], "[--sort x]"),
        (["{m}:block", "--example", "arguments", "--target", "ascend1"], "[--target ascend1]"),
        (["{m}:block", "--example", "arguments", "--against", "ascend1"], "[--against ascend1]"),
        (["{m}:block", "--example", "arguments", "--report", "/no/such/folder/r.html"], "[--report /no/such/folder/r.html] cannot be written"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(module, capsys, arguments, said):
    status, _, err = run(capsys, "estimate", *(a.format(m=module) for a in arguments))
    assert status == 1 and said in err and "Traceback" not in err


def test_a_module_that_cannot_be_imported_says_why(tmp_path, capsys):
    (tmp_path / "bad_module_of_mine.py").write_text("1 / 0\n")
    status, _, err = run(capsys, "estimate", f"{tmp_path / 'bad_module_of_mine.py'}:f")
    assert status == 1 and "cannot be imported: ZeroDivisionError" in err


def test_targets_are_compared(capsys):
    status, out, _ = run(capsys, "targets", "ascend910b", "ascend910c", "--differences")
    assert status == 0 and "clock" in out and "cube_cores" not in out and "peak cube f16" in out
    status, out, _ = run(capsys, "targets", "ascend950")
    assert status == 0 and "architecture a5" in out and "a2a3" not in out
    assert run(capsys, "targets", "nothing")[0] == 1


def test_help_of_every_command(capsys):
    for command in ("estimate", "profile", "targets"):
        with pytest.raises(SystemExit) as exit:
            main([command, "--help"])
        assert exit.value.code == 0 and f"python -m jax_ascend {command}" in capsys.readouterr().out


def test_what_takes_long_says_what_it_does(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    monkeypatch.setattr(progress, "_EVERY", 0.01)
    with progress.Progress("first") as shown:
        deadline = time.monotonic() + 10
        said = ""
        while "first" not in said and time.monotonic() < deadline:
            said += capsys.readouterr().err
        shown.now("second")
        while "second" not in said and time.monotonic() < deadline:
            said += capsys.readouterr().err
    assert said.startswith("first ... (after") and "second ..." in said
    with progress.Progress("quick"):
        pass
    assert capsys.readouterr().err == ""


SCRIPT = """
import sys
import jax, jax.numpy as jnp
import neighbour
print(sys.argv[1:], jax.devices()[0].platform, __name__)
x = jnp.ones((64, 64))
for _ in range(3):
    x = jnp.tanh(x @ x)
print(float(x.sum()))
if "fail" in sys.argv:
    raise ValueError("mine")
if "leave" in sys.argv:
    sys.exit(3)
"""


@pytest.mark.parametrize(("argument", "status"), [("--steps", 0), ("fail", 1), ("leave", 3)])
def test_profile_runs_a_script(tmp_path, argument, status):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "neighbour.py").touch()
    environment = {k: v for k, v in os.environ.items() if k != "JAX_PLATFORMS"}
    command = [sys.executable, "-P", "-m", "jax_ascend", "profile", "-o", "out", "script.py", "a", argument]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert done.stdout.startswith(f"['a', '{argument}'] ascend __main__\n")
    assert "written to out" in done.stderr and ("ValueError: mine" in done.stderr) == (argument == "fail")
    told = json.loads((tmp_path / "out" / "profile.json").read_text())
    assert sum("matmul" in k["name"] for k in told["kernels"]) and told["simulated"] > 0


def test_profile_needs_a_script(capsys):
    status, _, err = run(capsys, "profile", "nothing.py")
    assert status == 1 and "there is no such file" in err
