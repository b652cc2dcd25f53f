"""docs/what_works.md and examples/libraries name the same scripts, and the runner says what it cannot run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "libraries"
sys.path.insert(0, str(FOLDER))

import run as runner  # noqa: E402

PAGE = (ROOT / "docs" / "what_works.md").read_text()


def test_page_and_folder_name_the_same_scripts():
    table = PAGE.split("<!-- libraries: begin -->")[1].split("<!-- libraries: end -->")[0]
    assert re.findall(r"^\| `examples/libraries/(\w+)\.py`", table, flags=re.M) == list(runner.SCRIPTS)
    assert "**fails**" not in table


@pytest.mark.parametrize("name", runner.SCRIPTS)
def test_rows_say_what_scripts_say(name):
    library, does = runner.title(runner.SCRIPTS[name])
    row = re.search(rf"^\| `examples/libraries/{name}\.py` .*$", PAGE, flags=re.M)[0].split(" | ")
    assert row[1].split(" ")[0] == library and row[2] == does
    assert "on_both(" in runner.SCRIPTS[name].read_text(), "it does not compare with XLA:CPU"


def run(*arguments):
    command = [sys.executable, FOLDER / "run.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_help_and_unknown_names():
    assert "--install" in run("--help").stdout
    done = run("nothing_of_this_name")
    assert done.returncode == 2 and "expected some of" in done.stderr


def test_a_difference_fails(tmp_path):
    """`on_both` ends non-zero for a wrong value, another shape, a result elsewhere, and what is not a number."""
    script = tmp_path / "script.py"
    for result, message in (
        ("jnp.ones(3) * (1 + 1e-3 * here)", "within 1.0e-03"),
        ("jnp.ones(3 + here)", "within inf"),
        ("jnp.ones(3) / 0", "not finite"),
        ("jax.device_put(1.0, jax.devices('cpu')[0])", "expected all on ascend"),
        ("[1.0] * (here + 1)", ""),
    ):
        script.write_text(
            f"import sys; sys.path.insert(0, {str(FOLDER)!r})\n"
            "import jax, jax.numpy as jnp\nfrom compare import on_both\n"
            "def work():\n    here = int(jnp.ones(()).devices() != {jax.devices('cpu')[0]})\n"
            f"    return {result}\non_both(work, 1e-4, lambda r: 'done')\n"
        )
        passed, says = runner.run(sys.executable, script, 300)
        done = subprocess.run([sys.executable, "-P", script], capture_output=True, text=True)
        assert not passed and done.returncode != 0
        assert message in done.stdout + done.stderr + says
