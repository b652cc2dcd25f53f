"""The frontend: what PJRT's Compile receives, as a Graph."""

from ..errors import ModuleFormatError, UnsupportedOpsError
from .deserialize import deserialize
from .import_module import accepted_ops, import_module

__all__ = ["ModuleFormatError", "UnsupportedOpsError", "accepted_ops", "deserialize", "import_module"]
