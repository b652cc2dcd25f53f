"""Device parameters: what the compiler tiles for and the cycle model charges.

Figures of silicon are facts gathered from public sources (CANN documentation, the open PTO tile library, catlass, papers);
docs/device.md says which, and how sure. The C++ struct of the same name is generated from the fields below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .errors import UnknownTarget
from .isa.model import Loc


@dataclass(frozen=True)
class Target:
    """One device ("die"). Sizes in bytes, rates in bytes per cycle and core unless said, clock in Hz, times in seconds."""

    name: str = "ascend910b"
    cube_cores: int = 24
    vector_cores: int = 48
    clock: float = 1.80e9
    hbm_bytes: int = 64 * 10**9
    hbm_bandwidth: float = 1.6e12  # bytes per second, all cores
    hbm_read_efficiency: float = 0.85
    hbm_write_efficiency: float = 0.62
    hbm_mixed_efficiency: float = 0.755  # two reads to one write
    l2_bytes: int = 192 * 2**20
    l2_line: int = 512
    l2_rate: float = 90.0  # hits, per cube core
    l2_total: float = 4.0e12  # bytes per second over all cores
    l1_bytes: int = 512 * 1024
    l0a_bytes: int = 64 * 1024
    l0b_bytes: int = 64 * 1024
    l0c_bytes: int = 128 * 1024
    ub_bytes: int = 184 * 1024  # of 192 KiB, what a kernel may use
    bt_bytes: int = 1024
    fb_bytes: int = 7 * 1024
    ub_load_rate: float = 58.0
    ub_store_rate: float = 64.0
    l0a_rate: float = 196.0
    l0b_rate: float = 98.0
    fixp_start: float = 164.0  # cycles
    fixp_row: float = 4.45  # cycles per row at least
    fixp_rate: float = 72.0
    mad_start: float = 14.0  # cycles
    mad_f32_factor: float = (
        2.0  # cycles per fractal step in f32 relative to f16 (which also has half the K per fractal)
    )
    vector_start: float = 30.0  # cycles
    vector_repeat_bytes: int = 256
    move_start: float = 40.0  # cycles before the first byte; assumed, such that 16 KiB reach about 0.9 of the rate
    move_alignment: int = 512
    misaligned_efficiency: float = 0.7
    launch_dispatch: float = 2.5e-6
    launch_cold: float = 6.0e-6

    def capacity(self, loc: Loc) -> int:
        """Return the bytes of the memory that tiles at `loc` live in."""
        return getattr(self, f"{loc.memory.lower()}_bytes")


TARGETS = {t.name: t for t in (Target(), replace(Target(), name="ascend910c", clock=1.85e9))}


def target(name: str) -> Target:
    """Return the target called `name`; UnknownTarget lists those there are."""
    if name not in TARGETS:
        raise UnknownTarget(
            f"[target] there is no target {name!r}; expected one of {sorted(TARGETS)}. Set JAX_ASCEND_TARGET to one of these."
        )
    return TARGETS[name]
