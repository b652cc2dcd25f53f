"""Loops whose state stays in one vector core: values in UB and in registers, whatever the body does with them."""
