"""What the device runs: Kernel and Program, their bytes, their text and the way back, and the rules they obey."""
