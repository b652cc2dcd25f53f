"""jaxlib's pass manager, with the types that its own stub cannot find."""

from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs._mlir import passmanager as _passmanager

class PassManager(_passmanager.PassManager):
    @staticmethod
    def parse(pipeline: str, context: ir.Context | None = None) -> PassManager: ...
    def run(self, operation: ir.Operation) -> None: ...
