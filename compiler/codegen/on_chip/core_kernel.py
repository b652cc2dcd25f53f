"""A kernel of one vector core and its GM arguments: what it loads before it begins and stores at its end."""

from __future__ import annotations

from ...graph.graph import Value
from ...isa.dtypes import DType
from ...isa.machine import LIMITS
from ...isa.model import Affine
from ...program.kernel import Kernel, KernelBuilder
from ..vector.nodes import NotVectorizable
from .control import MOST_INSTRUCTIONS
from .program import CoreProgram
from .tidy import drop_unread, keep_in_registers
from .values import Cells, Far, Held

_MOST_ARGUMENTS = 200


class CoreKernel:
    """A kernel on its way: the builder, the program that is written into it, the values that are its arguments."""

    def __init__(self, name: str, most_cells: int):
        self.b = KernelBuilder(name, "aiv", (1,))
        self.p = CoreProgram(self.b, most_cells)
        self.arguments: dict[Value, int] = {}

    def argument(self, value: Value, writes: bool = False) -> int:
        """Return the number of a value among the arguments."""
        if value not in self.arguments:
            self.arguments[value] = self.b.argument(value.dtype, value.type.size, writes)
        return self.arguments[value]

    def far(self, value: Value) -> Far:
        """Return a value of outside where it is."""
        return Far(value.shape, value.dtype, self.argument(value), value)

    def near(self, whole: Far) -> Held:
        """Load an argument."""
        n = whole.value.type.size
        if n > self.p.most_cells or whole.dtype is DType.u64:
            return self.p.stored(self.p.load(whole))
        return Cells(whole.shape, whole.dtype, self.p.items(whole))

    def store(self, to: Far, held: Held) -> None:
        """Store to an argument."""
        if isinstance(held, Cells):
            for i, item in enumerate(held.items):
                self.p.set_element(to, Affine(i), item)
        else:
            self.p.store(to, self.p.in_ub(held))

    def finish(self) -> Kernel:
        """Return the kernel, written and tidied."""
        kernel = self.b.kernel
        few = kernel.registers <= LIMITS.registers // 2  # flags take some, too
        if not few or len(kernel.body) > MOST_INSTRUCTIONS or len(self.arguments) > _MOST_ARGUMENTS:
            raise NotVectorizable("[on chip] a kernel of too many instructions")
        kernel.body = keep_in_registers(drop_unread(kernel.body))
        return kernel
