"""What a process of these tests does first."""

import os
import sys
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).parents[1] / "many_devices"))


def join():
    """Meet the others; returns this process's number and how many there are."""
    coordinator, count, process = os.environ["MANY_PROCESSES"].split()
    jax.distributed.initialize(coordinator, int(count), int(process))
    return int(process), int(count)


def leave():
    """End at once: JAX ends every process once one has failed, and this one has told what there is to tell."""
    sys.stdout.flush()
    os._exit(0)
