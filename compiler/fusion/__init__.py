"""Which ops become one kernel: axes that values share, clusters of ops, regions."""
