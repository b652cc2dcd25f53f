"""From regions to a program: the order of steps, storage for every value, stream commands."""
