"""Run the scripts of this folder, each in a process of its own, and print the table of docs/what_works.md.

    python examples/libraries/run.py [NAME...] [--install] [--seconds 300] [--update]

The present environment is used as it is: a library that it does not have is a row that says so. `--install` makes a fresh
one in a temporary folder, with this checkout (which compiles it: minutes) and the libraries of the scripts that are
run. A script's first line names the library, as a package index does, and what the script does with it.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PAGE = ROOT / "docs" / "what_works.md"
SCRIPTS = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if path.stem not in ("run", "compare")}


def title(path):
    """Return (library, what is done) of a script's first line."""
    library, _, does = ast.get_docstring(ast.parse(path.read_text())).splitlines()[0].partition(": ")
    return library, does.rstrip(".")


def environment(folder, libraries):
    """Make a virtual environment with this checkout and the libraries; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = Path(folder, "bin", "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT, *libraries], check=True)
    return python


def version(python, library):
    """Return a library's version in an environment, or None."""
    code = f"from importlib.metadata import version; print(version({library!r}))"
    done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or None


def run(python, path, seconds):
    """Run a script; returns (whether it passed, its last word)."""
    command = [python, path]
    try:
        done = subprocess.run(
            command, env=os.environ | {"JAX_PLATFORMS": "ascend,cpu"}, cwd=tempfile.gettempdir(), timeout=seconds,
            capture_output=True, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False, f"no result in {seconds} s"
    lines = done.stdout.strip().splitlines() if done.returncode == 0 else done.stderr.strip().splitlines()
    return done.returncode == 0, (lines or [f"ended with {done.returncode}"])[-1]


def update(page, rows, complete):
    """Replace the rows of the page's table, all or those of the scripts that were run."""
    begin, end = "<!-- libraries: begin -->\n", "<!-- libraries: end -->"
    before, rest = page.read_text().split(begin)
    table, after = rest.split(end)
    kept = {} if complete else dict(re.findall(r"^(\| `examples/libraries/(?:\w+)\.py` .*)()$", table, flags=re.M))
    kept = {re.search(r"(\w+)\.py", row)[1]: row for row in kept}
    page.write_text(
        before + begin + "\n".join([*HEAD, *dict(sorted((kept | rows).items())).values()]) + "\n" + end + after
    )


HEAD = ["| script | library | what | result | seconds |", "|---|---|---|---|---:|"]


def main():
    """Run the scripts and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"scripts (default all): {', '.join(SCRIPTS)}")
    parser.add_argument("--install", action="store_true", help="in a fresh virtual environment")
    parser.add_argument("--seconds", type=float, default=300, help="for one script (default 300)")
    parser.add_argument("--update", action="store_true", help="write the rows into docs/what_works.md")
    arguments = parser.parse_args()
    names = [name.removesuffix(".py") for name in arguments.names] or list(SCRIPTS)
    if unknown := [name for name in names if name not in SCRIPTS]:
        parser.error(f"there is no script {', '.join(unknown)}; expected some of {', '.join(SCRIPTS)}")
    rows, failed = {}, []
    with tempfile.TemporaryDirectory() as folder:
        libraries = sorted({title(SCRIPTS[name])[0] for name in names})
        python = environment(folder, libraries) if arguments.install else sys.executable
        print("\n".join(HEAD))
        for name in names:
            library, does = title(SCRIPTS[name])
            start, there = time.monotonic(), version(python, library)
            passed, says = run(python, SCRIPTS[name], arguments.seconds) if there else (False, "not installed")
            if not passed:
                failed.append(name)
                says = f"**fails**: {says}"
            row = [
                f"`examples/libraries/{name}.py`",
                f"{library} {there or ''}".strip(),
                does,
                says.replace("|", "\\|"),
            ]
            rows[name] = "| " + " | ".join([*row, f"{time.monotonic() - start:.0f}"]) + " |"
            print(rows[name], flush=True)
    if arguments.update:
        update(PAGE, rows, len(names) == len(SCRIPTS))
    if failed:
        sys.exit(f"{len(failed)} of {len(names)} fail: {', '.join(failed)}")


if __name__ == "__main__":
    main()
