"""Synchronisation between the pipes of a core, and between the cube and the vector cores of an AI core.

Event ids are 0 to 7 per ordered pair of pipes; a set_flag takes effect when every earlier instruction of its source
pipe has completed; a wait_flag holds its destination pipe until the flag is set, and clears it.
"""

from ..model import LIMITS, PIPES, Cost, Pipe, Spec, affine, declare, enum

_pair = (enum("src", PIPES), enum("dst", PIPES), affine("event", low=0, high=LIMITS.events - 1))
_flag = affine("flag", low=0, high=LIMITS.cross_flags - 1)
_cost = Cost("sync")

set_flag = declare(
    Spec("set_flag", "sync", "Set event (src, dst, id) once src has completed all before it.", _pair, Pipe.S, _cost)
)
wait_flag = declare(
    Spec("wait_flag", "sync", "Hold pipe dst until event (src, dst, id) is set; clear it.", _pair, Pipe.S, _cost)
)
pipe_barrier = declare(
    Spec("pipe_barrier", "sync", "Hold the pipe until all before it in that pipe has completed.",
         (enum("pipe", PIPES),), Pipe.S, _cost)
)  # fmt: skip
set_cross_flag = declare(
    Spec("set_cross_flag", "sync",
         "Cube core: raise counter `flag` of both vector cores; vector core: raise it towards the cube core, which "
         "sees it once both have; takes effect when `pipe` has completed all before it.",
         (enum("pipe", PIPES), _flag), Pipe.S, _cost, mixed=True)
)  # fmt: skip
wait_cross_flag = declare(
    Spec("wait_cross_flag", "sync",
         "Hold `pipe` until counter `flag`, raised by the other core type, is positive; lower it.",
         (enum("pipe", PIPES), _flag), Pipe.S, _cost, mixed=True)
)  # fmt: skip
