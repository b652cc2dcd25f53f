"""The stepper: what it shows between instructions is what the reference has there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_ascend import Stepper
from jax_ascend.cli import main
from jax_ascend.compiler.errors import InvalidInputError
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.reference import ReferenceFault, run_kernel
from jax_ascend.programs import program_of
from jax_ascend.stepper import picture, step_program


def doubled(flag=True, blocks=2):
    """Each block doubles 64 elements, in a loop of two halves that nothing keeps apart."""
    b = KernelBuilder("doubled", "aiv", (blocks,))
    x, y = b.argument(DType.f32, 64 * blocks), b.argument(DType.f32, 64 * blocks, writes=True)
    t, u = (b.tile(Loc.vec, DType.f32, 1, 32, address=a) for a in (0, 128))
    with b.loop(0, 2) as i:
        view = lambda argument: b.view(argument, b.blocks[0] * 64 + i * 32, (1, 32), (0, 1))  # noqa: E731
        b.tload(t, view(x))
        if flag:
            b.set_flag("MTE2", "V", 0)
            b.wait_flag("MTE2", "V", 0)
        b.tadd(u, t, t)
        b.set_flag("V", "MTE3", 0)
        b.wait_flag("V", "MTE3", 0)
        b.tstore(view(y), u)
    return b.kernel


X = np.arange(128, dtype=np.float32)


def stepper(block=0, **options):
    return Stepper(doubled(**options), [X.copy(), np.zeros(128, np.float32)], block=block)


def test_values_between_instructions():
    s = stepper(block=1)
    seen = []
    while s.position is not None:
        done = s.step()
        seen.append(done.text.split(" ")[0].removeprefix("pto."))
        if done.text.startswith("pto.tload") and len(seen) < 5:
            assert done.wrote == ["%t0"]
            np.testing.assert_array_equal(s.tile(0), X[None, 64:96])
            assert np.isnan(s.tile(1)).all(), "nobody has written it yet"
            assert s.registers[0] == 1 and s.registers[1] == 0
        if done.text.startswith("pto.tstore"):
            assert done.wrote == ["%g1"]
    assert seen.count("tload") == seen.count("tstore") == 2 and seen[0] == "loop"
    np.testing.assert_array_equal(s.argument(1)[64:], 2 * X[64:])
    assert not s.argument(1)[:64].any(), "one block is run"
    with pytest.raises(InvalidInputError, match="has ended"):
        s.step()


def test_all_blocks_together_are_the_kernel():
    out, expected = np.zeros(128, np.float32), np.zeros(128, np.float32)
    for block in (0, 1):
        assert Stepper(doubled(), [X.copy(), out], block=block).run(hazards=False) == "end"
    run_kernel(doubled(), [X.copy(), expected])
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(out, 2 * X)


def test_flags_are_counted():
    s = stepper()
    while not s.text(s.position).startswith("pto.wait_flag"):
        s.step()
    assert s.flags == {("MTE2", "V", 0): 1}
    s.step()
    assert s.flags == {}


def test_watches_and_breakpoints_stop():
    s = stepper()
    s.watch("vec:128+128")
    assert "vec:128+128 written by" in s.run(hazards=False) and np.isfinite(s.tile(1)).all()
    s = stepper()
    store = next(n for n in range(99) if s.text(n).startswith("pto.tstore"))
    assert s.run([store], hazards=False) == f"breakpoint at {store}" and s.position == store
    assert s.run([store], hazards=False) == f"breakpoint at {store}", "in the second trip"
    assert s.run([store], hazards=False) == "end"


def test_hazards_stop():
    s = stepper(flag=False)
    add = next(n for n in range(99) if s.text(n).startswith("pto.tadd"))
    assert add in s.hazards or s.hazards, "the flag between load and add is missing"
    assert s.run().startswith("hazard at ")


@pytest.mark.parametrize("place", ["vec", "vec:x", "nowhere:0", "vec:-4", "vec:0+0", "vec:99999999", "vec:0+99999999"])
def test_places_that_are_none(place):
    with pytest.raises(InvalidInputError, match=r"^\[watch "):
        stepper().watch(place)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInputError, match="no block 2; expected 0 to 1"):
        stepper(block=2)
    with pytest.raises(InvalidInputError, match="expected an array for each, got 1"):
        Stepper(doubled(), [X])
    with pytest.raises(InvalidInputError, match=r"argument 1 .* too small"):
        Stepper(doubled(), [X, X[:4].copy()])
    with pytest.raises(InvalidInputError, match=r"\[tile %t9\]"):
        stepper().tile(9)
    b = KernelBuilder("outside", "aiv", (1,))
    b.tload(b.tile(Loc.vec, DType.f32, 1, 8, address=0), b.view(b.argument(DType.f32, 4), 0, (1, 8), (0, 1)))
    with pytest.raises(Exception, match="outside"):
        Stepper(b.kernel, [np.zeros(4, np.float32)]).run()
    assert ReferenceFault


def model(x, w):
    with jax.named_scope("first"):
        y = jnp.tanh(x @ w)
    with jax.named_scope("second"):
        return jnp.sort(y, 1) * 2


def test_a_launch_of_a_program_gets_what_those_before_it_computed():
    x = np.random.default_rng(0).standard_normal((16, 32)).astype(np.float32)
    w = np.random.default_rng(1).standard_normal((32, 16)).astype(np.float32)
    program = program_of(model, [x, w])
    s = step_program(program, [x, w], at="second")
    assert "second" in " ".join(p.scope for c in program.sources().commands[0] for p in c)
    read = s.argument(next(n for n, a in enumerate(s.kernel.arguments) if not a.writes))
    np.testing.assert_allclose(np.tanh(x @ w), read.reshape(16, 16), rtol=1e-4, atol=1e-5)
    with pytest.raises(InvalidInputError, match=r"\[--at nothing\] no launch .* its kernels are "):
        step_program(program, [x, w], at="nothing")


def test_pictures():
    text = picture(np.array([[0.0, 1.0], [np.nan, 0.5]]))
    assert text.split("\n") == ["0 .. 1", " @", "?="] or text.split("\n")[1:] == [" @", "?+"]
    assert max(map(len, picture(np.zeros((1000, 1000))).split("\n"))) <= 64
    assert picture(np.full((2, 2), np.inf)) and picture(np.zeros((0, 3)))


def test_the_command(tmp_path, capsys):
    path = tmp_path / "kernel.txt"
    path.write_text(str(doubled()))
    assert (
        main(
            ["step", str(path), "--block", "1", "-c", "n 3; t 0; p 0; l; f; r; g 0; h; w vec:0; b 5; c; c; c; c; n; c"]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "wrote %t0" in out and "1 x 32 float32" in out and "%r0=1" in out and "MTE2>V>0: 1" in out
    assert "! hazard" in out and "hazard at " in out, "the second trip loads over what the first still reads"
    assert main(["step", str(path), "-c", "n 100"]) == 0
    assert "the block has ended" in capsys.readouterr().out
    assert main(["step", str(path), "-c", "x; t; t q; w nowhere; n 1000"]) == 0
    out = capsys.readouterr().out
    assert "there is no such command" in out and "expected a number" in out and "[watch nowhere]" in out
    assert main(["step", str(path), "--block", "7", "-c", "n"]) == 1
    assert "has no block 7" in capsys.readouterr().err
    path.write_text("kernel nonsense")
    assert main(["step", str(path), "-c", "n"]) == 1
    assert "Traceback" not in capsys.readouterr().err
