"""What tests of batched AICPU kernels share: results nobody wrote, runs, and every wrong word refused."""

import importlib
import re
from math import prod

import numpy as np
import pytest
from test_aicpu import encoded

_plugin = importlib.import_module("jax_ascend._plugin")


def allocated(spec, parameters):
    """Return an array per result, which nobody has written."""
    return [np.full(s.shape(parameters), -77, s.dtype(parameters).numpy) for s in spec.results]


def raw(arrays):
    return [np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in arrays]


def run(spec, parameters, operands):
    """Return the results of a kernel as arrays."""
    slots = raw([*allocated(spec, parameters), *operands])
    _plugin.run_aicpu(spec.name, slots, encoded(spec.name, parameters))
    shapes = [(s.shape(parameters), s.dtype(parameters).numpy) for s in spec.results]
    return [data.view(dtype).reshape(shape) for data, (shape, dtype) in zip(slots, shapes)]


def refuses_what_is_wrong(spec, parameters):
    """Try slots that are a byte too short, and every parameter with values that mean something or nothing."""
    bytes_of = [prod(s.shape(parameters)) * s.dtype(parameters).bytes for s in spec.slots]
    words = encoded(spec.name, parameters)

    def attempt(words, bytes_of):
        _plugin.run_aicpu(spec.name, [np.zeros(b, np.uint8) for b in bytes_of], words)

    attempt(words, bytes_of)
    for at, size in enumerate(bytes_of):
        if size:
            with pytest.raises(Exception, match="aicpu"):
                attempt(words, [b - (i == at) for i, b in enumerate(bytes_of)])
    for at in range(len(words)):
        for value in (-1, 0, 1, 3, 4, 9, 255, 2**23, 2**23 + 1, 2**31 - 1, 2**31, 2**40, 2**62):
            try:  # either it makes sense or it is refused; it never touches what is beyond the slots
                attempt([*words[:at], value, *words[at + 1 :]], bytes_of)
            except Exception as error:
                assert re.search(r"aicpu|\[program, word", str(error)), error
