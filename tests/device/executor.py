"""Wraps single kernels as Programs, and runs Programs on the executor without JAX."""

from __future__ import annotations

import importlib

import numpy as np

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.program.kernel import Kernel
from jax_ascend.compiler.program.program import Function, Program, command
from jax_ascend.compiler.reference import run_program

plugin = importlib.import_module("jax_ascend._plugin")


def program_of(kernel: Kernel) -> Program:
    """Return a program that launches `kernel` once: arguments it only reads are parameters, the others results.

    A written argument starts as a further parameter whose storage the result takes over.
    """
    function = Function("main")
    parameters, results, alias, slots = [], [], [], []
    for a in kernel.arguments:
        type = TensorType((a.size,), a.dtype)
        if a.writes:
            alias.append(len(parameters))
            results.append(type)
        slots.append(function.slot("parameter", len(parameters), a.size * a.dtype.bytes))
        parameters.append(type)
    function.commands.append(command("launch", 0, slots))
    return Program("test", "ascend910b", parameters, results, alias, [function], [kernel])


def run_device(program: Program | bytes, inputs: list[np.ndarray], times: int = 1) -> list[np.ndarray]:
    """Run a program on the executor; inputs are not changed."""
    runner = plugin.ProgramRunner(program if isinstance(program, bytes) else program.encode())
    for i, value in enumerate(inputs):
        runner.write(i, np.ascontiguousarray(value).tobytes())
    runner.run(times)
    results = []
    for i, (code, *shape) in enumerate(runner.result_types):
        results.append(np.frombuffer(runner.read(i), DType.of_code(code).numpy).reshape(shape))
    return results


def check(kernel: Kernel, inputs: list[np.ndarray], rtol: float = 0.0) -> list[np.ndarray]:
    """Compare the executor with the reference on a kernel; `rtol` relative to the largest magnitude."""
    program = program_of(kernel)
    expected = run_program(program, [a.copy() for a in inputs])
    found = run_device(program, inputs)
    for e, f in zip(expected, found, strict=True):
        if rtol == 0.0:
            np.testing.assert_array_equal(f.view(np.uint8), e.view(np.uint8))
        else:
            e64, f64 = e.astype(np.float64), f.astype(np.float64)
            np.testing.assert_allclose(f64, e64, rtol=0, atol=rtol * max(np.abs(e64).max(initial=0), 1e-6))
    return found


def random_array(rng: np.random.Generator, dtype: DType, size: int) -> np.ndarray:
    """Return small random values of a type."""
    if dtype is DType.i1:
        return rng.random(size) < 0.5
    if dtype.is_float:
        return rng.standard_normal(size).astype(np.float32).astype(dtype.numpy)
    low = 0 if dtype.kind == "u" else -50
    return rng.integers(low, 50, size).astype(dtype.numpy)
