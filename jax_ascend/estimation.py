"""What a function would cost on silicon: compile it, execute nothing, add up simulated kernel times.

The time of a kernel comes from the event-driven model in plugin/device/cycles; a program's time is the sum over its
launches, each with its dispatch, loops multiplied by their trip counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import _plugin, foreign
from .compiler.isa.stream import AICPU_BY_NAME
from .compiler.pipeline import compile_program
from .compiler.program.program import Command, Program
from .compiler.targets import Target
from .compiler.targets import target as find_target
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
    core: str  # aic, aiv, mix, aicpu, or host
    blocks: int
    launches: int
    seconds: float  # of all launches, dispatch included
    cycles: float  # of one launch, without dispatch
    hbm_bytes: float  # of one launch
    busy: dict[str, float]  # PIPE_COLUMNS name -> share of the launch's cycles, mean over the cores with work


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

        Kernels follow one another, one launch each; `kernel` picks one by its index. At most `limit` intervals of
        each are written.
        """
        events: list[dict[str, Any]] = []
        start = 0.0
        scale = 1e6 / self.target.clock  # microseconds per cycle
        rows = [(i, r) for i, r in enumerate(self.kernels) if r.core not in ("aicpu", "host") and kernel in (None, i)]
        for index, row in rows:
            for core, unit, pipe, instruction, first, last in _plugin.kernel_trace(
                self._program, index, self._warm, limit
            ):
                lane = {0: "", 1: ".v0", 2: ".v1"}[unit]
                events.append(
                    {
                        "name": f"{row.name} #{instruction}",
                        "cat": row.name,
                        "ph": "X",
                        "pid": f"core {core}{lane}",
                        "tid": {"M": "CUBE", "V": "VECTOR", "S": "SCALAR"}.get(pipe, pipe),
                        "ts": start + first * scale,
                        "dur": (last - first) * scale,
                    }
                )
            start += row.cycles * scale
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
        l2: "cold", every kernel's first touch of a line goes to HBM and its first launch pays the cold start, or
            "warm", as in a benchmark that repeats itself: its arguments are in the L2 as far as they fit.

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
    chosen = program.target
    data, warm = program.encode(), l2 == "warm"
    assumptions: list[str] = []
    launches, aicpu, host = _count(program, assumptions)
    rows: list[KernelRow] = []
    for index, (kernel, time) in enumerate(zip(program.kernels, _plugin.kernel_times(data, warm), strict=True)):
        count = launches.get(index, 0)
        cores = {"cube": time["cube_cores"], "vector": time["vector_cores"]}
        busy: dict[str, float] = {
            column: time[f"{kind}_busy"][pipe] / (time["cycles"] * cores[kind])
            for column, (kind, pipe) in PIPE_COLUMNS.items()
            if cores[kind] and time["cycles"]
        }
        cold = 0 if warm or not count else chosen.launch_cold
        seconds = count * (time["cycles"] / chosen.clock + chosen.launch_dispatch) + cold
        rows.append(
            KernelRow(kernel.name, kernel.core, kernel.blocks, count, seconds, time["cycles"], time["hbm_bytes"], busy)
        )
    for op, (count, flops) in aicpu.items():
        computing = flops / chosen.aicpu_rate
        charged = f"{flops:.3g} operations at aicpu_rate" if flops else "their dispatch only"
        assumptions.append(f"{count} launches of the AICPU kernel {op!r} count {charged}")
        cycles = computing * chosen.clock / max(count, 1)
        rows.append(KernelRow(op, "aicpu", 1, count, count * chosen.launch_dispatch + computing, cycles, 0, {}))
    if host:
        calls, bytes = sum(host.values()), sum(size * count for size, count in host.items())
        assumptions.append(
            f"{calls} calls of the host count their dispatch and {bytes} bytes over its link, and no time of the host"
        )
        transfer = calls * chosen.launch_dispatch + bytes / chosen.host_bandwidth
        rows.append(KernelRow("host_call", "host", 1, calls, transfer, 0, 0, {}))
    seconds = sum(r.seconds for r in rows)
    return Estimate(chosen, seconds, seconds * chosen.clock, rows, assumptions, data, warm)


def _count(
    program: Program, assumptions: list[str]
) -> tuple[dict[int, int], dict[str, tuple[int, float]], dict[int, int]]:
    """Launches per kernel index, launches and operations per AICPU kernel, calls of the host by bytes they move.

    Loops are multiplied out.
    """
    launches: dict[int, int] = {}
    aicpu: dict[str, tuple[int, float]] = {}
    host: dict[int, int] = {}

    def visit(commands: list[Command], times: int) -> None:
        for c in commands:
            match c.spec.name:
                case "launch":
                    launches[c.values[0]] = launches.get(c.values[0], 0) + times
                case "aicpu":
                    op, _, parameters = c.values
                    count, flops = aicpu.get(op, (0, 0.0))
                    aicpu[op] = count + times, flops + times * AICPU_BY_NAME[op].flops(parameters)
                case "host_call" | "ffi_call":
                    size = sum(t.bytes for types in c.values[2:4] for t in types)
                    host[size] = host.get(size, 0) + times
                case "loop":
                    _, _, condition, body, trips = c.values
                    if trips < 0:
                        assumptions.append("a while loop whose trip count depends on data counts as one iteration")
                    count = trips if trips >= 0 else 1
                    visit(condition, times * (count + 1))
                    visit(body, times * count)
                case "case":
                    assumptions.append("a conditional counts as its first branch")
                    for i, branch in enumerate(c.values[1]):
                        visit(branch, 0 if i else times)
                case _:  # copies are not counted
                    pass

    visit(program.functions[0].commands, 1)
    return launches, aicpu, host
