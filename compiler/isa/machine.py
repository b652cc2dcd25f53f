"""The machine that instructions run on, as data: cores, pipes, memories, layouts, element types of the units, limits.

Whatever needs one of these facts, in Python or (through generate_cpp.py) in C++, reads it from here. Sizes and rates
are a device's own: targets.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .dtypes import DType


class CoreType(IntEnum):
    """The two kinds of core in an AI core."""

    vector = 0
    cube = 1


# What a kernel runs on: vector cores alone, cube cores alone, AI cores with their cube and both vector cores.
KERNEL_CORES = ("aiv", "aic", "mix")


class Pipe(IntEnum):
    """In-order instruction queues of an AI core; `cores` have one each."""

    cores: tuple[CoreType, ...]

    def __new__(cls, code: int, *cores: CoreType) -> Pipe:
        """Make a member with its cores."""
        pipe = int.__new__(cls, code)
        pipe._value_, pipe.cores = code, cores
        return pipe

    S = 0, CoreType.vector, CoreType.cube
    V = 1, CoreType.vector
    M = 2, CoreType.cube
    MTE1 = 3, CoreType.cube
    MTE2 = 4, CoreType.vector, CoreType.cube
    MTE3 = 5, CoreType.vector
    FIXP = 6, CoreType.cube


# A fractal has this many rows of so many bytes; of L0C, as many elements.
FRACTAL = 16
FRACTAL_BYTES = 32


class Layout(IntEnum):
    """How a tile's elements lie in its memory.

    nd is row major. nz and zn are fractal layouts: nz is what the cube unit reads on its left side (L1, L0A) and
    writes (L0C), zn what it reads on its right side. fmap is a feature map [images, H, W, C] with C innermost,
    the source of timg2col; its rows are images*H*W and its columns C.

    `units` is what rows and columns are counted in: elements, a fractal's rows ("across") or what a row of it holds
    ("along").
    """

    units: tuple[str, str]

    def __new__(cls, code: int, rows: str, columns: str) -> Layout:
        """Make a member with its units."""
        layout = int.__new__(cls, code)
        layout._value_, layout.units = code, (rows, columns)
        return layout

    nd = 0, "element", "element"
    nz = 1, "across", "along"
    zn = 2, "along", "across"
    fmap = 3, "element", "element"


LAYOUT_UNITS = ("element", "across", "along")


class Loc(IntEnum):
    """On-chip memories, by PTO's names for what a tile in them is.

    `memory` is the name on the device, `core` whose it is, `alignment` what addresses and distances of buffers are
    multiples of, in bytes (a fractal, or a block of UB), `layouts` how a tile may lie in it, `holds` what it is for.
    """

    memory: str
    core: CoreType
    alignment: int
    layouts: tuple[Layout, ...]
    holds: str

    def __new__(
        cls, code: int, memory: str, core: CoreType, alignment: int, layouts: tuple[Layout, ...], holds: str
    ) -> Loc:
        """Make a member with its facts."""
        loc = int.__new__(cls, code)
        loc._value_, loc.memory, loc.core, loc.alignment, loc.layouts, loc.holds = (
            code, memory, core, alignment, layouts, holds,
        )  # fmt: skip
        return loc

    vec = 0, "UB", CoreType.vector, 32, (Layout.nd,), "vector arithmetic"
    # nd holds a bias row
    mat = 1, "L1", CoreType.cube, 512, tuple(Layout), "operands of the cube unit, in fractal order"
    left = 2, "L0A", CoreType.cube, 512, (Layout.nz,), "left operand"
    right = 3, "L0B", CoreType.cube, 512, (Layout.zn,), "right operand"
    acc = 4, "L0C", CoreType.cube, 512, (Layout.nz,), "result of the cube unit"
    bias = 5, "BT", CoreType.cube, 32, (Layout.nd,), "bias row"
    scaling = 6, "FB", CoreType.cube, 32, (Layout.nd,), "fixpipe parameters"


def granularity(loc: Loc, layout: Layout, dtype: DType) -> tuple[int, int]:
    """Return what rows and columns of a tile's capacity are multiples of."""
    along = FRACTAL if loc is Loc.acc else max(FRACTAL_BYTES // dtype.bytes, 1)
    unit = {"element": 1, "across": FRACTAL, "along": along}
    rows, columns = layout.units
    return unit[rows], unit[columns]


@dataclass(frozen=True)
class Limits:
    """What a kernel may have at most; flags and their counters are silicon's, the rest keeps addresses far from 2^63."""

    grid_rank: int = 8
    blocks: int = 2**31  # of a grid; also elements of one dimension of a view
    registers: int = 4096
    slots: int = 64  # of a tile
    tile_side: int = 2**26  # what the largest memory holds
    span_depth: int = 64  # spans (loop, when, subblocks) inside each other
    view_rank: int = 5
    argument_elements: int = 2**44  # also of a stride
    events: int = 8  # per ordered pair of pipes
    cross_flags: int = 16  # between the cube core and the vector cores
    cross_flag_count: int = 15  # a cross-core flag is a counter of four bits


LIMITS = Limits()

D = DType
CLASSES: dict[str, frozenset[DType]] = {
    "float": frozenset({D.f16, D.bf16, D.f32, D.f64}),
    "int": frozenset({D.i8, D.i16, D.i32, D.i64, D.u8, D.u16, D.u32, D.u64}),
    "bool": frozenset({D.i1}),
    "index": frozenset({D.i32, D.i64}),
    "pair": frozenset({D.u64}),  # what is sorted: a key and an index
}
CLASSES["number"] = CLASSES["float"] | CLASSES["int"]
CLASSES["bits"] = CLASSES["int"] | CLASSES["bool"]
CLASSES["all"] = CLASSES["number"] | CLASSES["bool"]

# What the cube unit multiplies: accumulator, left, right. f64 and i32 are emulated; silicon has neither.
PRODUCTS = (
    (D.f32, D.f16, D.f16), (D.f32, D.bf16, D.bf16), (D.f32, D.f32, D.f32), (D.f64, D.f64, D.f64),
    (D.i32, D.i8, D.i8), (D.i32, D.u8, D.u8), (D.i32, D.i8, D.u8), (D.i32, D.u8, D.i8), (D.i32, D.i32, D.i32),
)  # fmt: skip
ACCUMULATORS = {left: sum for sum, left, right in PRODUCTS if left is right}
# Sums and the types that a bias row, or what they drain to, may have.
BIASES = ((D.f32, D.f32), (D.f32, D.f16), (D.f32, D.bf16), (D.f64, D.f64), (D.i32, D.i32))
