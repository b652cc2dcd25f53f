"""jaxlib's MLIR as the frontend reads it: with the element types of sequences, which jaxlib's own stub leaves out."""

from collections.abc import Iterable, Sequence

from jaxlib.mlir._mlir_libs._mlir import ir as _ir
from jaxlib.mlir._mlir_libs._mlir.ir import *

class Value(_ir.Value[_ir.Type]): ...

class _Op(_ir._OperationBase):
    @property
    def operands(self) -> Sequence[Value]: ...
    @property
    def regions(self) -> Sequence[Region]: ...
    @property
    def results(self) -> Sequence[Value]: ...

class Operation(_Op, _ir.Operation): ...

class OpView(_Op, _ir.OpView):
    @property
    def operation(self) -> Operation: ...

class Region(_ir.Region):
    @property
    def blocks(self) -> Sequence[Block]: ...

class Block(_ir.Block):
    @property
    def arguments(self) -> Sequence[Value]: ...
    @property
    def operations(self) -> Iterable[OpView]: ...

class Module(_ir.Module):
    @staticmethod
    def parse(asm: str | bytes, context: Context | None = None) -> Module: ...
    @property
    def body(self) -> Block: ...
    @property
    def operation(self) -> Operation: ...
