"""What the element types and valid regions of an instruction's tiles must be to each other, by its declaration.

Extents are affine in registers, so equality is refused only where it is certainly wrong: the difference is a constant
other than zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .dtypes import DType
from .model import CLASSES, Affine, Operand, Spec

D = DType
_OFFSETS = {D.i32, D.i64}
_MATMUL = {  # left, right: accumulator
    (D.f16, D.f16): D.f32, (D.bf16, D.bf16): D.f32, (D.f32, D.f32): D.f32, (D.f64, D.f64): D.f64,
    (D.i8, D.i8): D.i32, (D.u8, D.u8): D.i32, (D.i8, D.u8): D.i32, (D.u8, D.i8): D.i32, (D.i32, D.i32): D.i32,
}  # fmt: skip


def _matmul(types: Sequence[DType]) -> bool:
    biases = (D.f32, D.f16, D.bf16) if types[0] is D.f32 else types[:1]
    return _MATMUL.get((types[1], types[2])) is types[0] and all(bias in biases for bias in types[3:])


# Name of the rule -> (what it expects, whether tile operands of these types, in declared order, meet it).
_RULES: dict[str, tuple[str, Callable[[Sequence[DType]], bool]]] = {
    "compare": ("i1 and sources of one type", lambda t: t[0] is D.i1 and len(set(t[1:])) == 1),
    "select": ("an i1 mask and equal types", lambda t: t[1] is D.i1 and t[0] is t[2] is t[3]),
    "index": ("an i32 result and a number", lambda t: t[0] is D.i32 and t[1] in CLASSES["number"]),
    "gather": ("equal types and an i32 index", lambda t: t[0] is t[1] and t[2] is D.i32),
    "matmul": (
        "f16, bf16, f32 into f32; i8, u8, i32 into i32; f64 into f64; a bias of the sum's type, f16 or bf16 with f32",
        _matmul,
    ),
    "convert": ("two types", lambda t: True),
    "any": ("any types", lambda t: True),
}


def describe_dtypes(spec: Spec) -> str:
    """Return the rule on element types in words, for the manual."""
    if spec.dtypes.startswith("same:"):
        name = spec.dtypes.removeprefix("same:")
        members = " ".join(d.name for d in DType if d in CLASSES[name])
        return f"the same for all tiles, one of {members}"
    if any(o.kind == "view" for o in spec.operands):
        return "the argument's; an index is i32 or i64"
    return _RULES[spec.dtypes][0]


def check_dtypes(spec: Spec, types: Sequence[DType]) -> str | None:
    """Return what the instruction expects of its tiles' element types, or None if they are right."""
    if spec.dtypes.startswith("same:"):
        name = spec.dtypes.removeprefix("same:")
        right = len(set(types)) == 1 and types[0] in CLASSES[name]
        return None if right else f"one type of class {name!r} for all tiles"
    expected, rule = _RULES[spec.dtypes]
    return None if rule(types) else expected


def check_memory_dtypes(spec: Spec, argument: DType, types: Sequence[DType], from_acc: bool) -> str | None:
    """Return what an instruction with a view expects of element types, or None if they are right."""
    if len(types) > 1 and types[1] not in _OFFSETS:
        return "an index of i32 or i64"
    if spec.name == "sload":
        return None if argument.is_integer or argument is D.i1 else "an argument of integers"
    if from_acc:
        both_float = types[0].is_float and argument.is_float
        return None if both_float or types[0] is argument else f"an accumulator that converts to {argument}"
    return None if types[0] is argument else f"the argument's type, {argument}"


def differ(a: Affine, b: Affine) -> bool:
    """Whether two affines certainly have different values."""
    difference = a - b
    return difference.is_constant and difference.const != 0


Region = tuple[Affine, Affine]


def check_shapes(operands: Sequence[Operand], regions: Sequence[Region]) -> str | None:
    """Return which valid region is wrong and what it should be, or None. The full shape is that of an `rc` source."""
    full = next(
        (r for o, r in sorted(zip(operands, regions, strict=True), key=lambda p: p[0].access) if o.shape == "rc"), None
    )
    if full is None:
        return None
    rows, columns = full
    one = Affine(1)
    expected = {"rc": full, "r1": (rows, one), "1c": (one, columns), "cr": (columns, rows), "11": (one, one)}
    for operand, region in zip(operands, regions, strict=True):
        want = expected.get(operand.shape)
        if want and (differ(want[0], region[0]) or differ(want[1], region[1])):
            return f"valid region of {operand.name}; expected {want[0]} x {want[1]}, got {region[0]} x {region[1]}"
    return None
