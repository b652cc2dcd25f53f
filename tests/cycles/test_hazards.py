"""The hazard check: clean as compiled, and every flag matters: dropping any one of them is reported."""

from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from jax_ascend import _plugin
from jax_ascend.compiler import compilation
from jax_ascend.compiler.kernel_passes.insert_synchronization import insert_synchronization
from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.program.kernel import Kernel
from jax_ascend.compiler.program.program import Program
from jax_ascend.compiler.targets import target


def compile_function(fn, *shapes) -> Program:
    arguments = [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]
    module = jax.jit(fn).trace(*arguments).lower(lowering_platforms=("ascend",)).compiler_ir("stablehlo")
    return compile_program(str(module), target("ascend910b"))


def softmax(x):
    return jax.nn.softmax(x, axis=-1)


def dequantised(x, w, s):
    return x @ (jax.lax.optimization_barrier(w.astype(jnp.int8)).astype(jnp.float32) * s)


def convolution(x, k):
    x, k = x.astype("float16"), k.astype("float16")
    return jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def attention(q, k, v):
    return jax.nn.softmax(q @ k.mT) @ v


def attention_of_parts(q, r, k, s, v):
    return attention(jnp.concatenate([q, r], -1), jnp.concatenate([k, s], -1), v)


def causal_attention(q, k, v):
    seen = jnp.arange(k.shape[1]) <= jnp.arange(q.shape[1])[:, None] + 100  # tiles end in two blocks of keys
    return jax.nn.softmax(jnp.where(seen, q @ k.mT, -jnp.inf)) @ v


def gradient_of(attend):
    def step(q, k, v, g):
        out, pull = jax.vjp(attend, q, k, v)
        return out, *pull(g)

    return step


def adam(p, m, v, g):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return p - 1e-3 * m / (jnp.sqrt(v) + 1e-8), m, v


PROGRAMS = {
    "matmul": (jnp.dot, (512, 384), (384, 768)),
    "matmul bf16 odd": (lambda a, b: jnp.dot(a.astype("bfloat16"), b.astype("bfloat16")), (130, 70), (70, 50)),
    "matmul with gelu": (
        lambda x, w: jax.nn.gelu(x @ w),
        (300, 200),
        (200, 1500),
    ),  # a window shared by two tiles a block
    "matmul with tanh, product kept": (lambda x, w: (x @ w, jnp.tanh(x @ w)), (512, 64), (64, 128)),
    "dequantised weights": (dequantised, (9, 300), (300, 900), (900,)),
    "attention": (attention, (2, 200, 16), (2, 300, 16), (2, 300, 16)),
    "causal attention, a tile a core": (causal_attention, (1, 700, 8), (1, 700, 8), (1, 700, 8)),
    "attention of two parts": (
        attention_of_parts,
        *[(1, 40, 160), (1, 40, 20)],
        *[(1, 300, 160), (1, 300, 20)],
        (1, 300, 16),
    ),
    "causal attention, tiles to and fro": (causal_attention, (60, 200, 8), (60, 200, 8), (60, 200, 8)),
    "attention, gradient": (gradient_of(attention), (2, 200, 16), (2, 300, 16), (2, 300, 16), (2, 200, 16)),
    "causal attention, gradient": (gradient_of(causal_attention), *[(2, 500, 24)] * 4),
    "convolution": (convolution, (2, 20, 20, 9), (3, 3, 9, 40)),
    "convolution in two parts": (convolution, (1, 32, 64, 70), (3, 3, 70, 384)),
    "softmax": (softmax, (1024, 1000)),
    "adam": (adam, *[(1000, 300)] * 4),
}


def without_each_flag(kernel: Kernel) -> Iterator[str]:
    """Remove one instruction that sets a flag or waits for one at a time, yield its text, put it back."""
    body = kernel.body
    for i, instruction in enumerate(body):
        if instruction.spec.name in ("set_flag", "wait_flag", "set_cross_flag", "wait_cross_flag"):
            kernel.body = body[:i] + body[i + 1 :]
            yield f"instruction {i}: {instruction.spec.name} {[str(v) for v in instruction.values]}"
    kernel.body = body


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_flag_is_needed_and_enough(name):
    program = compile_function(*PROGRAMS[name])
    assert _plugin.find_hazards(program.encode()) == []
    flags = 0
    for kernel in program.kernels:
        for dropped in without_each_flag(kernel):
            flags += 1
            assert _plugin.find_hazards(program.encode()), f"{kernel.name}: nothing reported without {dropped}"
    assert flags > 0


def test_a_window_between_cores_is_watched():
    """Flags between core types pair up, and yet the vector cores read what the cube core has not stored."""
    program = compile_function(*PROGRAMS["matmul with tanh, product kept"])
    (kernel,) = (k for k in program.kernels if k.core == "mix")
    at = next(i for i, x in enumerate(kernel.body) if x.spec.name == "set_cross_flag")
    store = next(i for i, x in enumerate(kernel.body) if x.spec.name == "tstore")
    kernel.body.insert(store, kernel.body.pop(at))
    assert any("before the write" in report for report in _plugin.find_hazards(program.encode()))


def test_a_flag_between_cores_counts_to_fifteen():
    program = compile_function(lambda x, w: (x @ w, jnp.tanh(x @ w)), (4096, 32), (32, 4096))
    (kernel,) = (k for k in program.kernels if k.core == "mix")
    assert _plugin.find_hazards(program.encode()) == []
    kernel.body = [x for x in kernel.body if "cross_flag" not in x.spec.name or str(x.operand("flag")) != "1"]
    assert any("further than it counts" in report for report in _plugin.find_hazards(program.encode()))


def test_the_report_names_both_instructions():
    program = compile_function(*PROGRAMS["softmax"])
    kernel = next(k for k in program.kernels if any(i.spec.name == "wait_flag" for i in k.body))
    first_wait = next(i for i, x in enumerate(kernel.body) if x.spec.name == "wait_flag" and x.values[1] == "V")
    kernel.body = kernel.body[:first_wait] + kernel.body[first_wait + 1 :]
    report = "\n".join(_plugin.find_hazards(program.encode()))
    assert report.count("instruction ") >= 2
    assert "pto." in report


def test_checking_refuses_a_program_that_lost_a_flag(monkeypatch, device):
    def without_the_first_wait(kernel):
        insert_synchronization(kernel)
        at = next(i for i, instruction in enumerate(kernel.body) if instruction.spec.name == "wait_flag")
        del kernel.body[at]

    monkeypatch.setattr(compilation, "insert_synchronization", without_the_first_wait)
    x = jax.device_put(jnp.ones(1000), device)
    monkeypatch.setenv("JAX_ASCEND_CHECK", "0")
    assert jax.jit(lambda x: x + 1)(x)[0] == 2  # values do not depend on flags
    monkeypatch.setenv("JAX_ASCEND_CHECK", "1")
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"(?s)INTERNAL: \[hazard check\] .*instruction 2"):
        jax.jit(lambda x: x + 2)(x)


def kernels_of(program: Program, name: str) -> Iterator[Kernel]:
    return (k for k in program.kernels if name in k.name)


def test_blocks_that_meet_are_reported():
    program = compile_function(lambda x: x + 1, (1 << 16,))
    (kernel,) = kernels_of(program, "add")
    assert kernel.blocks > 1 and _plugin.find_hazards(program.encode()) == []
    for i, instruction in enumerate(kernel.body):
        if instruction.spec.name == "tstore":
            view = instruction.values[0]
            kernel.body[i] = replace(
                instruction, values=(replace(view, offset=view.offset * 0), *instruction.values[1:])
            )
    assert any("another block writes" in report for report in _plugin.find_hazards(program.encode()))


def test_an_input_overwritten_too_early_is_reported():
    """The reverse of a vector may not take its place: blocks at one end write what blocks at the other still read."""
    program = compile_function(lambda x: x[::-1] * 2, (1 << 16,))
    assert _plugin.find_hazards(program.encode()) == []
    program.result_alias = [0]
    reports = _plugin.find_hazards(program.encode())
    assert any("another block" in report for report in reports)
