"""docs/device.md says of every figure of a device where it comes from."""

from dataclasses import fields
from pathlib import Path

from jax_ascend.compiler.targets import Target

PAGE = Path(__file__).parents[2] / "docs" / "device.md"


def test_every_figure_has_its_source():
    text = PAGE.read_text()
    missing = [field.name for field in fields(Target) if f"`{field.name}`" not in text]
    assert not missing, f"docs/device.md does not say where {', '.join(missing)} come from"
