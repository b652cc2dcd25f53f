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


@pytest.mark.parametrize("name", NAMES)
def test_instruction(name):
    count, problems = 0, []
    for case in cases(name):
        assert any(i.spec.name == name for i in case.program.kernels[0].body)
        want = run_program(case.program, case.inputs)
        try:
            got = execute(case.program.encode(), case.inputs)
        except RuntimeError as error:
            problems.append(f"{case.label}: {error}")
            continue
        found = [disagreement(name, g, w) for g, w in zip(got, want)]
        problems += [f"{case.label}: {what}" for what in found if what]
        count += 1
    shown = "\n".join(problems[:12])
    assert not problems, f"{len(problems)} of {count} programs disagree:\n{shown}"
    assert count


def test_variants_of_the_simd_bodies_are_all_tested():
    """The other variants run the same programs, a type and a size each."""
    variants = plugin.simd_variants()
    try:
        for variant in variants[1:]:
            plugin.set_simd_variant(variant)
            for name in NAMES:
                seen = set()
                for case in cases(name):
                    if case.dtypes in seen:
                        continue
                    seen.add(case.dtypes)
                    want = run_program(case.program, case.inputs)
                    got = execute(case.program.encode(), case.inputs)
                    for g, w in zip(got, want):
                        assert disagreement(name, g, w) is None, f"{variant}, {case.label}"
    finally:
        plugin.set_simd_variant(variants[0])
