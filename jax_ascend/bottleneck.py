"""What bounds a kernel, in words, and how far it is from the roofline, from the figures that the clock gives."""

from __future__ import annotations

from .compiler.isa.machine import FRACTAL, FRACTAL_BYTES
from .compiler.targets import Target
from .program_clock import Totals

PIPE_COLUMNS = {  # report column: (core type, pipe); names as msprof's op_summary.csv has them
    "aic_mac_ratio": ("cube", "M"),
    "aic_scalar_ratio": ("cube", "S"),
    "aic_mte1_ratio": ("cube", "MTE1"),
    "aic_mte2_ratio": ("cube", "MTE2"),
    "aic_fixpipe_ratio": ("cube", "FIXP"),
    "aiv_vec_ratio": ("vector", "V"),
    "aiv_scalar_ratio": ("vector", "S"),
    "aiv_mte2_ratio": ("vector", "MTE2"),
    "aiv_mte3_ratio": ("vector", "MTE3"),
}
_WORDS = {  # what a busy pipe means
    "aic_mac_ratio": "cube",
    "aic_scalar_ratio": "scalar unit of the cube core",
    "aic_mte1_ratio": "MTE1 (L1 to L0)",
    "aic_mte2_ratio": "MTE2 (GM to L1)",
    "aic_fixpipe_ratio": "FIXP (L0C to GM)",
    "aiv_vec_ratio": "vector",
    "aiv_scalar_ratio": "scalar unit of the vector core",
    "aiv_mte2_ratio": "MTE2 (GM to UB)",
    "aiv_mte3_ratio": "MTE3 (UB to GM)",
}
_LOADS = ("aic_mte2_ratio", "aiv_mte2_ratio", "aiv_mte3_ratio", "aic_fixpipe_ratio")
_BUSY = 0.6  # of its time, from which on a pipe is what bounds a kernel
_AS_BUSY = 0.05  # by which another pipe may be busier than the cube, and the cube is what bounds
_LIMITED = 0.5  # of a kernel's time, from which on a memory that slows transfers is what bounds it


def peak_operations(target: Target) -> dict[str, float]:
    """Return the most operations per second of all cores, by unit and element type; a multiply-accumulate is two.

    A step of the cube unit multiplies fractals of 16 rows, 16 columns and 32 bytes along K; an instruction of the vector unit
    takes vector_repeat_bytes.
    """
    steps = 2 * FRACTAL**2 * target.cube_cores * target.clock
    lanes = target.vector_repeat_bytes / 4 * target.vector_issue
    return {
        "cube f16": steps * FRACTAL_BYTES / 2,
        "cube f32": steps * FRACTAL_BYTES / 4 / target.mad_f32_factor,
        "vector f32": lanes * target.vector_cores * target.clock,
    }


def busy_ratios(total: Totals) -> dict[str, float]:
    """Return the busy share of each pipe, the mean over the cores with work, by PIPE_COLUMNS' names."""
    found: dict[str, float] = {}
    for column, (core, pipe) in PIPE_COLUMNS.items():
        cycles = total[f"{core}_cycles"]
        if cycles:
            found[column] = total[f"{core}_busy.{pipe}"] / cycles
    return found


def cores_used(total: Totals, target: Target) -> list[tuple[float, int, str]]:
    """Return (cores with work, cores there are, what they are) of each type with work, the mean over launches."""
    kinds = (("cube", target.cube_cores), ("vector", target.vector_cores))
    return [
        (total[f"{k}_cycles"] / total["cycles"], n, k) for k, n in kinds if total[f"{k}_cycles"] and total["cycles"]
    ]


def ideal_seconds(core: str, total: Totals, target: Target) -> dict[str, float]:
    """Return the least time that the work takes on each resource, all cores and all of the bandwidth at work."""
    found = {"HBM": total["hbm_bytes"] / target.hbm_bandwidth}
    if core in ("aic", "aiv", "mix"):
        found["cube"] = total["cube_ideal"] / target.cube_cores / target.clock
        found["vector"] = total["vector_ideal"] / target.vector_cores / target.clock
    elif core in ("aicpu", "host", "links"):
        found[core] = total["seconds"]
    return found


def bound_by(core: str, total: Totals, target: Target) -> str:
    """Say what most of the time goes to: one or two words a reader can act on, the busiest pipe where nothing stands out."""
    dispatch = total.launches * target.launch_dispatch
    if core not in ("aic", "aiv", "mix"):
        if total["seconds"] <= dispatch and core != "links":
            return "launch"
        at_hbm = total["hbm_bytes"] > 0 and core == "sdma"
        return {
            "aicpu": "AICPU",
            "host": "link to the host",
            "links": "links to other devices",
            "sdma": "HBM" if at_hbm else "L2",
        }[core]
    cycles = total["cycles"]
    if cycles / target.clock <= dispatch:
        return "launch"
    busy = busy_ratios(total)
    if not busy:  # all that runs is on the scalar unit, which keeps no queue
        return _WORDS["aic_scalar_ratio" if core == "aic" else "aiv_scalar_ratio"]
    column = max(busy, key=busy.__getitem__)
    used = min((n / there for n, there, _ in cores_used(total, target)), default=1.0)
    alone = "".join(
        f", on {n:.0f} of {there} {kind} cores" for n, there, kind in cores_used(total, target) if used < 0.5
    )
    if busy.get("aic_mac_ratio", 0.0) >= max(_BUSY, busy.get(column, 0.0) - _AS_BUSY):
        return "cube" + alone
    if total["hbm_limited"] >= _LIMITED * cycles:
        return "HBM"
    if total["l2_limited"] >= _LIMITED * cycles:
        return "MTE2 at L2" if column in _LOADS else "L2"
    if busy[column] >= _BUSY:
        return _WORDS[column] + alone
    most = f" ({_WORDS[column].split(' (')[0]} {busy[column]:.0%})"
    return f"flag waits{most}{alone}"
