"""Linear algebra in the frontend: which kernels JAX's calls become, layouts, what is refused; and complex operands."""

import graph_reference
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax._src.lax import linalg
from test_frontend import import_function, import_text

from jax_ascend import registration
from jax_ascend.compiler import passes
from jax_ascend.compiler.errors import UnsupportedOpsError
from jax_ascend.compiler.graph import ops

registration.register()

SQUARE, WIDE = np.eye(4, dtype=np.float32), np.ones((2, 3, 5), np.float32)
KERNELS = {
    "cholesky": (jnp.linalg.cholesky, [SQUARE], ["potrf"]),
    "eigh": (jnp.linalg.eigh, [SQUARE], ["syevd"]),
    "eigvals": (jnp.linalg.eigvals, [SQUARE], ["geev"]),
    "schur": (lax.linalg.schur, [SQUARE], ["gees"]),
    "hessenberg": (lax.linalg.hessenberg, [SQUARE], ["gehrd"]),
    "tridiagonal": (lax.linalg.tridiagonal, [SQUARE], ["sytrd"]),
    "svd": (jnp.linalg.svd, [WIDE], ["svd"]),
    "singular values": (lambda x: jnp.linalg.svd(x, compute_uv=False), [WIDE], ["svd"]),
    "qr": (jnp.linalg.qr, [WIDE], ["geqrf", "orgqr"]),
    "qr with pivots": (lambda x: lax.linalg.qr(x, pivoting=True), [WIDE], ["geqp3", "orgqr"]),
    "lu": (lax.linalg.lu, [WIDE], ["getrf", "pivots_to_permutation"]),
    "solve": (jnp.linalg.solve, [SQUARE, SQUARE[0]], ["getrf", "pivots_to_permutation", "trsm", "trsm"]),
    "tridiagonal_solve": (lax.linalg.tridiagonal_solve, [*SQUARE[:3], SQUARE], ["gtsv"]),
}


def kernels(module):
    return [op.kernel for op in module.main.walk() if isinstance(op, ops.AicpuKernel)]


@pytest.mark.parametrize("name", KERNELS)
def test_a_function_becomes_these_kernels(name):
    function, arguments, expected = KERNELS[name]
    module = import_function(function, *arguments)
    passes.run_graph_passes(module)
    module.main.verify()
    assert kernels(module) == expected


CALL = """
func.func public @main(%a: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2xi32>, tensor<i32>) {{
  %0:3 = stablehlo.custom_call @lapack_sgetrf_ffi(%a) {{api_version = 4 : i32, mhlo.backend_config = {{}}{layouts}}}
    : (tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2xi32>, tensor<i32>)
  return %0#0, %0#1, %0#2 : tensor<2x3xf32>, tensor<2xi32>, tensor<i32>
}}"""


def layouts(matrix):
    return (
        f", operand_layouts = [dense<{matrix}> : tensor<2xindex>], "
        f"result_layouts = [dense<{matrix}> : tensor<2xindex>, dense<0> : tensor<1xindex>, dense<> : tensor<0xindex>]"
    )


@pytest.mark.parametrize(("given", "by_rows"), [("", True), (layouts([1, 0]), True), (layouts([0, 1]), False)], ids=str)
def test_a_routine_sees_memory_by_columns_whatever_the_call_says(given, by_rows):
    """XLA hands a handler the dimensions and the memory, laid out as the call says; LAPACK reads it by columns."""
    a = np.float32([[1, 2, 3], [4, 6, 8]])
    module = import_text(CALL.format(layouts=given))
    packed, pivots, info = graph_reference.run(module.main, [a])
    seen = a.reshape(-1).reshape(3, 2).T if by_rows else a
    left = packed.reshape(-1).reshape(3, 2).T if by_rows else packed
    lower, upper = np.tril(left[:, :2], -1) + np.eye(2), np.triu(left)
    order = [1, 0] if pivots[0] == 2 else [0, 1]
    np.testing.assert_allclose(lower @ upper, seen[order], rtol=1e-6)
    assert info == 0


def call(target, operands, results, config):
    types = ", ".join(f"%{i}: tensor<{t}>" for i, t in enumerate(operands))
    names, given = ", ".join(f"%{i}" for i in range(len(operands))), ", ".join(f"tensor<{t}>" for t in operands)
    made = ", ".join(f"tensor<{t}>" for t in results)
    return f"""
    func.func public @main({types}) -> tensor<{results[0]}> {{
      %r:{len(results)} = stablehlo.custom_call @{target}({names}) {{api_version = 4 : i32,
        mhlo.backend_config = {{{config}}}}} : ({given}) -> ({made})
      return %r#0 : tensor<{results[0]}>
    }}"""


SOLVE = "side = {} : ui8, uplo = 76 : ui8, trans_x = 78 : ui8, diag = 78 : ui8"
REFUSED = {
    "uplo": (("lapack_spotrf_ffi", ["3x3xf32"], ["3x3xf32", "i32"], "uplo = 88 : ui8"), "uplo is 88; expected the code"),
    "missing": (("lapack_spotrf_ffi", ["3x3xf32"], ["3x3xf32", "i32"], ""), "without the attribute uplo"),
    "oblong": (("lapack_spotrf_ffi", ["2x3xf32"], ["2x3xf32", "i32"], "uplo = 76 : ui8"), r"a is f32\[2,3\]; expected"),
    "type": (("lapack_spotrf_ffi", ["3x3xbf16"], ["3x3xbf16", "i32"], "uplo = 76 : ui8"), "expected f32, f64, c64 or"),
    "rank": (("lapack_spotrf_ffi", ["3xf32"], ["3xf32", "i32"], "uplo = 76 : ui8"), "expected 2 dimensions or more"),
    "results": (("lapack_spotrf_ffi", ["3x3xf32"], ["3x3xf32"], "uplo = 76 : ui8"), "expected 1 operands and 2 results"),
    "info": (("lapack_spotrf_ffi", ["3x3xf32"], ["3x3xf32", "i64"], "uplo = 76 : ui8"), r"expected f32\[3,3\], i32"),
    "shapes": (("lapack_strsm_ffi", ["3x3xf32", "4x2xf32"], ["4x2xf32"], SOLVE.format(76)), "a is"),
    "routine": (("lapack_sbogus_ffi", ["3x3xf32"], ["3x3xf32"], ""), "no kernel for this target"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_calls_that_make_no_sense_are_refused(name):
    what, message = REFUSED[name]
    with pytest.raises(UnsupportedOpsError, match=message):
        import_text(call(*what))


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f64", "complex<f64>"])
def test_ops_of_stablehlo_become_kernels(dtype):
    square = f"tensor<2x3x3x{dtype}>"
    module = import_text(f"""func.func public @main(%a: {square}) -> {square} {{
      %0 = stablehlo.cholesky %a, lower = false : {square}
      %1 = "stablehlo.triangular_solve"(%0, %a) {{left_side = false, lower = false, unit_diagonal = false,
          transpose_a = #stablehlo<transpose ADJOINT>}} : ({square}, {square}) -> {square}
      return %1 : {square}
    }}""")
    assert kernels(module) == ["potrf", "trsm"]
    a = 4 * np.eye(3) + np.ones((2, 3, 3))
    a[1] = -a[1]
    (x,) = graph_reference.run(module.main, [a.astype(module.main.results[0].dtype.numpy)])
    assert np.isnan(np.triu(x[1])).sum() >= 6  # not positive definite
    upper = np.linalg.cholesky(a[0]).T
    np.testing.assert_allclose(x[0].astype(complex), a[0] @ np.linalg.inv(upper.conj().T), rtol=0.05, atol=0.05)


def test_complex_matrices_in_memory_are_taken_and_left_as_they_lie():
    """Parameters, results and kernels have the same pairs side by side: nothing is put together anew."""
    module = import_function(lambda a: linalg.geqrf(a)[0], np.ones((4, 3), np.complex64))
    passes.run_graph_passes(module)
    names = [op.name for op in module.main.ops]
    assert names == ["bitcast_convert", "aicpu", "bitcast_convert"]


def test_a_program_that_is_exported_for_several_platforms_has_each_ones_rules():
    from jax import export

    exported = export.export(jax.jit(jnp.linalg.cholesky), platforms=("cpu", "ascend"))(SQUARE)
    assert "lapack_spotrf_ffi" in exported.mlir_module()
