"""The instructions, one file per group."""
