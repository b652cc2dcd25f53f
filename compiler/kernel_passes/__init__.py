"""Passes over one kernel: on-chip addresses, then flags between its pipes."""
