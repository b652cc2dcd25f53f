"""What the element types of an instruction's operands must be to each other, as data.

A rule is a list of constraints on operands by number: tiles and views in declared order (a view has its argument's
type). The loader's verifier (plugin/isa/verify_kernel.cc) interprets the same constraints.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .dtypes import DType
from .machine import BIASES, CLASSES, PRODUCTS, Loc

EVERY = frozenset(DType)


@dataclass(frozen=True)
class Constraint:
    """Either all of `operands` (none given: every one) have one type, in `types`, or together they are in `table`."""

    operands: tuple[int, ...] = ()
    types: frozenset[DType] = EVERY
    table: tuple[tuple[DType, ...], ...] = ()
    where: Loc | None = None  # holds only for instructions with a tile here


@dataclass(frozen=True)
class TypeRule:
    """Constraints that all hold; those that name an operand which the instruction does not have are void."""

    name: str
    expected: str  # in words
    constraints: tuple[Constraint, ...] = ()


@cache
def same(name: str) -> TypeRule:
    """All operands have one type, of a class."""
    members = " ".join(d.name for d in DType if d in CLASSES[name])
    return TypeRule(name, f"the same for all tiles, one of {members}", (Constraint(types=CLASSES[name]),))


_BOOL, _ALL = CLASSES["bool"], CLASSES["all"]
_I32 = frozenset({DType.i32})
# Sums and what a store may convert them to: argument, accumulator.
_DRAINS = tuple((to, DType.f32) for to in DType if to.is_float) + tuple((to, DType.f64) for to in DType if to.is_float)

ANY = TypeRule("any", "any types")
CONVERT = TypeRule("convert", "two types")
COMPARE = TypeRule(
    "compare", "i1 and sources of one type",
    (Constraint((0,), _BOOL), Constraint((1,), _ALL), Constraint((1, 2), _ALL)),
)  # fmt: skip
SELECT = TypeRule("select", "an i1 mask and equal types", (Constraint((1,), _BOOL), Constraint((0, 2, 3), _ALL)))
INDEX = TypeRule("index", "an i32 result and a number", (Constraint((0,), _I32), Constraint((1,), CLASSES["number"])))
GATHER = TypeRule("gather", "equal types and an i32 index", (Constraint((0, 1), _ALL), Constraint((2,), _I32)))
_PAIR, _KEY = CLASSES["pair"], frozenset({DType.f32})
PAIRS = TypeRule(
    "pairs", "u64 of f32 and i32", (Constraint((0,), _PAIR), Constraint((1,), _KEY), Constraint((2,), _I32))
)
PAIR_KEY = TypeRule("pair key", "f32 of u64", (Constraint((0,), _KEY), Constraint((1,), _PAIR)))
PAIR_INDEX = TypeRule("pair index", "i32 of u64", (Constraint((0,), _I32), Constraint((1,), _PAIR)))
MATMUL = TypeRule(
    "matmul",
    "f16, bf16, f32 into f32; i8, u8, i32 into i32; f64 into f64; a bias of the sum's type, f16 or bf16 with f32",
    (Constraint((0, 1, 2), table=PRODUCTS), Constraint((0, 3), table=BIASES)),
)
LOAD = TypeRule(
    "load", "the argument's; an index is i32 or i64", (Constraint((0, 1)), Constraint((2,), CLASSES["index"]))
)
STORE = TypeRule(
    "store",
    "the argument's; from acc, floats convert to any float",
    (Constraint((0, 1), where=Loc.vec), Constraint((0, 1), table=(*_DRAINS, (DType.i32, DType.i32)), where=Loc.acc)),
)
SCALAR_TYPES = tuple(d.name for d in DType if d in _ALL)  # what the scalar unit computes on
SCALARS = TypeRule("scalars", f"one of {' '.join(SCALAR_TYPES)}", (Constraint(types=_ALL),))
