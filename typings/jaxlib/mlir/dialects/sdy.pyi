"""jaxlib's Shardy dialect, which has no stub."""

from typing import Any

def __getattr__(name: str) -> Any: ...  # attributes of ops
