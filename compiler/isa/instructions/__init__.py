"""The instructions, one file per group. Import order is opcode order."""

from . import control, sync, scalar, memory, move, elementwise, broadcast, reduction, irregular, sorting, cube  # noqa: I001

GROUPS = (control, sync, scalar, memory, move, elementwise, broadcast, reduction, irregular, sorting, cube)
