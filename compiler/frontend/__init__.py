"""The frontend: what PJRT's Compile receives, as a Graph."""

from ..errors import ModuleFormatError, UnsupportedOpsError
from .deserialize import deserialize
from .import_module import Module, accepted_ops, import_module, module_name

__all__ = [
    "Module",
    "ModuleFormatError",
    "UnsupportedOpsError",
    "accepted_ops",
    "deserialize",
    "import_module",
    "module_name",
]
