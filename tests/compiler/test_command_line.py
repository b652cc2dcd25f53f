"""The command line: what it prints, what it refuses, and that bytes and text files turn into each other."""

import sys
import tomllib
from dataclasses import fields
from importlib import import_module

import pytest

from jax_ascend.cli import COMMANDS, main
from jax_ascend.compiler.pipeline import PASSES
from jax_ascend.compiler.targets import TARGETS, Target, target

FUNCTIONS = """
import jax.numpy as jnp

def block(x, w):
    return jnp.maximum(x @ w, 0) + 1

def arguments():
    return jnp.ones((33, 70)), jnp.ones((70, 20))

def unsupported(x):
    import jax
    return jax.lax.fft(x.astype("complex64"), "fft", (8,))
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    path = tmp_path / "functions_to_compile.py"
    path.write_text(FUNCTIONS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return path


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    described = import_module(f"jax_ascend.cli.{command}").__doc__.splitlines()[0]
    assert described in capsys.readouterr().out


def test_targets_are_listed_with_their_parameters(capsys):
    status, out, _ = run(capsys, "targets")
    assert status == 0
    assert "ascend910b" in out and "cube_cores" in out and "512 Ki" in out
    assert "L1 to L0A" in out and "2 vector cores per cube core" in out


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_becomes_a_file_and_back(name, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(run(capsys, "targets", "--show", name)[1])
    assert set(tomllib.loads(path.read_text())) == {f.name for f in fields(Target)}
    assert target(str(path)) == TARGETS[name]
    assert path.read_text().count("bytes per second") >= 2  # units stand beside the figures
    assert run(capsys, "targets", "--show", path)[1] == path.read_text()


def test_compile_for_a_file(module, tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text('base = "ascend910b"\ncube_cores = 1\nvector_cores = 2\n')
    arguments = "compile", f"{module}:block", "--example", "arguments", "--stage", "program", "--target", path
    status, out, err = run(capsys, *arguments)
    assert status == 0 and 'target (name="tiny", architecture="a2a3", cube_cores=1,' in out and "for tiny:" in err
    path.write_text('base = "ascend910b"\ncube_core = 1\n')
    status, _, err = run(capsys, *arguments)
    assert status == 1 and f"[target {path}] there is no field 'cube_core' (did you mean cube_cores?)" in err


def test_compile_counts_launches(module, capsys):
    status, out, _ = run(capsys, "compile", f"{module}:block", "--example", "arguments")
    assert status == 0
    assert "cube (aic)" in out and "launches" in out and "0 aicpu" in out


def test_compile_prints_one_stage_or_all(module, capsys):
    status, out, err = run(
        capsys, "compile", f"{module}:block", "--shapes", "f32[33,70]", "f32[70,20]", "--stage", "kernels"
    )
    assert status == 0 and out.startswith("kernel @") and "pto.tmatmul" in out
    assert "launches" in err
    status, out, _ = run(capsys, "compile", f"{module}:block", "--example", "arguments", "--stage", "all")
    assert status == 0
    for stage in ("stablehlo", "graph", *(step.name for step in PASSES)):
        assert f"// ----- {stage}\n" in out


def test_stablehlo_file_to_bytes_to_text_to_bytes(module, tmp_path, capsys):
    mlir, data, text, again = (tmp_path / n for n in ("m.mlir", "m.bin", "m.txt", "again.bin"))
    _, stablehlo, _ = run(capsys, "compile", f"{module}:block", "--example", "arguments", "--stage", "stablehlo")
    mlir.write_text(stablehlo)
    assert run(capsys, "compile", mlir, "--output", data)[0] == 0
    assert run(capsys, "asm", data, "--output", text)[0] == 0
    assert "pto.tmatmul" in text.read_text()
    assert run(capsys, "asm", text, "--output", again)[0] == 0
    assert again.read_bytes() == data.read_bytes()
    status, _, err = run(capsys, "compile", data)
    assert status == 1 and "jax_ascend asm" in err


@pytest.mark.parametrize(("arguments", "message"), [
    (["isa", "tlod"], "there is no instruction 'tlod'. Did you mean tload"),
    (["compile", "nofile.mlir"], "[nofile.mlir] cannot be read: No such file"),
    (["compile", "jax.nn:softmx"], "has no function 'softmx'"),
    (["compile", "no_such_module:f"], "cannot be imported"),
    (["compile", "jax.nn:softmax", "--shapes", "f99[3]"], "expected one as f32[8,128]"),
    (["compile", "jax.nn:softmax"], "Give its arguments by --shapes or --example"),
    (["compile", "jax.nn:softmax", "--shapes", "f32[8]", "--target", "x"], "expected one of ascend910b"),
    (["targets", "--show", "ascend910d"], "there is no target 'ascend910d'; expected one of ascend910b, ascend910b3"),
    (["compile", "jax.nn:softmax", "--shapes", "f32[8]", "--stage", "x"], "no such stage; expected one of launches, all"),
    (["asm", "nofile"], "cannot be read"),
])  # fmt: skip
def test_errors_are_one_message_that_helps(arguments, message, capsys):
    status, out, err = run(capsys, *arguments)
    assert status == 1 and out == ""
    assert message in err and "Traceback" not in err


def test_wrong_text_names_the_line(tmp_path, capsys):
    path = tmp_path / "wrong.txt"
    path.write_text("program @p target @ascend910b {\n  parameter f33[4]\n}\n")
    status, _, err = run(capsys, "asm", path, "-o", tmp_path / "out")
    assert status == 1 and "[line 2] no such element type: 'f33'" in err
