"""From JAX's VHLO artifact to a Graph."""
