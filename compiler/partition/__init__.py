"""From one program over whole values to the program that each of several devices runs on its parts of them."""

from .partition import partition

__all__ = ["partition"]
