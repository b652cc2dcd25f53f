"""jaxlib's MLIR as the frontend reads it, with types of elements and of contexts that jaxlib's own stub lacks."""

from collections.abc import Callable, Iterable, Sequence

from jaxlib.mlir._mlir_libs._mlir import ir as _ir
from jaxlib.mlir._mlir_libs._mlir.ir import *

class Location(_ir.Location):
    @staticmethod
    def unknown(context: Context | None = None) -> Location: ...

class BoolAttr(_ir.BoolAttr):
    @staticmethod
    def get(value: bool, context: Context | None = None) -> BoolAttr: ...

class DenseI64ArrayAttr(_ir.DenseI64ArrayAttr):
    @staticmethod
    def get(values: Sequence[int], context: Context | None = None) -> DenseI64ArrayAttr: ...

class Value(_ir.Value[_ir.Type]):
    def replace_all_uses_except(self, with_: Value, exceptions: Operation | Sequence[Operation]) -> None: ...

class OpOperandList(Sequence[Value]):
    def __setitem__(self, index: int, value: Value) -> None: ...

class _Op(_ir._OperationBase):
    @property
    def operands(self) -> OpOperandList: ...
    @property
    def regions(self) -> Sequence[Region]: ...
    @property
    def results(self) -> Sequence[Value]: ...
    def walk(self, callback: Callable[[Operation], WalkResult], walk_order: WalkOrder = ...) -> None: ...

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
