"""Calls of the host in the compiler: kept, as often and in the order the program says; pure ones only where they are needed."""

import numpy as np
import pytest

from jax_ascend.compiler import frontend, passes
from jax_ascend.compiler.errors import UnsupportedOpsError
from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.isa.attributes import Numbers
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.program.program import Program
from jax_ascend.compiler.program.text import parse_program, print_program
from jax_ascend.compiler.reference import run_program
from jax_ascend.compiler.targets import target

T = "tensor<3xf32>"


def call(number, operands="%x", types=T, result="", effect=True):
    """The text of a host call."""
    name = f"%r{number} = " if result else ""
    flag = ", has_side_effect = true" if effect else ""
    return (
        f"{name}stablehlo.custom_call @xla_ffi_python_cpu_callback({operands}) "
        f"{{mhlo.backend_config = {{index = {number} : ui64}}, api_version = 4 : i32{flag}}} : ({types}) -> {result or '()'}"
    )


def function(body, arguments=f"%x: {T}", result="%x", type=T):
    return f"func.func public @main({arguments}) -> {type} {{\n{body}\nreturn {result} : {type}\n}}"


def run(text, inputs):
    """Compile and run on the reference; return the results and the (number, operands) of each call."""
    calls = []

    class Functions(dict):
        def __missing__(self, number):
            def record(*operands):
                calls.append((number, [np.asarray(o).tolist() for o in operands]))
                return [np.asarray(o) + 1 for o in operands] if 10 <= number < 20 else []

            return record

    return run_program(compile_program(text, target("ascend910b")), inputs, Functions()), calls


X = np.arange(3, dtype=np.float32)
X3, PLUS = X.tolist(), (X + 1).tolist()


def test_effects_stay_in_order_among_computations():
    lines = []
    for i in range(6):
        lines += [f"%y{i} = stablehlo.sine %x : {T}", call(i), call(i + 20, f"%y{i}"), call(i)]
    _, calls = run(function("\n".join(lines)), [X])
    assert [n for n, _ in calls] == [n for i in range(6) for n in (i, i + 20, i)]


HANDLER = """
func.func public @main(%x: tensor<2x3xf32>, %t: !stablehlo.token) -> (tensor<2x3xf32>, tensor<2xi8>) {
  %r:3 = stablehlo.custom_call @"a \\22handler\\22"(%x, %t) {
    mhlo.backend_config = {b = 1.5 : f32, a = dense<[1, -2]> : tensor<2xi16>, s = "x\\22y", d = {yes = true, e = {}}},
    operand_layouts = [dense<[0, 1]> : tensor<2xindex>, dense<> : tensor<0xindex>],
    result_layouts = [dense<[1, 0]> : tensor<2xindex>, dense<> : tensor<0xindex>, dense<0> : tensor<1xindex>]}
    : (tensor<2x3xf32>, !stablehlo.token) -> (tensor<2x3xf32>, !stablehlo.token, tensor<2xi8>)
  return %r#0, %r#2 : tensor<2x3xf32>, tensor<2xi8>
}"""


def test_a_call_of_a_handler_says_all_that_the_module_does():
    name = 'a "handler"'
    program = compile_program(HANDLER, target("ascend910b"), handlers={name: ""})
    x = np.arange(6, dtype=np.float32).reshape(2, 3)

    def handler(x, token):
        return x, np.zeros(0, bool), np.array([3, 4], np.int8)

    y, z = run_program(program, [x, np.zeros(0, bool)], {name: handler})
    assert z.tolist() == [3, 4] and y.ravel().tolist() == x.T.ravel().tolist()  # the handler sees columns
    (command,) = (c for c in program.functions[0].commands if c.spec.name == "ffi_call")
    call = {f.name: v for f, v in command.fields()}
    assert [str(t) for t in call["results"]] == ["f32[2,3]", "i1[0]", "i8[2]"]
    assert (call["target"], call["tokens"]) == (name, [1, 4])
    assert call["attributes"] == (
        ("a", Numbers(DType.i16, np.array([1, -2], np.int16).tobytes(), False)),
        ("b", Numbers(DType.f32, np.float32(1.5).tobytes(), True)),
        ("d", (("e", ()), ("yes", Numbers(DType.i1, b"\1", True)))),
        ("s", 'x"y'),
    )
    for again in (parse_program(print_program(program)), Program.decode(program.encode())):
        assert print_program(again) == print_program(program)
        assert again.encode() == program.encode()


def test_a_target_without_a_handler_is_refused():
    for handlers, why in (({}, "no handler of that name"), ({'a "handler"': "it is broken"}, "it is broken")):
        with pytest.raises(UnsupportedOpsError, match=why):
            compile_program(HANDLER, target("ascend910b"), handlers=handlers)


def test_a_pure_call_is_made_if_it_is_needed():
    text = function(call(10, result=T, effect=False) + "\n" + call(11, result=T, effect=False), result="%r11")
    (y,), calls = run(text, [X])
    assert y.tolist() == PLUS and calls == [(11, [X3])]


def test_results_without_elements_do_not_end_an_effect():
    body = call(10, "%e", "tensor<0xf32>", result="tensor<0xf32>")
    (y,), calls = run(function(body, "%e: tensor<0xf32>", "%r10", "tensor<0xf32>"), [np.zeros(0, np.float32)])
    assert y.shape == (0,) and calls == [(10, [[]])]


LOOP = """
  %n = stablehlo.constant dense<{trips}> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %l:2 = stablehlo.while(%i = %zero, %v = %x) : tensor<i32>, {T}
  cond {{
    %again = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %again : tensor<i1>
  }} do {{
    %next = stablehlo.add %i, %one : tensor<i32>
    %w = stablehlo.add %v, %x : {T}
    {call}
    stablehlo.return %next, %w : tensor<i32>, {T}
  }}"""


@pytest.mark.parametrize("trips", [0, 1, 4])
def test_a_loop_whose_result_nobody_needs_still_calls(trips):
    text = LOOP.format(trips=trips, T=T, call=call(1, "%i, %v", f"tensor<i32>, {T}"))
    _, calls = run(function(text), [X])
    assert calls == [(1, [i, ((i + 1) * X).tolist()]) for i in range(trips)]


@pytest.mark.parametrize("index", [0, 1, 5])
def test_only_the_branch_that_is_taken_calls(index):
    text = f"""
      "stablehlo.case"(%k) ({{
        {call(1)}
        stablehlo.return
      }}, {{
        {call(2)}
        {LOOP.format(trips=2, T=T, call=call(3, "%i", "tensor<i32>"))}
        stablehlo.return
      }}) : (tensor<i32>) -> ()
      {call(4)}"""
    _, calls = run(function(text, f"%k: tensor<i32>, %x: {T}"), [np.int32(index), X])
    assert [n for n, _ in calls] == ([1, 4] if index == 0 else [2, 3, 3, 4])


def test_a_function_that_is_called_for_its_effect():
    text = f"""
    func.func public @main(%x: {T}) -> {T} {{
      call @f(%x) : ({T}) -> ()
      call @f(%x) : ({T}) -> ()
      return %x : {T}
    }}
    func.func private @f(%x: {T}) {{
      {call(1)}
      return
    }}"""
    assert run(text, [X])[1] == [(1, [X3])] * 2


def test_complex_arrays_are_whole_on_the_host():
    c = "tensor<3xcomplex<f32>>"
    body = f"%y = stablehlo.add %x, %x : {c}\n{call(10, '%y', c, c, effect=False)}\n%z = stablehlo.add %r10, %y : {c}"
    x = (X + 2j).astype(np.complex64)
    (z,), calls = run(function(body, f"%x: {c}", "%z", c), [x])
    assert calls == [(10, [(2 * x).tolist()])]
    np.testing.assert_array_equal(z, 4 * x + 1)


def test_a_result_that_starts_as_an_operand_is_one_buffer_with_it():
    text = function(f"""
      %y = stablehlo.sine %x : {T}
      %r = stablehlo.custom_call @xla_buffer_python_cpu_callback(%y) {{mhlo.backend_config = {{index = 3 : ui64}},
        output_operand_aliases = [#stablehlo.output_operand_alias<output_tuple_indices = [], operand_index = 0,
        operand_tuple_indices = []>], api_version = 4 : i32}} : ({T}) -> {T}
      %z = stablehlo.add %r, %y : {T}""", result="%z")  # fmt: skip
    program = compile_program(text, target("ascend910b"))
    (command,) = (c for c in program.functions[0].commands if c.spec.name == "host_call")
    result, operand = command.values[1]
    assert result == operand
    (z,) = run_program(program, [X], {3: lambda y: [y * 10]})
    np.testing.assert_allclose(z, 11 * np.sin(X), rtol=1e-5)


def test_equal_pure_calls_are_one_and_effects_are_not():
    lines = [call(10, result=T, effect=False), call(10, result=T, effect=False).replace("%r10", "%s"), call(1), call(1)]
    module = frontend.import_module(
        frontend.deserialize(function("\n".join(lines) + f"\n%t = stablehlo.add %r10, %s : {T}", result="%t"))
    )
    passes.run_graph_passes(module)
    calls = [op for op in module.main.ops if isinstance(op, ops.HostCall)]
    assert [op.callee for op in calls] == [10, 1, 1]


@pytest.mark.parametrize("index", ["", "mhlo.backend_config = {index = 9223372036854775808 : ui64}"])
def test_a_call_that_names_no_function_is_refused(index):
    text = function(
        f"%r = stablehlo.custom_call @xla_ffi_python_cpu_callback(%x) {{{index}}} : ({T}) -> {T}", result="%r"
    )
    with pytest.raises(UnsupportedOpsError, match=r"which function|no function has number"):
        compile_program(text, target("ascend910b"))
