"""The frontend: what PJRT's Compile receives, as a Graph."""

from .deserialize import deserialize
from .import_module import accepted_ops, import_module, module_name

__all__ = ["accepted_ops", "deserialize", "import_module", "module_name"]
