"""JAX_ASCEND_DUMP: where stages are written, whatever the module is called, and what happens when they cannot be."""

import threading
import warnings
from pathlib import Path

import pytest

from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.stages import Stages
from jax_ascend.compiler.targets import target

MODULE = """module @{} {{ func.func public @main(%a: tensor<8xf32>) -> tensor<8xf32> {{
  %b = stablehlo.sine %a : tensor<8xf32>
  return %b : tensor<8xf32> }} }}"""


def compile_into(directory, name="m"):
    stages = Stages(directory)
    compile_program(MODULE.format(name), target("ascend910b"), stages)
    return stages


def names(directory):
    return sorted(p.name for p in directory.iterdir())


def test_every_stage_is_numbered(tmp_path):
    compile_into(tmp_path / "made" / "for it")
    written = names(tmp_path / "made" / "for it" / "m")
    assert written[:2] == ["00_stablehlo.txt", "01_graph.txt"] and written[-1].endswith("_program.txt")
    assert [int(n[:2]) for n in written] == list(range(len(written)))


@pytest.mark.parametrize("name", ["../../outside", "/etc/x", "..", ".", "a\\00b", "ä/ö", "n" * 5000, "", "a b:c*"])
def test_any_name_stays_inside(tmp_path, name):
    compile_into(tmp_path / "a" / "b", f'"{name}"')
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["b"]
    (directory,) = (tmp_path / "a" / "b").iterdir()
    assert "00_stablehlo.txt" in names(directory)


def test_two_modules_of_one_name_do_not_mix(tmp_path):
    assert [compile_into(tmp_path).directory.name for _ in range(3)] == ["m", "m-2", "m-3"]
    assert names(tmp_path / "m") == names(tmp_path / "m-2")


def test_threads_do_not_mix(tmp_path):
    made = []
    threads = [threading.Thread(target=lambda: made.append(compile_into(tmp_path).directory)) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(made)) == 6 and len({tuple(names(d)) for d in made}) == 1


def a_file(path):
    path.write_text("in the way")
    return path


def below_a_file(path):
    return a_file(path) / "below"


@pytest.mark.parametrize("place", [a_file, below_a_file])
def test_a_directory_that_cannot_be_written_is_warned_of_once(tmp_path, place):
    directory = place(tmp_path / "dump")
    with pytest.warns(RuntimeWarning, match="cannot write the compiler's stages"):
        compile_into(directory)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile_into(directory)


def test_a_device_without_space_is_warned_of(tmp_path, monkeypatch):
    """Space may end in the middle: what was written stays, the rest is not tried."""
    original, calls = Path.write_text, []

    def write_text(self, *args, **kwargs):
        calls.append(self)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.warns(RuntimeWarning, match="No space left"):
        compile_into(tmp_path)
    assert names(tmp_path / "m") == ["00_stablehlo.txt", "01_graph.txt"] and len(calls) == 3
