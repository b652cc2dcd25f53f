"""In the root of a checkout its folder shadows the installed package, which takes its place as a whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jax_ascend

ROOT = Path(__file__).parents[2]
INSTALLED = Path(jax_ascend.__file__).parent


def python(*arguments, directory=ROOT, **options):
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=directory, env=variables, capture_output=True, text=True, **options
    )


@pytest.mark.parametrize(
    "arguments", [["-c", "import jax_ascend; print(jax_ascend.__file__)"], ["-m", "jax_ascend", "--version"]]
)
def test_what_is_imported_in_the_root_is_what_is_installed(arguments):
    here, elsewhere = python(*arguments), python(*arguments, directory=ROOT.anchor)
    assert str(INSTALLED) in here.stdout, here.stderr
    assert here.stdout == elsewhere.stdout


def test_the_device_is_there_in_the_root():
    found = python("-c", "import jax; print(jax.devices('ascend')[0].platform)")
    assert found.stdout == "ascend\n", found.stderr


def test_an_interactive_interpreter_in_the_root_has_the_device():
    found = python("-i", "-q", input="import jax\nprint(jax.devices('ascend')[0].platform)\n")
    assert found.stdout == "ascend\n", found.stderr


def source_tree(path):
    """Copy the package as a checkout has it: without extension module and compiler."""
    shutil.copytree(
        INSTALLED, path / "jax_ascend", ignore=shutil.ignore_patterns("_plugin*", "compiler", "__pycache__")
    )
    return path


def import_along(*entries, then):
    """Import the package where there is no installation but the directories `entries`."""
    return python("-I", "-S", "-c", f"import sys; sys.path[:0] = {list(map(str, entries))}; import jax_ascend; {then}")


def test_without_an_installation_one_line_says_what_to_do(tmp_path):
    found = import_along(source_tree(tmp_path), then="")
    assert found.returncode == 1
    *_, last = found.stderr.splitlines()
    assert f"{tmp_path / 'jax_ascend'} is source code that is not installed" in last and "`pip install .`" in last


def test_nothing_of_two_checkouts_mixes_with_the_installed_package(tmp_path):
    first, second = source_tree(tmp_path / "first"), source_tree(tmp_path / "second")
    installed = tmp_path / "site" / "jax_ascend"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("from .errors import where\n")
    (installed / "errors.py").write_text("where = 'installed'\n")
    (installed / "_plugin.py").write_text("")
    (first / "jax_ascend" / "only_here.py").write_text("")
    then = "print(jax_ascend.where, hasattr(jax_ascend, 'initialize')); import jax_ascend.only_here"
    found = import_along(first, second, tmp_path / "site", then=then)
    assert found.stdout == "installed False\n", found.stderr
    assert "No module named 'jax_ascend.only_here'" in found.stderr
