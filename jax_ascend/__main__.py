"""`python -m jax_ascend` and `jax-ascend`: devices, what programs compile to, and the instruction set itself."""

from __future__ import annotations

import sys

from .cli import main


def run() -> None:
    """Run the command that the process was started with, and exit with its status."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
