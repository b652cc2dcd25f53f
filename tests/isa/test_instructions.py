"""Every instruction in the executor against its reference: each element type its rule allows, odd sizes, every mode."""

import importlib

import numpy as np
import pytest
from agreement import disagreement
from instruction_programs import WITHOUT_VALUES, cases

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.model import instruction_set
from jax_ascend.compiler.reference import run_program

plugin = importlib.import_module("jax_ascend._plugin")
NAMES = [name for name in instruction_set() if name not in WITHOUT_VALUES]


def execute(program, inputs):
    runner = plugin.ProgramRunner(program)
    for i, value in enumerate(inputs):
        runner.write(i, value.tobytes())
    runner.run()
    return [
        np.frombuffer(runner.read(i), DType.of_code(code).numpy).reshape(shape)
        for i, (code, *shape) in enumerate(runner.result_types)
    ]


@pytest.fixture
def variants():
    """The SIMD variants this CPU can run, best first; the best is active afterwards."""
    names = plugin.simd_variants()
    yield names
    plugin.set_simd_variant(names[0])


@pytest.mark.parametrize("name", NAMES)
def test_instruction(name, variants):
    """All programs in the best variant; in the others the first of each assignment of types."""
    count, problems, seen = 0, [], set()
    for case in cases(name):
        assert any(i.spec.name == name for i in case.program.kernels[0].body)
        want = run_program(case.program, case.inputs)
        data = case.program.encode()
        for variant in variants[:1] if case.dtypes in seen else variants:
            plugin.set_simd_variant(variant)
            try:
                found = [disagreement(name, g, w) for g, w in zip(execute(data, case.inputs), want)]
            except RuntimeError as error:
                found = [str(error)]
            problems += [f"{variant}, {case.label}: {what}" for what in found if what]
            count += 1
        seen.add(case.dtypes)
    shown = "\n".join(problems[:12])
    assert not problems, f"{len(problems)} of {count} runs disagree:\n{shown}"
    assert count
