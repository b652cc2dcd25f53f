"""Deep and wide programs: what the compiler does grows as they do, and no limit on recursion decides."""

import importlib
import sys

import pytest

from jax_ascend.compiler.pipeline import Stages, compile_program
from jax_ascend.compiler.program.program import Program
from jax_ascend.compiler.program.text import parse_program, print_program
from jax_ascend.compiler.targets import target

plugin = importlib.import_module("jax_ascend._plugin")
HEAD = "func.func public @main(%x: tensor<8xf32>) -> tensor<8xf32> {"


def whiles(count):
    """While loops inside each other."""
    opened = [
        f"""
        %w{d}:2 = stablehlo.while(%i{d} = %zero, %b{d + 1} = %b{d}) : tensor<i32>, tensor<8xf32>
        cond {{
          %p{d} = stablehlo.compare LT, %i{d}, %limit : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %p{d} : tensor<i1>
        }} do {{"""
        for d in range(count)
    ]
    closed = [
        f"""
          %j{d} = stablehlo.add %i{d}, %one : tensor<i32>
          stablehlo.return %j{d}, {f"%w{d + 1}#1" if d + 1 < count else "%inner"} : tensor<i32>, tensor<8xf32>
        }}"""
        for d in reversed(range(count))
    ]
    return f"""
        func.func public @main(%b0: tensor<8xf32>, %limit: tensor<i32>) -> tensor<8xf32> {{
        %zero = stablehlo.constant dense<0> : tensor<i32>
        %one = stablehlo.constant dense<1> : tensor<i32>
        {"".join(opened)}
        %inner = stablehlo.sine %b{count} : tensor<8xf32>
        {"".join(closed)}
        return %w0#1 : tensor<8xf32> }}"""


def chain(count):
    """Operations each on the result of the one before."""
    ops = (f"%x{n + 1} = stablehlo.{('sine', 'tanh')[n % 2]} %x{n} : tensor<8xf32>" for n in range(count))
    return f"{HEAD.replace('%x', '%x0')} {' '.join(ops)} return %x{count} : tensor<8xf32> }}"


def independent(count):
    """Operations that have nothing to do with each other, each with a result of its own."""
    ops = (
        f"%c{n} = stablehlo.constant dense<{n}.5> : tensor<8xf32> %y{n} = stablehlo.add %x, %c{n} : tensor<8xf32>"
        for n in range(count)
    )
    types, results = ", ".join(["tensor<8xf32>"] * count), ", ".join(f"%y{n}" for n in range(count))
    head = HEAD.replace("-> tensor<8xf32>", f"-> ({types})")
    return f"{head} {' '.join(ops)} return {results} : {types} }}"


def call_chain(count):
    """Functions that each call the next."""
    functions = (
        f"""func.func private @f{n}(%x: tensor<8xf32>) -> tensor<8xf32> {{
            %y = func.call @f{n + 1}(%x) : (tensor<8xf32>) -> tensor<8xf32>
            %z = stablehlo.sine %y : tensor<8xf32>
            return %z : tensor<8xf32> }}"""
        for n in range(count)
    )
    return f"""
        {HEAD} %y = func.call @f0(%x) : (tensor<8xf32>) -> tensor<8xf32> return %y : tensor<8xf32> }}
        {" ".join(functions)}
        func.func private @f{count}(%x: tensor<8xf32>) -> tensor<8xf32> {{ return %x : tensor<8xf32> }}"""


def call_tree(count):
    """Functions that each call the next twice: as many ops as `count` once all calls are inlined."""
    depth = count.bit_length() - 1
    functions = (
        f"""func.func private @f{n}(%x: tensor<8xf32>) -> tensor<8xf32> {{
            %y = func.call @f{n + 1}(%x) : (tensor<8xf32>) -> tensor<8xf32>
            %z = func.call @f{n + 1}(%y) : (tensor<8xf32>) -> tensor<8xf32>
            return %z : tensor<8xf32> }}"""
        for n in range(depth)
    )
    return f"""
        {HEAD} %y = func.call @f0(%x) : (tensor<8xf32>) -> tensor<8xf32> return %y : tensor<8xf32> }}
        {" ".join(functions)}
        func.func private @f{depth}(%x: tensor<8xf32>) -> tensor<8xf32> {{
            %y = stablehlo.sine %x : tensor<8xf32>
            return %y : tensor<8xf32> }}"""


def compile_module(text):
    return compile_program(f"module @deep {{ {text} }}", target("ascend910b"), Stages())


def calls_of(text):
    """How many functions are called while the module is compiled."""
    count = 0

    def look(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(look)
    try:
        compile_module(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind, size", [(whiles, 24), (chain, 150), (independent, 100), (call_chain, 60)])
def test_twice_the_program_is_twice_the_work(kind, size):
    compile_module(kind(2))  # what is done once per process
    small, large, larger = (calls_of(kind(n)) for n in (size, 2 * size, 3 * size))
    assert larger - large < 1.15 * (large - small)


def test_calls_to_one_function_are_as_much_work_as_what_they_compute():
    compile_module(call_tree(2))
    small, large, larger = (calls_of(call_tree(n)) for n in (32, 64, 128))
    assert larger - large < 1.15 * 2 * (large - small)


@pytest.mark.parametrize("kind", [whiles, call_chain])
def test_no_limit_on_recursion_decides(kind):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        program = compile_module(kind(300))
        data = program.encode()
        plugin.verify_program(data)
        text = print_program(Program.decode(data))
        assert parse_program(text).encode() == data
    finally:
        sys.setrecursionlimit(limit)
