"""Run a kernel instruction by instruction on the reference interpreter.

  python -m jax_ascend step kernel.txt                                    a kernel as `compile --stage kernels` prints it
  python -m jax_ascend step train.py:step --example make_arguments --at layer_norm --block 3
  python -m jax_ascend step kernel.txt -c "n 5; t 0; w vec:0+64; c"

Commands, from -c or typed, one a line or divided by semicolons:

  n [COUNT]       the next instructions           l            the instructions around this place
  c               go on to a breakpoint, a hazard, a watched byte or the end
  b NUMBER        stop before an instruction      w vec:0+64   stop when bytes of a memory change
  t NUMBER [SLOT] a tile as a table               p NUMBER [SLOT]  a tile as a picture
  g NUMBER        an argument in GM               r            registers
  f               flags that are set              h            hazards of the kernel
  q               the end

Of a function, the launches before are run too, on the reference; --at names a kernel, a line or a scope. Arrays that --example gives
as shapes, and arguments of a kernel's text, are random.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from ..compiler.errors import AscendError, InvalidInputError
from ..compiler.graph.graph import TensorType
from ..compiler.program.kernel import Kernel
from ..compiler.program.text import parse_kernel
from ..compiler.reference.machine import ReferenceFault
from ..programs import program_of
from ..stepper import Stepper, picture, step_program
from .files import find_target, is_program, read_bytes
from .inputs import add_input, example_of, program_from
from .progress import Progress, ShownStages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_input(parser)
    parser.add_argument("--at", default="", metavar="TEXT", help="the launch to stop at: a kernel, a line or a scope")
    parser.add_argument("--block", type=int, default=0, help="which block to run (default: %(default)s)")
    parser.add_argument("-c", "--commands", help="commands, instead of what is typed")


def run(options: argparse.Namespace) -> None:
    """Step through a block."""
    with Progress("tracing") as progress:
        try:
            stepper = _stepper(options, progress)
        except ReferenceFault as fault:
            raise InvalidInputError(str(fault)) from fault
    print(f"kernel {stepper.kernel.name}, block {options.block} of {stepper.kernel.blocks}")
    _show(stepper)
    breakpoints: set[int] = set()
    for line in _lines(options):
        for words in filter(None, (part.split() for part in line.split(";"))):
            if words[0] == "q":
                return
            try:
                _do(stepper, breakpoints, words)
            except (AscendError, ReferenceFault) as error:
                print(error)


def _lines(options: argparse.Namespace) -> Any:
    if options.commands is not None:
        return [options.commands]
    if sys.stdin.isatty():
        return iter(lambda: input("> "), "q")
    return sys.stdin


def _stepper(options: argparse.Namespace, progress: Progress) -> Stepper:
    name: str = options.input
    if ":" in name:
        program = program_from(options, ShownStages(progress))
        given = example_of(options)
        import jax

        inputs: list[Any] = jax.tree.leaves(given)  # pyright: ignore[reportUnknownMemberType]
    else:
        data = read_bytes(name)
        if not is_program(data) and data.lstrip().startswith(b"kernel "):
            kernel = parse_kernel(data.decode())
            _need_addresses(kernel, name)
            random = [_random(TensorType((a.size,), a.dtype), n) for n, a in enumerate(kernel.arguments)]
            return Stepper(kernel, random, find_target(options.target, "--target"), options.block)
        program, inputs = program_of(data, target=None if is_program(data) else options.target), []
    progress.now("running what comes before")
    arrays = [
        _array(x, t, n) for n, (x, t) in enumerate(zip(inputs or [None] * len(program.parameters), program.parameters))
    ]
    return step_program(program, arrays, options.at, options.block)


def _array(given: Any, type: TensorType, seed: int) -> np.ndarray:
    """Return a parameter: what is given, random numbers where that is a shape."""
    if not hasattr(given, "__array__"):
        return _random(type, seed)
    return np.asarray(given).astype(type.dtype.numpy).reshape(type.shape)


def _need_addresses(kernel: Kernel, name: str) -> None:
    if any(t.address < 0 for t in kernel.tiles):
        raise InvalidInputError(
            f"[step {name}] its tiles have no addresses; expected a kernel as `compile --stage kernels` prints it."
        )


def _random(type: TensorType, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if type.dtype.kind in "fc":
        return rng.standard_normal(type.shape).astype(type.dtype.numpy)
    return rng.integers(0, 2, type.shape).astype(type.dtype.numpy)


def _show(stepper: Stepper, around: int = 0) -> None:
    at = stepper.position
    if at is None:
        print("the block has ended")
        return
    for position in range(max(at - around, 0), min(at + around + 1, len(stepper.kernel.body))):
        mark = "->" if position == at else "  "
        hazard = "  ! hazard" if position in stepper.hazards else ""
        print(f"{mark} {position:4d}  {stepper.text(position)}{hazard}")


def _number(words: list[str], place: int, default: int | None = None) -> int:
    if len(words) <= place and default is not None:
        return default
    try:
        return int(words[place].lstrip("%tg"), 0)
    except (IndexError, ValueError):
        raise InvalidInputError(
            f"[{' '.join(words)}] expected a number. `python -m jax_ascend step --help` has the commands."
        ) from None


def _do(stepper: Stepper, breakpoints: set[int], words: list[str]) -> None:
    match words[0]:
        case "n":
            for _ in range(_number(words, 1, 1)):
                if stepper.position is None:
                    break
                done = stepper.step()
                wrote = f"  wrote {', '.join(done.wrote)}" if done.wrote else ""
                print(f"   {done.position:4d}  {done.text}{wrote}{''.join(f'  ! {w}' for w in done.watched)}")
            _show(stepper)
        case "c":
            print(stepper.run(sorted(breakpoints)))
            _show(stepper)
        case "l":
            _show(stepper, 6)
        case "b":
            breakpoints.add(_number(words, 1))
        case "w" if len(words) == 2:
            stepper.watch(words[1])
        case "t" | "p":
            values = stepper.tile(_number(words, 1), _number(words, 2, 0))
            table = np.array2string(
                values, threshold=128, edgeitems=4, precision=4, suppress_small=True, max_line_width=150
            )
            print(
                f"{values.shape[0]} x {values.shape[1]} {values.dtype}\n{table if words[0] == 't' else picture(values)}"
            )
        case "g":
            print(np.array2string(stepper.argument(_number(words, 1)), threshold=64, precision=4, max_line_width=150))
        case "r":
            print("  ".join(f"%r{n}={v}" for n, v in sorted(stepper.registers.items())))
        case "f":
            print("  ".join(f"{'>'.join(map(str, key))}: {n}" for key, n in stepper.flags.items()) or "no flag is set")
        case "h":
            print("\n".join(m for messages in stepper.hazards.values() for m in messages) or "no hazards")
        case _:
            raise InvalidInputError(
                f"[{' '.join(words)}] there is no such command; expected one of n c b l t p g r f h w q."
            )
