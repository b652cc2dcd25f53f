"""The slow, obvious meaning of programs: every instruction in NumPy, interpreters of kernels and of the stream.

This is what the executor is tested against; no program of a user runs here. On-chip memory starts poisoned (NaN),
blocks run in program order, flags mean nothing.
"""

from . import arithmetic, cube, memory, move, reduction, scalar, sorting
from .interpreter import run_kernel
from .machine import ReferenceFault
from .meanings import MEANINGS
from .stream import run_program

FAMILIES = (arithmetic, cube, memory, move, reduction, scalar, sorting)  # they fill MEANINGS

__all__ = ["MEANINGS", "ReferenceFault", "run_kernel", "run_program"]
