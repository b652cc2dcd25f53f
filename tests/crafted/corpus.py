"""The corpus of crafted programs: each a function that builds one, and what must become of it.

A crafted program has the right checksum and breaks a rule, or comes close to it. It is refused when it is loaded, or when
it runs, with a message; or it runs, and then its first result is what the case says.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.program.program import Function, Program, command

MOST = 2**63 - 1


@dataclass
class Case:
    """`load` or `run` is what the message must match; neither: the program runs and gives `result` (None: anything)."""

    name: str
    build: Callable
    load: str | None
    run: str | None
    result: object


CASES: list[Case] = []


def crafted(load=None, run=None, result=None, name=None):
    """Add the function to the corpus; it returns a program's bytes and its inputs."""

    def add(build):
        CASES.append(Case(name or build.__name__, build, load, run, result))
        return build

    return add


def launching(builder, inputs=()):
    """A program that launches a kernel once, and its inputs: zeros where none are given.

    Arguments are parameters; results take over those that are written.
    """
    kernel, main = builder.kernel, Function("main")
    parameters, results, alias, slots = [], [], [], []
    for n, a in enumerate(kernel.arguments):
        if a.writes:
            alias.append(n)
            results.append(TensorType((a.size,), a.dtype))
        slots.append(main.slot("parameter", n, a.size * a.dtype.bytes))
        parameters.append(TensorType((a.size,), a.dtype))
    main.commands.append(command("launch", 0, slots))
    zeros = [np.zeros(a.size, a.dtype.numpy) for a in kernel.arguments[len(inputs) :]]
    return program([main], parameters, results, alias, [kernel]), [*inputs, *zeros]


def program(functions, parameters=(), results=(), alias=(), kernels=(), constants=b""):
    """The bytes of a program."""
    lists = [list(x) for x in (parameters, results, alias, functions, kernels)]
    return Program("crafted", "ascend910b", *lists, constants=constants).encode()


def run(plugin, data, inputs):
    """Load and run a program; returns the bytes of its first result, if it has one."""
    runner = plugin.ProgramRunner(data)
    for n, value in enumerate(inputs):
        runner.write(n, np.ascontiguousarray(value).tobytes())
    runner.run()
    return runner.read(0) if runner.result_types else b""
