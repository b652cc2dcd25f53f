"""Prints, by the name of each program, what it leaves on this process's devices, as a line of JSON."""

import json

import jax
import numpy as np
from jax.sharding import Mesh
from joining import join

import jax_ascend._plugin as plugin

join()
import shared_programs as programs  # noqa: E402

plugin.set_delays(1, 300)
mesh = Mesh(np.array(jax.devices("ascend")), ("i",))
print("RESULTS", json.dumps({p.__name__: programs.digests(p, mesh) for p in programs.ALL}))
