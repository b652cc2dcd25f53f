"""Programs that would run for ever end by Ctrl-C, and everything is usable afterwards.

In processes of their own: a program that cannot be interrupted would take the tests with it.
"""

import os
import subprocess
import sys
from pathlib import Path

PRELUDE = """
import sys, threading, time, _thread
import numpy as np
from executor import program_of, plugin, run_device
from test_strips import Tiles, whole
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, command
from jax_ascend.compiler.isa.dtypes import DType

def stream(commands, constants=b""):
    main = Function("main")
    commands(main)
    return Program("endless", "ascend910b", [], [], [], [main], [], constants=constants)

def loop_on_a_constant():
    return stream(lambda f: f.commands.append(command("loop", f.slot("constant", 0, 1), [], [], [])), constants=b"\\1" * 64)

def kernel(body, grid=(1,)):
    b = KernelBuilder("endless", "aiv", grid)
    x = b.argument(DType.f32, 64, True)
    tile = Tiles(b, 1, 64)
    body(b, x, tile(), tile())
    return program_of(b.kernel)

def empty_iterations():
    def body(b, x, s, t):
        b.tload(s, whole(b, x, 1, 64))
        with b.loop(0, 2**62):
            pass
        b.tstore(whole(b, x, 1, 64), s)
    return kernel(body)

def strips_in_place():
    def body(b, x, s, t):
        b.tload(s, whole(b, x, 1, 64))
        with b.loop(0, 2**62):
            b.tadds(t, s, 1.0)
            b.tmuls(s, t, 0.5)
        b.tstore(whole(b, x, 1, 64), s)
    return kernel(body)

def strips_through_memory():
    def body(b, x, s, t):
        with b.loop(0, 2**62):
            b.tload(s, whole(b, x, 1, 64))
            b.tadds(t, s, 1.0)
            b.tstore(whole(b, x, 1, 64), t)
    return kernel(body)

def blocks():
    return kernel(lambda b, x, s, t: b.tload(s, whole(b, x, 1, 64)), (2**31,))

def usable():
    b = KernelBuilder("add", "aiv", (1,))
    x, out = b.argument(DType.f32, 8), b.argument(DType.f32, 8, True)
    t = Tiles(b, 1, 8)()
    b.tload(t, whole(b, x, 1, 8))
    b.tadds(t, t, 1.0)
    b.tstore(whole(b, out, 1, 8), t)
    assert (run_device(program_of(b.kernel), [np.ones(8, np.float32), np.zeros(8, np.float32)])[0] == 2).all()

def interrupt(program):
    runner = plugin.ProgramRunner(program.encode())
    running = threading.Event()
    def soon():
        running.wait()
        time.sleep(0.1)  # into the run; should it not have begun, the test tests less but does not fail
        _thread.interrupt_main()
    threading.Thread(target=soon, daemon=True).start()
    try:
        running.set()
        runner.run()
        print("ended by itself")
    except KeyboardInterrupt:
        print("interrupted")
"""

ENDLESS = [
    "loop_on_a_constant", "empty_iterations", "strips_in_place", "strips_through_memory", "blocks",
]  # fmt: skip


def test_endless_programs_are_interrupted():
    program = PRELUDE + "for make in sys.argv[1:]:\n    interrupt(globals()[make]())\n    usable()\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *ENDLESS],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)}, capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split("\n")[:-1] == ["interrupted"] * len(ENDLESS)
