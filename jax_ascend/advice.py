"""What to do next: the largest distances of kernels from what the device could do, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .compiler.targets import Target
from .kernel_row import KernelRow
from .views import si


@dataclass(frozen=True)
class Loss:
    """Time beyond the roofline: how much, of which kernel (its place, or -1), and what helps."""

    seconds: float
    kernel: int
    title: str
    text: str


def losses(kernels: Sequence[KernelRow], target: Target, seconds: float, most: int = 3) -> list[Loss]:
    """Return the largest losses of kernels that take `seconds` together.

    Launches count together; a kernel's loss is its time without dispatch beyond its roofline. All of it is lost on the AICPU and
    on the host.
    """
    found = [_of_kernel(target, seconds, i, row) for i, row in enumerate(kernels)]
    found.append(_of_launches(target, seconds, kernels))
    return sorted((l for l in found if l.seconds > 0), key=lambda l: -l.seconds)[:most]


def _of_launches(target: Target, seconds: float, kernels: Sequence[KernelRow]) -> Loss:
    launches, dispatch = sum(r.launches for r in kernels), sum(r.dispatch for r in kernels)
    short = [r for r in kernels if r.bound == "launch"]
    text = f"Each launch takes {si(target.launch_dispatch, 's')} before the kernel begins."
    if short:
        count = sum(r.launches for r in short)
        text += (
            f" {count} of them start work that is shorter than that, above all {max(short, key=lambda r: r.seconds).name}. Larger "
            "batches, a scan over layers whose body is one kernel, or fewer separate small arrays help."
        )
    else:
        text += " Larger batches make it a smaller share."
    return Loss(
        dispatch, -1, f"{launches} launches: {si(dispatch, 's')} of dispatch, {_share(dispatch, seconds)}", text
    )


def _of_kernel(target: Target, seconds: float, index: int, row: KernelRow) -> Loss:
    least = row.roofline * row.seconds if row.core in ("aic", "aiv", "mix", "sdma") else 0.0
    lost = max(row.seconds - row.dispatch - least, 0.0)
    where = "beyond its roofline" if least else f"on the {row.core}"
    title = f"{row.name}: {si(lost, 's')} {where}, {_share(lost, seconds)}"
    text = next(text for start, text in _SAY if row.bound.startswith(start))
    return Loss(lost, index, title, text.format(**_figures(target, row)))


def _share(part: float, seconds: float) -> str:
    return f"{part / (seconds or 1):.0%} of the time"


def _figures(target: Target, row: KernelRow) -> dict[str, str]:
    """Return the figures that a text may speak of, in words."""
    moved = row.hbm_bytes * row.launches
    rate = moved / ((row.seconds - row.dispatch) or 1)
    to_l1, read = row.bytes.get("GM to L1", 0.0), row.bytes.get("HBM read", 0.0)
    most, busy = max(row.busy.items(), key=lambda item: item[1], default=("nothing", 0.0))
    again = f" Operands of {si(read, 'B')} in HBM cross the port as {si(to_l1, 'B')}." if to_l1 and read else ""
    return {
        "bound": row.bound,
        "launches": str(row.launches),
        "moved": si(moved, "B"),
        "rate": si(rate, "B/s"),
        "rate_share": f"{rate / target.hbm_bandwidth:.0%}",
        "intensity": f"{row.flops / (moved or 1):.2g}",
        "achieved": si(row.flops / (row.seconds or 1), "flop/s"),
        "multiplies": f"{row.busy.get('aic_mac_ratio', 0.0):.0%}",
        "computes": f"{row.busy.get('aiv_vec_ratio', 0.0):.0%}",
        "busiest": f"{most.removesuffix('_ratio')} most, {busy:.0%}",
        "again": again,
    }


_HBM = (
    "It moves {moved} at {rate}, {rate_share} of HBM's nominal rate, and computes {intensity} operations for each byte. Only fewer "
    "bytes help: a narrower type, or computing again what is read (jax.checkpoint), or arrays that stay in the L2 from one kernel "
    "to the next."
)
_LOADS = (
    "Its loads keep the port busy while the units that compute wait.{again} Larger products re-read less; operands whose rows are "
    "contiguous and a multiple of 512 bytes load faster."
)
_SAY = [  # how what bounds a kernel begins, and what is said then
    (
        "cube",
        "The cube units multiply {multiplies} of the time at {achieved}. Shapes that fill whole tiles on all cores and narrower types "
        "(bf16, int8) help; the rest is the start and the end of each tile.",
    ),
    ("HBM", _HBM),
    (
        "vector",
        "The vector units compute {computes} of the time. Fewer or cheaper operations for each element help: exponentials and "
        "divisions cost many instructions, types that the unit does not compute natively are converted.",
    ),
    ("MTE2", _LOADS),
    ("MTE1", _LOADS),
    ("L2", _LOADS),
    (
        "FIXP",
        "Results leave the cube core more slowly than it computes them: the dimension that is summed is short. A product that is "
        "consumed at once (attention with its softmax) need not go to memory; a narrower result type halves the time.",
    ),
    ("MTE3", _HBM),
    (
        "flag waits",
        "No pipe is busy: {busiest}. Loads, arithmetic and stores wait for each other, as in kernels of few tiles for each core. "
        "Larger arrays, or more work in one kernel, overlap better.",
    ),
    (
        "scalar",
        "The scalar unit works element by element. Whole-array operations instead of loops over elements use the vector unit.",
    ),
    (
        "AICPU",
        "It runs on the AICPU, whose rates are our assumption: {launches} launches. An operation that the cube and vector cores have "
        "(products instead of factorisations, top_k of few instead of a sort) is faster by orders of magnitude.",
    ),
    ("launch", "Its {launches} launches take longer to begin than to work."),
    ("", "It is bound by {bound}."),
]
