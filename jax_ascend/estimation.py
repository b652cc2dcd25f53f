"""What a function would cost on silicon: compile it, execute nothing, add up simulated kernel times.

The time of a launch comes from the event-driven model in plugin/device/cycles, on the L2 that those before it left; a
program's time is the sum over its launches (program_clock.py), each with its dispatch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import foreign
from .compiler.pipeline import compile_program
from .compiler.program.program import Program
from .compiler.targets import Target
from .compiler.targets import target as find_target
from .program_clock import Interval, ProgramClock
from .registration import register

PIPE_COLUMNS = {  # report column: (core type, pipe); names as msprof's PipeUtilization.csv has them
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


@dataclass(frozen=True)
class KernelRow:
    """One kernel of a program: how often it is launched and where its time goes."""

    name: str
    core: str  # aic, aiv, mix, aicpu, sdma (copies), or host
    blocks: int
    launches: int
    seconds: float  # of all launches, dispatch included
    cycles: float  # of one launch, without dispatch: the mean
    hbm_bytes: float  # of one launch, the mean: what HBM reads, and what it writes as the L2 makes room
    busy: dict[str, float]  # PIPE_COLUMNS name -> share of the launches' cycles, mean over the cores with work


@dataclass(frozen=True)
class Estimate:
    """Simulated cost of one execution of a program."""

    target: Target
    seconds: float
    cycles: float
    kernels: list[KernelRow]
    assumptions: list[str] = field(default_factory=lambda: [])  # what the figures rest on that the program does not say
    _program: bytes = field(default=b"", repr=False)
    _warm: bool = field(default=False, repr=False)

    def trace(self, path: str | Path, kernel: int | None = None, limit: int = 100_000) -> None:
        """Write a trace for Perfetto or chrome://tracing: one lane per pipe and core.

        Kernels follow one another, the first launch of each; `kernel` picks one by its index. At most `limit` intervals
        of each are written.
        """
        events: list[dict[str, Any]] = []
        start = 0.0
        scale = 1e6 / self.target.clock  # microseconds per cycle

        def traced(index: int, intervals: list[Interval]) -> None:
            nonlocal start
            if kernel not in (None, index):
                return
            name = self.kernels[index].name
            for core, unit, pipe, instruction, first, last in intervals:
                lane = {0: "", 1: ".v0", 2: ".v1"}[unit]
                events.append(
                    {
                        "name": f"{name} #{instruction}",
                        "cat": name,
                        "ph": "X",
                        "pid": f"core {core}{lane}",
                        "tid": {"M": "CUBE", "V": "VECTOR", "S": "SCALAR"}.get(pipe, pipe),
                        "ts": start + first * scale,
                        "dur": (last - first) * scale,
                    }
                )
            start += max((i[-1] for i in intervals), default=0.0) * scale

        ProgramClock(Program.decode(self._program), self._program, self._warm, traced, limit)
        Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}))

    def __str__(self) -> str:
        lines = [f"{self.target.name}: {self.seconds * 1e6:.1f} us, {self.cycles:.0f} cycles"]
        for row in sorted(self.kernels, key=lambda r: -r.seconds):
            busy = " ".join(f"{k.removesuffix('_ratio')} {v:.0%}" for k, v in row.busy.items() if v >= 0.005)
            lines.append(f"{row.seconds * 1e6:10.1f} us  {row.launches:5d} x {row.core:5s} {row.name:40s} {busy}")
        return "\n".join(lines + [f"assumed: {a}" for a in self.assumptions])


def estimate(fn: Callable[..., Any], *args: Any, target: str | Target = "ascend910b", l2: str = "cold") -> Estimate:
    """Estimate one call of `fn` on a device, without executing it.

    Args:
        fn: a function JAX can trace (jitted or not).
        args: its arguments: arrays, or jax.ShapeDtypeStruct pytrees.
        target: a target's name, a TOML file of one, or a Target.
        l2: what the L2 holds at the start: nothing ("cold"), or what the same call left there ("warm", as in a benchmark
            that repeats itself).

    Raises:
        UnsupportedOpsError: the program has ops that are not lowered.
        TargetError: there is no such target, or it cannot be.
    """
    import jax
    from jax.interpreters import mlir

    if l2 not in ("cold", "warm"):
        raise ValueError(f"[estimate] l2 is 'cold' or 'warm', got {l2!r}")
    device = find_target(target)
    register()  # JAX asks for the platform's rules before it looks for the platform
    lowered = jax.jit(fn).trace(*args).lower(lowering_platforms=("ascend",))  # pyright: ignore[reportUnknownMemberType]
    module: Any = lowered.compiler_ir("stablehlo")
    program = compile_program(mlir.module_to_bytecode(module), device, handlers=foreign.handlers())
    return estimate_program(program, l2)


def estimate_program(program: Program, l2: str = "cold") -> Estimate:
    """Estimate one execution of a compiled program on the target it carries; `l2` as `estimate`."""
    chosen, data, warm = program.target, program.encode(), l2 == "warm"
    clock = ProgramClock(program, data, warm)
    assumptions = list(clock.assumptions)
    rows: list[KernelRow] = []
    for kernel, total in zip(program.kernels, clock.kernels, strict=True):
        busy: dict[str, float] = {
            column: total.busy[core, pipe] / total.core_cycles[core]
            for column, (core, pipe) in PIPE_COLUMNS.items()
            if total.core_cycles.get(core)
        }
        seconds = total.cycles / chosen.clock + total.launches * chosen.launch_dispatch
        each = max(total.launches, 1)
        rows.append(
            KernelRow(
                kernel.name, kernel.core, kernel.blocks, total.launches, seconds, total.cycles / each,
                total.hbm_bytes / each, busy,
            )
        )  # fmt: skip
        if any(i.spec.name == "until" for i in kernel.body):
            assumptions.append(
                f"a loop in kernel {kernel.name} whose trip count depends on data counts as one iteration"
            )
    for (core, name), total in clock.others.items():
        count = total.launches
        if core == "aicpu":
            assumptions.append(
                f"{count} launches of the AICPU kernel {name!r} count {total.operations:.3g} operations at aicpu_rate and "
                f"{total.bytes:.3g} bytes at aicpu_bandwidth"
            )
        elif name == "host_call":
            assumptions.append(
                f"{count} calls of the host count their dispatch and {total.bytes:.0f} bytes over its link, and no time of "
                "the host"
            )
        seconds = total.seconds + count * chosen.launch_dispatch
        cycles = total.seconds * chosen.clock / max(count, 1)
        rows.append(KernelRow(name, core, 1, count, seconds, cycles, total.hbm_bytes / max(count, 1), {}))
    seconds = sum(r.seconds for r in rows)
    return Estimate(chosen, seconds, seconds * chosen.clock, rows, assumptions, data, warm)
