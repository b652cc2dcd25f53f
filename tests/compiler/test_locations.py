"""Where ops come from travels from JAX's lines to the commands of a program."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jax_ascend import _plugin
from jax_ascend.compiler.errors import DecodeError
from jax_ascend.compiler.graph.location import Location, scope_of
from jax_ascend.compiler.graph.ops import Constant
from jax_ascend.compiler.pipeline import FRONT_PASSES, compile_program
from jax_ascend.compiler.program.debug import Debug, commands_in_order, decode_debug
from jax_ascend.compiler.program.program import Program
from jax_ascend.compiler.stages import Stages
from jax_ascend.compiler.targets import Target


def lowered(function, *arguments):
    traced = jax.jit(function).trace(*arguments)
    return (
        traced.lower(lowering_platforms=("ascend",)).compiler_ir("stablehlo").operation.get_asm(enable_debug_info=True)
    )


def program_of(function, *arguments):
    return compile_program(lowered(function, *arguments), Target())


def line_of(function, offset):
    return f"{__file__}:{function.__code__.co_firstlineno + offset}"


def sources(program):
    """(command's name, its locations) in order, of all functions."""
    debug = program.sources()
    return [
        (c.spec.name, places)
        for function, known in zip(program.functions, debug.commands, strict=True)
        for c, places in zip(commands_in_order(function.commands), known, strict=True)
    ]


F32 = jax.ShapeDtypeStruct((256, 256), jnp.float32)


def two_lines(x, w):
    y = x @ w
    with jax.named_scope("norm"):
        return y / jnp.linalg.norm(y, axis=0)


def test_a_kernel_leads_to_its_lines_and_scopes():
    product, *others = [places for _, places in sources(program_of(two_lines, F32, F32))]
    assert product[0].line == line_of(two_lines, 1) and product[0].name.endswith("dot_general")
    assert product[0].scope == ""
    for places in others:
        assert {p.line for p in places} == {line_of(two_lines, 3)}
        assert {p.scope for p in places} == {"norm"}


def jitted(x, w):
    for i in range(3):
        with jax.named_scope(f"layer_{i}"):
            x = layer(x, w)
    return x


@jax.jit
def layer(x, w):
    with jax.named_scope("mlp"):
        return jnp.tanh(x) @ w


def test_equal_layers_share_a_kernel_and_each_launch_has_its_own_scope():
    program = program_of(jitted, F32, F32)
    scopes = [places[0].scope for name, places in sources(program) if "dot_general" in places[0].name]
    assert scopes == ["layer_0/mlp", "layer_1/mlp", "layer_2/mlp"]
    products = [c.values[0] for c in program.functions[0].commands if "matmul" in program.kernels[c.values[0]].name]
    assert len(products) == 3 and len(set(products)) == 2, "the last has no tanh after it"
    frames = [places[0].frames for _, places in sources(program) if "dot_general" in places[0].name]
    inner, outer = line_of(layer.__wrapped__, 3), line_of(jitted, 3)
    assert {tuple(f"{file}:{line}" for file, line in f[:2]) for f in frames} == {(inner, outer)}


def looping(x, w):
    def body(c, _):
        return jnp.sin(c) @ w, c.sum()

    return lax.cond(x[0, 0] > 0, lambda x: lax.scan(body, x, None, length=4)[0], lambda x: x + 1, x)


def test_loops_and_branches_have_places_too():
    found = sources(program_of(looping, F32, F32))
    names = [name for name, _ in found]
    assert "loop" in names and "case" in names
    assert all(places for name, places in found if name != "copy")
    assert any("/while/body/" in p.name for _, places in found for p in places)


FUNCTIONS = {
    "grad": (lambda x, w: jax.grad(lambda w: jnp.square(jax.nn.softmax(x @ w)).mean())(w), [F32, F32]),
    "sort": (lambda x: jnp.sort(x, 0), [F32]),
    "complex": (lambda x: jnp.abs(lax.complex(x, x) * 2j), [F32]),
    "random": (lambda k: jax.random.normal(jax.random.wrap_key_data(k), (100,)), [jax.ShapeDtypeStruct((2,), jnp.uint32)]),
    "cumsum": (lambda x: jnp.cumsum(x, 1), [F32]),
    "pool": (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"), [F32]),
    "cholesky": (lambda x: jnp.linalg.cholesky(x), [F32]),
    "bitcast": (lambda x: lax.bitcast_convert_type(x, jnp.int8), [F32]),
    "scatter": (lambda x: x.at[jnp.array([1, 2])].add(1), [F32]),
    "i8": (lambda x: x.astype(jnp.int8) * 3, [F32]),
}  # fmt: skip


class _Watching(Stages):
    """After each pass, which ops that compute something say nothing of where they come from."""

    def __init__(self):
        super().__init__()
        self.lost = []

    def run(self, step, compilation):
        super().run(step, compilation)
        if step in FRONT_PASSES:
            lost = [op.name for op in compilation.module.main.walk() if not op.loc and not isinstance(op, Constant)]
            if step is FRONT_PASSES[0]:  # what stands in a function is relative to its calls until these are inlined
                return
            self.lost += [(step.name, name) for name in lost]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_pass_forgets_a_location(name):
    function, arguments = FUNCTIONS[name]
    stages = _Watching()
    program = compile_program(lowered(function, *arguments), Target(), stages)
    assert stages.lost == []
    assert all(places for command, places in sources(program) if command in ("launch", "aicpu"))


def test_arrays_keep_the_names_jax_gives_them():
    debug = program_of(lambda state, batch: {"loss": (state["w"] * batch).sum()}, {"w": F32}, F32).sources()
    assert debug.parameters == ["state['w']", "batch"] and debug.results == ["result['loss']"]


def test_names_of_files_are_read_as_mlir_escapes_them():
    module = """func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = stablehlo.sine %x : tensor<4xf32> loc("a/gr\\C3\\B6\\C3\\9Fe \\22q\\22.py":3:1)
      %1 = stablehlo.tanh %0 : tensor<4xf32> loc("two\\0Alines.py":4:1)
      return %1 : tensor<4xf32>
    }"""
    lines = {p.line for _, places in sources(compile_program(module, Target())) for p in places}
    assert lines == {'a/größe "q".py:3', "two\\0Alines.py:4"}


def test_frames_of_packages_stand_back():
    package = ("/venv/lib/python3.11/site-packages/flax/linear.py", 7)
    own = ("/home/me/model.py", 3)
    assert Location((package, own)).line == "/home/me/model.py:3"
    assert Location((package,)).line == "/venv/lib/python3.11/site-packages/flax/linear.py:7"
    assert not Location() and Location().line == "" and str(Location()) == ""
    assert str(Location((own,), "jit(f)/add")) == "/home/me/model.py:3 (jit(f)/add)"


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("jit(f)/jit(main)/a/b/add", "a/b"),
        ("jit(f)/transpose(jvp(GPT/x))/h_0/dot_general", "transpose(jvp(GPT/x))/h_0"),
        ("jit(f)/while/body/closed_call/mlp/tanh", "while/body/mlp"),
        ("add", ""),
        ("", ""),
        ("((((", ""),
        ("a)/b/c", "a)/b"),
    ],
)
def test_scopes(name, scope):
    assert scope_of(name) == scope


def test_a_program_runs_without_its_debug_section():
    program = program_of(two_lines, F32, F32)
    program.debug = b""
    _plugin.verify_program(program.encode())
    assert Program.decode(program.encode()).sources() == Debug()


def test_cut_debug_sections_are_refused_by_both_readers():
    program = program_of(two_lines, F32, F32)
    whole = program.debug
    for size in [*range(8, len(whole), 88), len(whole) - 8, len(whole) - 3]:
        program.debug = whole[:size]
        with pytest.raises(DecodeError):
            decode_debug(program.debug)
        with pytest.raises(RuntimeError, match=r"^\[program, debug section"):
            _plugin.verify_program(program.encode())


def test_copies_at_the_end_come_from_what_they_copy():
    def f(x):
        y = jnp.tanh(x)
        return y, y.reshape(-1), x

    copies = [places for name, places in sources(program_of(f, jnp.ones((64, 64)))) if name == "copy"]
    assert [p.line for places in copies for p in places] == [line_of(f, 2), line_of(f, 1)], "an argument has no line"
    assert len(copies) == 2 and copies[1] == ()
