"""From fused regions to tile kernels."""
