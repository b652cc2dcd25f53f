"""What to do next: the largest distances of an estimate from what the device could do, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kernel_row import KernelRow
from .views import si

if TYPE_CHECKING:
    from .estimation import Estimate


@dataclass(frozen=True)
class Loss:
    """Time beyond the roofline: how much, of which kernel (an index into Estimate.kernels, or -1), and what helps."""

    seconds: float
    kernel: int
    title: str
    text: str


def losses(found: Estimate, most: int = 3) -> list[Loss]:
    """Return the largest losses. Launches count together; a kernel's loss is its time without dispatch beyond its roofline.

    All of it is lost on the AICPU and on the host.
    """
    everything = [_of_kernel(found, i, row) for i, row in enumerate(found.kernels)]
    if found.dispatch:
        everything.append(_of_launches(found))
    return sorted((l for l in everything if l.seconds > 0), key=lambda l: -l.seconds)[:most]


def _of_launches(found: Estimate) -> Loss:
    launches = sum(r.launches for r in found.kernels)
    short = [r for r in found.kernels if r.bound == "launch"]
    text = f"Each launch takes {si(found.target.launch_dispatch, 's')} before the kernel begins."
    if short:
        count = sum(r.launches for r in short)
        text += (
            f" {count} of them start work that is shorter than that, above all {max(short, key=lambda r: r.seconds).name}. Larger "
            "batches, a scan over layers whose body is one kernel, or fewer separate small arrays help."
        )
    else:
        text += " Larger batches make it a smaller share."
    return Loss(
        found.dispatch,
        -1,
        f"{launches} launches: {si(found.dispatch, 's')} of dispatch, {_share(found, found.dispatch)}",
        text,
    )


def _of_kernel(found: Estimate, index: int, row: KernelRow) -> Loss:
    least = row.roofline * row.seconds if row.core in ("aic", "aiv", "mix", "sdma") else 0.0
    lost = max(row.seconds - row.dispatch - least, 0.0)
    title = (
        f"{row.name}: {si(lost, 's')} {'beyond its roofline' if least else f'on the {row.core}'}, {_share(found, lost)}"
    )
    text = next(say(found, row) for start, say in _SAY if row.bound.startswith(start))
    return Loss(lost, index, title, text)


def _share(found: Estimate, seconds: float) -> str:
    return f"{seconds / (found.seconds or 1):.0%} of the time"


def _hbm(found: Estimate, row: KernelRow) -> str:
    moved = row.hbm_bytes * row.launches
    rate = moved / ((row.seconds - row.dispatch) or 1)
    return (
        f"It moves {si(moved, 'B')} at {si(rate, 'B/s')}, {rate / found.target.hbm_bandwidth:.0%} of HBM's nominal rate, and computes "
        f"{row.flops / (moved or 1):.2g} operations for each byte. Only fewer bytes help: a narrower type, or computing again "
        "what is read (jax.checkpoint), or arrays that stay in the L2 from one kernel to the next."
    )


def _cube(found: Estimate, row: KernelRow) -> str:
    busy = row.busy.get("aic_mac_ratio", 0.0)
    return (
        f"The cube units multiply {busy:.0%} of the time at {si(row.flops / (row.seconds or 1), 'flop/s')}. Shapes that fill whole "
        "tiles on all cores and narrower types (bf16, int8) help; the rest is the start and the end of each tile."
    )


def _loads(found: Estimate, row: KernelRow) -> str:
    to_l1, read = row.bytes.get("GM to L1", 0.0), row.bytes.get("HBM read", 0.0)
    again = f" Operands of {si(read, 'B')} in HBM cross the port as {si(to_l1, 'B')}." if to_l1 and read else ""
    return (
        f"Its loads keep the port busy while the units that compute wait.{again} Larger products re-read less; operands whose rows "
        "are contiguous and a multiple of 512 bytes load faster."
    )


def _results(found: Estimate, row: KernelRow) -> str:
    return (
        "Results leave the cube core more slowly than it computes them: the dimension that is summed is short. A product that is "
        "consumed at once (attention with its softmax) need not go to memory; a narrower result type halves the time."
    )


def _vector(found: Estimate, row: KernelRow) -> str:
    busy = row.busy.get("aiv_vec_ratio", 0.0)
    return (
        f"The vector units compute {busy:.0%} of the time. Fewer or cheaper operations for each element help: exponentials and "
        "divisions cost many instructions, types that the unit does not compute natively are converted."
    )


def _waits(found: Estimate, row: KernelRow) -> str:
    most = max(row.busy.items(), key=lambda item: item[1], default=("nothing", 0.0))
    return (
        f"No pipe is busy: {most[0].removesuffix('_ratio')} most, {most[1]:.0%}. Loads, arithmetic and stores wait for each other, as in "
        "kernels of few tiles for each core. Larger arrays, or more work in one kernel, overlap better."
    )


def _scalar(found: Estimate, row: KernelRow) -> str:
    return "The scalar unit works element by element. Whole-array operations instead of loops over elements use the vector unit."


def _aicpu(found: Estimate, row: KernelRow) -> str:
    return (
        f"It runs on the AICPU, whose rates are our assumption: {row.launches} launches. An operation that the cube and vector cores have "
        "(products instead of factorisations, top_k of few instead of a sort) is faster by orders of magnitude."
    )


def _launch(found: Estimate, row: KernelRow) -> str:
    return f"Its {row.launches} launches take longer to begin than to work."


def _other(found: Estimate, row: KernelRow) -> str:
    return f"It is bound by {row.bound}."


_SAY: list[tuple[str, Callable[[Estimate, KernelRow], str]]] = [
    ("cube", _cube),
    ("HBM", _hbm),
    ("vector", _vector),
    ("MTE2", _loads),
    ("MTE1", _loads),
    ("L2", _loads),
    ("FIXP", _results),
    ("MTE3", _hbm),
    ("flag waits", _waits),
    ("scalar", _scalar),
    ("AICPU", _aicpu),
    ("launch", _launch),
    ("", _other),
]
