"""The header of a program: its target in all fields, donation, memory kinds, costs; what is crafted is refused by name."""

import struct
import zlib
from dataclasses import replace

import jax
import numpy as np
import pytest
from executor import plugin, program_of, run_device
from test_load import vector_program

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.program import program_bytes
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Costs, Function, Program, command
from jax_ascend.compiler.target_text import print_target
from jax_ascend.compiler.targets import Target

I32 = TensorType((4,), DType.i32)


def header(**changes):
    """Return a program of nothing but a header, with changes that need not make sense."""
    program = Program("p", "ascend910b", [I32, I32], [I32, I32], [-1, 1], [Function("main")])
    for name, value in changes.items():
        setattr(program, name, value)
    return program


def test_the_header_as_it_should_be():
    plugin.verify_program(header(donated=frozenset({0, 1}), replicas=2, partitions=4, costs=Costs(1, 2, 3)).encode())


@pytest.mark.parametrize(("changes", "message"), [
    ({"parameter_memory": [0, 2]}, "a memory kind is unknown; expected 0 to 1, got 2"),
    ({"result_memory": [-1, 0]}, "a memory kind is unknown; expected 0 to 1, got -1"),
    ({"result_alias": [-1, 2]}, "result 1 takes over no parameter; expected -1 to 1, got 2"),
    ({"result_alias": [-2, 0]}, "result 0 takes over no parameter; expected -1 to 1, got -2"),
    ({"result_alias": [0, 0]}, "result 1 takes over parameter 0, as another result does"),
    ({"replicas": 0}, "replicas and partitions; expected at least one"),
    ({"partitions": -1}, "replicas and partitions; expected at least one"),
    ({"replicas": 2**40, "partitions": 2**40}, "1048576 devices at most"),
    ({"costs": Costs(float("nan"))}, "a cost; expected a number from 0, got nan"),
    ({"costs": Costs(0, -1)}, "a cost; expected a number from 0, got -1"),
    ({"costs": Costs(0, 0, float("inf"))}, "a cost; expected a number from 0, got inf"),
    ({"parameters": [I32, TensorType((2**40, 2**40), DType.i32)]}, "a tensor is too large"),
    ({"functions": [Function("main", commands=[command("loop", 0, [], [], [], -2)])]}, "trips of a loop; .* got -2"),
])  # fmt: skip
def test_crafted_headers_are_refused(changes, message):
    with pytest.raises(RuntimeError, match=message):
        plugin.verify_program(header(**changes).encode())


@pytest.mark.parametrize("value", [-1, 2, 2**63 - 1])
def test_donation_is_a_flag_of_its_parameter(value):
    kept, given = header().encode(), header(donated=frozenset({1})).encode()
    (at,) = (i for i in range(48, len(kept), 8) if kept[i : i + 8] != given[i : i + 8])
    bad = bytearray(given)
    struct.pack_into("<q", bad, at, value)
    struct.pack_into("<I", bad, 12, zlib.crc32(bytes(bad[16:])))
    with pytest.raises(RuntimeError, match=f"whether a parameter is donated is unknown; expected 0 to 1, got {value}"):
        plugin.verify_program(bytes(bad))


@pytest.mark.parametrize(("old", "new", "message"), [
    ("clock = 1800000000.0", "clock = nan", "clock is unusable; expected a number from .* got nan"),
    ("clock = 1800000000.0", "clock = -1.0", "clock is unusable"),
    ("clock = 1800000000.0", "clock = 0.0", "clock is unusable"),
    ("clock = 1800000000.0", "clock = inf", "clock is unusable"),
    ("clock = 1800000000.0", "clock = 1e999", "clock is unusable"),
    ("clock = 1800000000.0", "clock = 1800000000.0 ", "clock is unusable"),
    ("clock = 1800000000.0\n", "", "clock is unusable; expected it to be there, got none"),
    ("clock = ", "clokc = ", "clokc is unusable; expected a line"),
    ("clock = ", "clock: ", "is unusable; expected a line"),
    ("clock = ", "clock = 1e9\nclock = ", "clock is unusable; expected to be given once"),
    ("l1_bytes = 524288", "l1_bytes = 67108865", "l1_bytes is unusable; expected an integer from 512 to .* got 67108865"),
    ("l1_bytes = 524288", "l1_bytes = 5242.5", "l1_bytes is unusable"),
    ("ub_bytes = 188416", "ub_bytes = -1", "ub_bytes is unusable"),
    ("l2_line = 512", "l2_line = 0", "l2_line is unusable"),
    ("cube_cores = 24", "cube_cores = 99999999999999999999", "cube_cores is unusable"),
    ("vector_cores = 48", "vector_cores = 49", "vector_cores is unusable; expected 48, got 49"),
    ("a2a3", "a9", "architecture is unusable; expected one of a2a3, a5, got a9"),
    ("ascend910b", "../../x", "name is unusable"),
    ("ascend910b", "", "name is unusable"),
])  # fmt: skip
def test_a_target_that_cannot_be_is_refused(monkeypatch, old, new, message):
    text = print_target(Target())
    assert old in text
    monkeypatch.setattr(program_bytes, "print_target", lambda _: text.replace(old, new, 1))
    with pytest.raises(RuntimeError, match=rf"\[target\] .*{message}"):
        plugin.verify_program(vector_program().encode())


def shifted(address, target):
    """Return a program that doubles what it loads into UB at `address`, in many blocks."""
    b = KernelBuilder("shifted", "aiv", (64,))
    x, out = b.argument(DType.f32, 64 * 4096), b.argument(DType.f32, 64 * 4096, True)
    tile = b.tile(Loc.vec, DType.f32, 4, 1024, address=address)
    b.tload(tile, b.view(x, b.blocks[0] * 4096, (4, 1024), (1024, 1)))
    b.tadd(tile, tile, tile)
    b.tadd(tile, tile, tile)
    b.tstore(b.view(out, b.blocks[0] * 4096, (4, 1024), (1024, 1)), tile)
    program = program_of(b.kernel)
    program.target = target
    return program


def test_memories_are_those_of_the_programs_target():
    small, large = Target(), Target(name="large", ub_bytes=64 << 20)
    x = np.arange(64 * 4096, dtype=np.float32)
    for address in (0, (64 << 20) - 16384, 1 << 20, 0):
        found = run_device(shifted(address, large), [x, np.zeros_like(x)])
        np.testing.assert_array_equal(found[0], 4 * x)
    with pytest.raises(RuntimeError, match="address of %t0; expected 0 to 188416, got 1048576"):
        plugin.verify_program(shifted(1 << 20, small).encode())


LARGE = Target(
    "large", cube_cores=3, vector_cores=6, l1_bytes=8 << 20, l0a_bytes=1 << 20, l0b_bytes=1 << 20, l0c_bytes=2 << 20,
    ub_bytes=4 << 20, bt_bytes=8192,
)  # fmt: skip
SMALL = Target("small", cube_cores=1, vector_cores=2, l1_bytes=128 << 10, l0a_bytes=32 << 10, l0b_bytes=32 << 10,
               l0c_bytes=64 << 10, ub_bytes=32 << 10, bt_bytes=512)  # fmt: skip


@pytest.mark.parametrize("device", [LARGE, SMALL], ids=lambda t: t.name)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_programs_are_compiled_for_their_target_and_run_on_it(device, dtype):
    def function(x, w, b):
        return jax.numpy.maximum(x @ w + b, 0), (x * 2).sum(0), w.T

    rng = np.random.default_rng(0)
    arguments = [rng.integers(-3, 4, shape).astype(dtype) for shape in ((300, 520), (520, 270), (270,))]
    program = compile_program(str(jax.jit(function).lower(*arguments).compiler_ir("stablehlo")), device)
    assert max(k.blocks for k in program.kernels) <= device.vector_cores
    for found, expected in zip(run_device(program, arguments), jax.jit(function)(*arguments), strict=True):
        np.testing.assert_array_equal(found, np.asarray(expected))


def test_paths_are_those_of_the_architecture():
    b = KernelBuilder("k", "mix", (1,))
    tiles = [b.tile(loc, DType.f32, 1, 16, address=0) for loc in (Loc.bias, Loc.vec)]
    b.tmov(*tiles)
    with pytest.raises(RuntimeError, match="takes data from UB to BT; expected a path that a2a3 has"):
        plugin.verify_program(program_of(b.kernel).encode())


def test_figures_survive_to_the_last_bit():
    device = replace(Target(), name="odd", clock=1.7e9 / 3, launch_dispatch=1e-7 / 3, l2_rate=0.1 + 0.2)
    program = header(target=device)
    assert Program.decode(program.encode()).target == device
