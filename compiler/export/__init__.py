"""From a Graph back to StableHLO, which is what JAX shows of a program that was divided (`as_text`)."""

from .stablehlo import export_module

__all__ = ["export_module"]
