"""`python -m jax_ascend`: what devices there are, what programs compile to, and the instruction set itself."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
