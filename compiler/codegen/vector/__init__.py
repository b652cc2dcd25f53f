"""Vector kernels: elementwise, broadcast, reduction and layout regions."""
