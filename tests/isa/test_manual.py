"""The manual says what the declarations say, and every declaration can be printed."""

from pathlib import Path

import pytest

from jax_ascend.compiler.isa.manual import example, manual, page
from jax_ascend.compiler.isa.model import instruction_set
from jax_ascend.compiler.program.text import parse_kernel

COMMITTED = Path(__file__).parents[2] / "docs" / "isa.md"


def test_the_committed_manual_is_what_the_declarations_give(request):
    if request.config.getoption("--update-golden"):
        COMMITTED.write_text(manual())
    assert COMMITTED.read_text() == manual(), "run `python -m jax_ascend isa --manual > docs/isa.md`"


@pytest.mark.parametrize("name", list(instruction_set()))
def test_every_instruction_has_a_page_whose_example_parses(name):
    spec = instruction_set()[name]
    assert spec.summary in page(name)
    if name == "end":
        return
    body = example(spec).replace(" ... }", "\n}")
    kernel = parse_kernel(f"kernel @k aiv grid(1) registers(9) {{\n{body}\n}}")
    assert kernel.body[0].spec is spec
