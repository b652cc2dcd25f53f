"""Structured control flow, executed by the scalar unit."""

from ..model import Cost, Pipe, Spec, affine, declare, register

_control = Cost("control")

end = declare(Spec("end", "control", "Close the innermost loop, when or subblocks.", (), Pipe.S, _control))
loop = declare(
    Spec("loop", "control",
         "for (dst = start; dst < stop; dst += step): the span up to `end`; step is static and positive.",
         (register(), affine("start"), affine("stop"), affine("step", 1, low=1, static=True)), Pipe.S, _control, opens=True)
)  # fmt: skip
when = declare(
    Spec("when", "control", "Run the span up to `end` if value > 0.", (affine("value"),), Pipe.S, _control, opens=True)
)
until = declare(
    Spec("until", "control",
         "Leave the innermost loop if value > 0; stands directly in a loop. The clock lets it go on once.",
         (affine("value"),), Pipe.S, Cost("scalar", 1))
)  # fmt: skip
subblocks = declare(
    Spec("subblocks", "control",
         "In a cube+vector kernel: the span up to `end` runs on both vector cores of the AI core at once, dst = 0 "
         "and 1.",
         (register(),), Pipe.S, _control, opens=True, mixed=True)
)  # fmt: skip
