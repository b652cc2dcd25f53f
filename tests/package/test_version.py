"""One version: of the distribution, the package, the plugin and the command line."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import jax
import jax.extend
import pytest

import jax_ascend
from jax_ascend import __main__
from jax_ascend.cli import main


def test_package_plugin_and_command_line_agree(device, capsys):
    assert jax_ascend.__version__ == version("jax-ascend")
    platform_version = jax.extend.backend.get_backend("ascend").platform_version
    ours = platform_version.splitlines()[-1]  # jaxlib may put a line of its own in front
    assert ours.startswith(f"jax-ascend {jax_ascend.__version__}, ")
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"jax-ascend {jax_ascend.__version__} ({Path(jax_ascend.__file__).parent})\n"


@pytest.mark.parametrize(
    "started_as, name", [("/there/jax_ascend/__main__.py", "python -m jax_ascend"), ("/bin/jax-ascend", "jax-ascend")]
)
def test_help_is_called_as_the_command_was(started_as, name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [started_as, "--help"])
    with pytest.raises(SystemExit) as end:
        __main__.run()
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {name} ")


def test_the_console_script_is_installed():
    script = shutil.which("jax-ascend", path=Path(sys.executable).parent)
    found = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert found.stdout.startswith(f"jax-ascend {jax_ascend.__version__} "), found.stderr
