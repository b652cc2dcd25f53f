"""Devices: an Architecture is what exists on a generation of them, a Target the rates and sizes of one device.

The compiler tiles for a Target, the loader checks against it and the cycle model charges by it; programs carry theirs.
Fields are declared once, with unit, meaning and range: the C++ struct and its checks, the TOML files people edit
(target_text.py) and the listing of the command line are read from here.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import Any

from .errors import TargetError
from .isa.dtypes import DType
from .isa.machine import Loc


class MemoryKind(IntEnum):
    """Where a buffer may live, by JAX's names; the first is the default."""

    device = 0
    pinned_host = 1


def memory_kind(name: str) -> MemoryKind:
    """Return the memory kind that JAX calls `name` ("" is the default); TargetError lists those there are."""
    if name and name not in MemoryKind.__members__:
        raise TargetError(
            f"[memory kind] there is no memory kind {name!r}; expected one of {', '.join(MemoryKind.__members__)}."
        )
    return MemoryKind[name] if name else MemoryKind.device


@dataclass(frozen=True)
class Architecture:
    """What exists on every device of a generation, whatever its rates and sizes.

    memories: names of a core's on-chip memories; a Target gives the bytes of each.
    paths: (from, to) of the memories, GM among them, between which an instruction may move or compute.
    native: element types the vector unit computes; others are promoted, and cost that.
    vector_cores: of one AI core, beside its cube core; a mixed kernel's block runs on all of them.
    """

    name: str
    memories: tuple[str, ...]
    paths: frozenset[tuple[str, str]]
    native: frozenset[DType]
    vector_cores: int


# The 910B and 910C generation (A2/A3): CANN's documentation; the open PTO tile library. No path joins cube and vector
# cores: what one gives the other goes through GM, in practice through L2.
A2A3 = Architecture(
    "a2a3",
    memories=tuple(loc.memory for loc in Loc),
    paths=frozenset({
        ("GM", "UB"), ("UB", "GM"), ("GM", "L1"), ("L1", "L0A"), ("L1", "L0B"), ("L1", "BT"), ("L0A", "L0C"),
        ("L0B", "L0C"), ("BT", "L0C"), ("L0C", "GM"),
    }),
    native=frozenset({DType.f32, DType.f16, DType.i32, DType.i16}),
    vector_cores=2,
)  # fmt: skip
# The 950 generation (A5): the same sources. Cube and vector cores meet on the chip, and the vector unit computes more types.
A5 = replace(
    A2A3,
    name="a5",
    paths=A2A3.paths | {("L0C", "UB"), ("L1", "UB"), ("UB", "L1")},
    native=A2A3.native | {DType.bf16, DType.u16, DType.u32, DType.i64, DType.i8},
)
ARCHITECTURES = {a.name: a for a in (A2A3, A5)}


def _figure(default: float, unit: str, least: float, most: float, meaning: str) -> Any:
    return field(default=default, metadata={"unit": unit, "range": (least, most), "meaning": meaning})


def _text(default: str, meaning: str) -> Any:
    return field(default=default, metadata={"unit": "", "meaning": meaning})


def _rate(default: float, meaning: str) -> Any:
    return _figure(default, "bytes per cycle and core", 0.01, 1e6, meaning)


def _share(default: float, meaning: str) -> Any:
    return _figure(default, "share of the rate", 0.01, 1.0, meaning)


def _cycles(default: float, meaning: str) -> Any:
    return _figure(default, "cycles", 0.0, 1e6, meaning)


def _memory_bytes(default: int, meaning: str, least: int = 32) -> Any:
    return _figure(default, "bytes per core", least, 64 * 2**20, meaning)  # the executor has as much of the host's


@dataclass(frozen=True)
class Target:
    """One device ("die"). The defaults are ascend910b, a 910B2. TargetError if a field is no figure of a device.

    "Published" figures agree between CANN's documentation and the open tile libraries (PTO, catlass); "fitted" ones were
    fitted by others to measurements of the chip; "assumed" ones are ours.
    """

    name: str = _text("ascend910b", "what devices and reports call it")
    architecture: str = _text("a2a3", "what exists on it: a2a3, the generation of 910B and 910C, or a5, that of 950")
    cube_cores: int = _figure(24, "cores", 1, 1024, "one per AI core; published")
    vector_cores: int = _figure(48, "cores", 1, 2048, "as many per cube core as the architecture has: two; published")
    clock: float = _figure(1.80e9, "Hz", 1e6, 1e11, "cycles per second of every core; published")
    hbm_bytes: int = _figure(64 * 10**9, "bytes", 2**20, 2**44, "device memory; published")
    hbm_bandwidth: float = _figure(1.6e12, "bytes per second, all cores", 1e6, 1e16, "peak of HBM; published")
    hbm_read_efficiency: float = _share(0.85, "of HBM's peak that reads reach; fitted")
    hbm_write_efficiency: float = _share(0.85, "of HBM's peak that writes reach; assumed, few rows only write")
    hbm_mixed_efficiency: float = _share(
        0.755, "of HBM's peak at two reads to one write; what it is below the others is the turning round; fitted"
    )
    l2_bytes: int = _figure(192 * 2**20, "bytes, all cores", 2**16, 2**36, "the L2 in front of HBM; published")
    l2_line: int = _figure(512, "bytes", 32, 2**15, "what the L2 keeps and HBM moves at least; published")
    l2_rate: float = _rate(90.0, "L2 to L1; fitted")
    l2_total: float = _figure(
        4.0e12, "bytes per second, all cores", 1e6, 1e17, "what the L2 gives all together; fitted"
    )
    l1_bytes: int = _memory_bytes(512 * 1024, "L1, operands of products; published", 512)
    l0a_bytes: int = _memory_bytes(64 * 1024, "L0A, left operands; published", 512)
    l0b_bytes: int = _memory_bytes(64 * 1024, "L0B, right operands; published", 512)
    l0c_bytes: int = _memory_bytes(128 * 1024, "L0C, sums of products; published", 512)
    ub_bytes: int = _memory_bytes(
        184 * 1024, "UB, tiles of the vector unit: what a kernel may use of 192 KiB; published"
    )
    bt_bytes: int = _memory_bytes(1024, "BT, a bias; published")
    fb_bytes: int = _memory_bytes(7 * 1024, "FB, parameters of FIXP; published")
    ub_load_rate: float = _rate(58.0, "GM to UB; fitted")
    ub_store_rate: float = _rate(64.0, "UB to GM; fitted")
    l0a_rate: float = _rate(196.0, "L1 to L0A; fitted")
    l0b_rate: float = _rate(98.0, "L1 to L0B and BT; fitted")
    fixp_start: float = _cycles(164.0, "before FIXP drains a tile of L0C; fitted")
    fixp_row: float = _cycles(4.45, "per row that FIXP drains, at least; fitted")
    fixp_rate: float = _rate(72.0, "L0C to GM, bytes as GM gets them; fitted")
    mad_start: float = _cycles(14.0, "before a product or an extract; fitted")
    mad_f32_factor: float = _figure(
        2.0, "times", 0.01, 1000.0, "cycles per fractal step in f32, of which one is half of K; published"
    )
    vector_start: float = _cycles(30.0, "before a vector instruction; published as 25 to 60")
    vector_repeat_bytes: int = _figure(
        256, "bytes", 32, 2**16, "of each operand that a repeat of a vector instruction takes; published"
    )
    scalar_access: float = _cycles(8.0, "of the scalar unit to an element in UB; assumed")
    vector_issue: float = _figure(
        1.0,
        "instructions",
        0.1,
        16.0,
        "of the vector unit at once: what divides their cycles after the start; published",
    )
    gather_row: float = _cycles(2.0, "per row or element of a gather or scatter; assumed")
    move_start: float = _cycles(40.0, "before a transfer's first byte; assumed, so that 16 KiB reach 0.9 of the rate")
    misaligned_efficiency: float = _share(
        0.7, "of the rate that segments reach which fill their L2 lines badly; fitted"
    )
    aicpu_rate: float = _figure(
        2.0e10, "operations per second, all AICPU cores", 1e6, 1e15, "real arithmetic and comparisons; assumed"
    )
    aicpu_bandwidth: float = _figure(
        40e9,
        "bytes per second, all AICPU cores",
        1e6,
        1e15,
        "what they read and write; assumed, 10 GB/s for each of four",
    )
    launch_dispatch: float = _figure(
        2.0e-6, "seconds", 0.0, 1.0, "of every launch; from measured kernels of less than 12 us"
    )
    host_bandwidth: float = _figure(
        32e9, "bytes per second", 1e6, 1e15, "the link to the host, as of PCIe 4.0 x16; assumed"
    )

    server_devices: int = _figure(8, "devices", 1, 4096, "that have links to each other; published")
    peer_bandwidth: float = _figure(28e9, "bytes per second", 1e6, 1e15, "from one device to another; published")
    exchange_bandwidth: float = _figure(
        78e9, "bytes per second", 1e6, 1e15, "that a device gets from all others of its server; fitted"
    )
    exchange_reduction: float = _figure(
        78e9, "bytes per second", 1e6, 1e15, "the same of what it sums up with its own; fitted"
    )
    exchange_start: float = _figure(50e-6, "seconds", 0.0, 1.0, "before the first byte of an exchange; fitted")
    exchange_small_bytes: int = _figure(
        64 * 2**10, "bytes for each device", 0, 2**40, "of a part up to which vector cores make the exchange; fitted"
    )
    exchange_small_start: float = _figure(5.4e-6, "seconds", 0.0, 1.0, "before they do; fitted")
    exchange_small_bandwidth: float = _figure(
        163e9, "bytes per second", 1e6, 1e15, "that a device's vector cores get from the others; fitted"
    )
    network_bandwidth: float = _figure(
        25e9, "bytes per second", 1e6, 1e15, "from a device to another server; published"
    )
    network_latency: float = _figure(1.5e-6, "seconds", 0.0, 1.0, "of the network; published")

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, _checked(f.name, f.type, f.metadata, getattr(self, f.name)))
        if self.architecture not in ARCHITECTURES:
            self._refuse("architecture", f"one of {', '.join(ARCHITECTURES)}")
        pairing = ARCHITECTURES[self.architecture].vector_cores
        if self.vector_cores != pairing * self.cube_cores:
            self._refuse("vector_cores", f"{pairing} per cube core, {pairing * self.cube_cores}")

    def _refuse(self, name: str, expected: str) -> None:
        raise TargetError(f"[target] {name} is unusable; expected {expected}, got {getattr(self, name)!r}.")

    def capacity(self, loc: Loc) -> int:
        """Return the bytes of the memory that tiles at `loc` live in."""
        return getattr(self, f"{loc.memory.lower()}_bytes")


def expected_of(type: str, metadata: Mapping[str, Any]) -> str:
    """Say what values a field takes."""
    if type == "str":
        return "letters, digits, and . _ - between them"
    least, most = metadata["range"]
    number = "an integer" if type == "int" else "a number"
    least, most = (f"{bound:g}" if type == "float" else f"{bound:.0f}" for bound in (least, most))
    return f"{number} from {least} to {most}" + (f" ({metadata['unit']})" if metadata["unit"] else "")


def _checked(name: str, type: Any, metadata: Mapping[str, Any], value: Any) -> Any:
    if type == "str":
        good = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", value)
    else:
        number = isinstance(value, int if type == "int" else (int, float)) and not isinstance(value, bool)
        good = number and math.isfinite(value) and metadata["range"][0] <= value <= metadata["range"][1]
    if not good:
        raise TargetError(f"[target] {name} is unusable; expected {expected_of(type, metadata)}, got {value!r}.")
    return float(value) if type == "float" else value


_910B = Target()
# What is not said of a 950 is as on a 910B; docs/device.md has the source of each figure.
_950 = Target(
    name="ascend950", architecture="a5", cube_cores=32, vector_cores=64, clock=1.65e9, hbm_bytes=128 * 10**9,
    l2_bytes=128 * 2**20, l2_line=128, l2_rate=94.0, l2_total=4.95e12, l0c_bytes=256 * 1024, ub_bytes=240 * 1024,
    bt_bytes=4 * 1024, fb_bytes=16 * 1024, ub_load_rate=64.0, ub_store_rate=64.0, l0a_rate=206.0, l0b_rate=128.0,
    fixp_row=4.59, fixp_rate=100.0, mad_start=25.0, mad_f32_factor=8.0, vector_start=23.0, vector_issue=2.0, launch_dispatch=2.5e-6,
    server_devices=4, peer_bandwidth=53e9, exchange_bandwidth=135e9, exchange_reduction=135e9, exchange_small_bandwidth=135e9,
    exchange_start=5e-6, exchange_small_start=5e-6,
)  # fmt: skip
TARGETS = {
    t.name: t
    for t in (
        _910B,
        replace(_910B, name="ascend910b3", cube_cores=20, vector_cores=40),
        replace(
            _910B, name="ascend910b4", cube_cores=20, vector_cores=40, clock=1.65e9, hbm_bytes=32 * 10**9,
            hbm_bandwidth=0.8e12, l2_bytes=96 * 2**20,
        ),
        replace(
            _910B, name="ascend910c", clock=1.85e9, server_devices=16, peer_bandwidth=196e9, exchange_bandwidth=205e9,
            exchange_reduction=172e9, network_latency=5.5e-6,
        ),
        _950,
    )
}  # fmt: skip


def target(which: str | Target) -> Target:
    """Return the target that `which` is, names, or is the file of; TargetError says what is wrong.

    Args:
        which: a Target, a name of TARGETS, or a TOML file: what ends in .toml or has a path separator.
    """
    if isinstance(which, Target):
        return which
    if which.endswith(".toml") or "/" in which or "\\" in which:
        from .target_text import read_target

        return read_target(which)
    if which not in TARGETS:
        raise TargetError(
            f"[target] there is no target {which!r}; expected one of {', '.join(TARGETS)}{nearest(which, TARGETS)}, or a "
            "TOML file. `python -m jax_ascend targets --show ascend910b > my.toml` starts one."
        )
    return TARGETS[which]


def nearest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """Return " (did you mean X?)", or nothing if no known name is near."""
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""
