"""Every example, run as a user runs it, in small; and its losses against XLA:CPU's, step by step."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PLATFORM = os.environ.get("TEST_PLATFORM", "ascend")
EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("train_*.py"))
SMALL_GPT = ["--layers", "2", "--width", "64", "--heads", "2", "--context", "32", "--batch", "8", "--sample", "20"]


def run(script, *arguments):
    """Run an example in a process of its own and return what it prints."""
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def losses(path, platform, script, *arguments):
    """Return the losses of a run of an example on a platform."""
    file = path / f"{platform}-{len(list(path.iterdir()))}.txt"
    run(script, "--platform", platform, "--losses", file, *arguments)
    return np.loadtxt(file)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script):
    assert "--platform" in run(script, "--help")


@pytest.mark.parametrize("script", ["train_digits_mlp.py", "train_digits_cnn.py"])
def test_digits_are_recognised(script):
    accuracy = float(run(script, "--platform", PLATFORM).split("images: ")[1].split(" %")[0])
    assert accuracy >= 97


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("train_gpt.py", ["--steps", 200, *SMALL_GPT]),
        ("train_digits_mlp.py", ["--steps", 5]),
        ("train_digits_cnn.py", ["--steps", 100]),
    ],
)
def test_losses_in_f32_are_those_of_the_cpu(script, arguments, tmp_path):
    want, got = (losses(tmp_path, platform, script, *arguments) for platform in ("cpu", PLATFORM))
    np.testing.assert_allclose(got[:5], want[:5], rtol=1e-5)
    np.testing.assert_allclose(got, want, rtol=1e-3)


def test_losses_on_eight_devices_are_those_of_one(tmp_path):
    arguments = ["--steps", 30, *SMALL_GPT]
    one, eight = (
        losses(tmp_path, PLATFORM, "train_gpt.py", *arguments, *m) for m in ([], ["--mesh", "data=4,model=2"])
    )
    np.testing.assert_allclose(eight, one, rtol=0, atol=1e-4)


def test_a_mesh_that_is_none_is_refused():
    command = [sys.executable, EXAMPLES / "train_gpt.py", "--mesh", "rows=2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0 and "expected axes data and model" in done.stderr


def test_losses_in_bf16_are_within_its_noise(tmp_path):
    """The noise of bf16 is the distance between bf16 and f32 on XLA:CPU, root mean square over steps."""
    arguments = ["--steps", 100, *SMALL_GPT]
    exact = losses(tmp_path, "cpu", "train_gpt.py", *arguments)
    want = losses(tmp_path, "cpu", "train_gpt.py", "--dtype", "bf16", *arguments)
    got = losses(tmp_path, PLATFORM, "train_gpt.py", "--dtype", "bf16", *arguments)
    noise, distance = np.sqrt(np.mean((want - exact) ** 2)), np.sqrt(np.mean((got - want) ** 2))
    assert noise > 0, "bf16 and f32 agree to the last digit: bf16 was not used"
    assert distance <= 2 * noise, f"distance {distance:.3g}, noise of bf16 {noise:.3g}"


def test_the_gpt_learns_and_writes():
    printed = run("train_gpt.py", "--platform", PLATFORM, "--steps", 60, *SMALL_GPT)
    assert float(printed.split("unseen text: ")[1].split()[0]) < 3.5
    assert len(printed.split("a sample, 20 characters")[1].split("\n\n", 1)[1]) >= 20
