"""Compile a function or a StableHLO file, execute nothing, and print a stage of it.

  python -m jax_ascend compile model.mlir
  python -m jax_ascend compile train.py:loss --shapes f32[8,128] i32[8] --stage kernels
  python -m jax_ascend compile train.py:step --example make_arguments --stage all
  python -m jax_ascend compile jax.nn:softmax --shapes f32[64,1000] --stage program

What is always printed, on stderr where a stage goes to stdout, is how many launches of each kind the program has.
Stages are stablehlo, graph (as imported), and the compiler's passes by name: each prints what it leaves. regions stands for
fuse_regions, kernels for insert_synchronization (the last that changes them), program for write_program; strips is how the
executor runs each kernel's vector instructions; launches is the counts only. A compilation that fails still prints the
stages before.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ..compiler.errors import AscendError, InvalidInputError
from ..compiler.program.program import Program
from .files import is_program, read_bytes
from .inputs import add_input, program_from
from .progress import Progress, ShownStages

_STAGES = {"regions": "fuse_regions", "kernels": "insert_synchronization", "program": "write_program"}
_KINDS = {"cube": "aic", "vector": "aiv", "mixed": "mix", "aicpu": "aicpu"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_input(parser)
    parser.add_argument("--stage", default="launches", help="which stage to print, or all (default: %(default)s)")
    parser.add_argument("-o", "--output", help="where to write the program's bytes")


def run(options: argparse.Namespace) -> None:
    """Compile and print."""
    name: str = options.input
    if ":" not in name and is_program(read_bytes(name)):
        raise InvalidInputError(f"[compile {name}] is a compiled program. `python -m jax_ascend asm {name}` prints it.")
    with Progress("tracing") as progress:
        stages = ShownStages(progress)
        stages.keep = True
        try:
            program = program_from(options, stages)
        except AscendError:
            _print_stages(stages.texts, options.stage)
            raise
    if options.output:
        Path(options.output).write_bytes(program.encode())
    if options.stage in ("strips", "all"):
        stages.texts.append(("strips", _strips(program)))
    known = list(dict.fromkeys(["launches", "all", "strips", *_STAGES, *(name for name, _ in stages.texts)]))
    if options.stage not in known:
        raise InvalidInputError(
            f"[--stage {options.stage}] there is no such stage; expected one of {', '.join(known)}."
        )
    _print_stages(stages.texts, options.stage)
    print(_summary(program), file=sys.stdout if options.stage == "launches" else sys.stderr)


def _strips(program: Program) -> str:
    from .. import _plugin

    plans = zip(program.kernels, _plugin.strip_plans(program.encode()), strict=True)
    return "\n".join(line for kernel, lines in plans for line in (f"kernel {kernel.name}", *(f"  {x}" for x in lines)))


def _print_stages(texts: list[tuple[str, str]], stage: str) -> None:
    stage = _STAGES.get(stage, stage)
    for name, text in texts:
        if stage == "all":
            print(f"// ----- {name}\n{text}\n")
        elif stage == name:
            print(text)


def _summary(program: Program) -> str:
    launches = ", ".join(f"{count} {kind} ({_KINDS[kind]})" for kind, count in program.launches().items())
    frame = max((f.frame_bytes for f in program.functions), default=0)
    # StableHLO and the debug section name the places of its sources, which differ by machine.
    size = len(replace(program, stablehlo=b"", debug=b"").encode())
    return (
        f"program {program.name} for {program.target.name}: launches {launches}\n"
        f"{len(program.kernels)} kernels, {len(program.constants)} bytes of constants, {frame} bytes of workspace, "
        f"{size} bytes without its StableHLO and its sources"
    )
