"""The frontend: what PJRT's Compile receives, as a Graph."""

from .deserialize import bytecode, deserialize
from .import_module import accepted_ops, import_module, module_name, propagated
from .legalize import legalize

__all__ = ["accepted_ops", "bytecode", "deserialize", "import_module", "legalize", "module_name", "propagated"]
