"""The AICPU kernels that are routines of LAPACK, by its names without the letter of the type.

Matrices lie in memory by rows, and so do batches of them. What a routine returns is what LAPACK's documentation says,
`info` included; which results JAX then replaces by NaN, its own lowering rules say. Operations are those that LAPACK
Working Note 41 counts for the direct methods, and Golub and Van Loan, Matrix Computations, for those that iterate.
"""

from __future__ import annotations

from .aicpu import AicpuSpec, Parameter, Slots
from .model import Effect

INT_MAX = 2**31 - 1  # LAPACK counts in 32 bits
_REASON = (
    "column by column, each step after the last, with pivots and shifts that are data: little for 24 cores to share"
)
_INFO = Slots("info", Effect.write, extents=(), element="i32")


def _result(name: str, *extents: str, element: str = "dtype", over: str = "") -> Slots:
    return Slots(name, Effect.write, extents=extents, element=element, over=over)


def _operand(name: str, *extents: str, element: str = "dtype") -> Slots:
    return Slots(name, Effect.read, extents=extents, element=element)


def _kernel(name: str, summary: str, slots: tuple[Slots, ...], parameters: str, operations: str) -> AicpuSpec:
    """Declare a kernel; `parameters` are names of extents, and of bools and small integers with their kind or bound."""
    declared = [Parameter("batch", "int", high=INT_MAX)]
    if any(s.element != "i32" for s in slots):
        declared.insert(0, Parameter("dtype", "dtype"))
    for word in parameters.split():
        parameter, _, kind = word.partition(":")
        if kind == "bool":
            declared.append(Parameter(parameter, "bool"))
        else:
            declared.append(Parameter(parameter, "int", high=int(kind or INT_MAX)))
    return AicpuSpec(name, summary, _REASON, slots, tuple(declared), operations)


_SQUARE = _operand("a", "n", "n")
_MATRIX = _operand("a", "m", "n")

LAPACK = (
    _kernel("potrf", "Cholesky factor of the lower or upper triangle; the other one stays as it is",
            (_result("factor", "n", "n", over="a"), _INFO, _SQUARE), "n lower:bool", "n*n*n/3 + n*n/2 + n/6"),
    _kernel("trsm", "x with op(a) x = b (left) or x op(a) = b, a triangular of order k; transpose: 0 no, 1 yes, 2 "
            "and conjugated",
            (_result("x", "m", "n", over="b"), _operand("a", "k", "k"), _operand("b", "m", "n")),
            "m n k left:bool lower:bool transpose:2 unit:bool", "m*n*k"),
    _kernel("getrf", "LU with rows exchanged: factors in one matrix, and per row the row it was exchanged with, from 1; "
            "k = min(m, n)",
            (_result("lu", "m", "n", over="a"), _result("pivots", "k", element="i32"), _INFO, _MATRIX), "m n k",
            "2*m*n*k - (m + n)*k*k + 2*k*k*k/3"),
    _kernel("pivots_to_permutation", "the order of m rows that k exchanges, numbered from 0, leave; a number beyond the "
            "rows means the last one",
            (_result("permutation", "m", element="i32"), _operand("pivots", "k", element="i32")), "m k", "m + k"),
    _kernel("geqrf", "QR: R above, vectors of the reflections below the diagonal, their k = min(m, n) factors in taus",
            (_result("packed", "m", "n", over="a"), _result("taus", "k"), _MATRIX), "m n k",
            "2*k*k*(m + n - k) - 2*k*k*k/3"),
    _kernel("geqp3", "QR with columns exchanged, those that `first` numbers (not 0) kept in front; numbers of columns "
            "from 1",
            (_result("packed", "m", "n", over="a"), _result("columns", "n", element="i32", over="first"),
             _result("taus", "k"), _MATRIX, _operand("first", "n", element="i32")), "m n k",
            "2*k*k*(m + n - k) - 2*k*k*k/3 + 3*m*n"),
    _kernel("orgqr", "the first n columns of the product of k reflections, packed as geqrf leaves them; m >= n >= k",
            (_result("q", "m", "n", over="a"), _MATRIX, _operand("taus", "k")), "m n k",
            "4*m*n*k - 2*(m + n)*k*k + 4*k*k*k/3"),
    _kernel("ormqr", "the product of k reflections q, packed in r rows and `columns` columns, times c (left), or c times "
            "it; q conjugated and transposed if asked",
            (_result("product", "m", "n", over="c"), _operand("a", "r", "columns"), _operand("taus", "k"),
             _operand("c", "m", "n")), "m n k r columns left:bool transpose:bool",
            "left*(4*m*n*k - 2*n*k*k) + (1 - left)*(4*n*m*k - 2*m*k*k)"),
    _kernel("syevd", "eigenvalues in ascending order of the symmetric or Hermitian matrix that one triangle says, and its "
            "eigenvectors as columns, if asked",
            (_result("eigenvectors", "n", "n", over="a"), _result("eigenvalues", "n", element="real"), _INFO, _SQUARE),
            "n lower:bool vectors:bool", "4*n*n*n/3 + vectors*23*n*n*n/3"),
    _kernel("sytrd", "a symmetric or Hermitian matrix made tridiagonal: diagonal, what is beside it, and the reflections",
            (_result("packed", "n", "n", over="a"), _result("diagonal", "n", element="real"),
             _result("beside", "n-1", element="real"), _result("taus", "n-1"), _INFO, _SQUARE), "n lower:bool",
            "4*n*n*n/3 + 3*n*n"),
    _kernel("geev", "eigenvalues of a square matrix, and its left and right eigenvectors as columns, if asked; info is -4 "
            "if an element is not finite",
            (_result("eigenvalues", "n", element="complex"), _result("left_vectors", "n", "n", element="complex"),
             _result("right_vectors", "n", "n", element="complex"), _INFO, _SQUARE), "n left:bool right:bool",
            "10*n*n*n + (left + right)*16*n*n*n"),
    _kernel("gees", "the Schur form of a square matrix, its vectors as columns, if asked, and the eigenvalues",
            (_result("form", "n", "n", over="a"), _result("schur_vectors", "n", "n"),
             _result("eigenvalues", "n", element="complex"), _result("selected", element="i32"), _INFO, _SQUARE),
            "n vectors:bool", "10*n*n*n + vectors*15*n*n*n"),
    _kernel("gehrd", "rows and columns low to high, from 1, of a square matrix made upper Hessenberg, with the reflections",
            (_result("packed", "n", "n", over="a"), _result("taus", "n-1"), _INFO, _SQUARE), "n low high",
            "10*n*n*n/3"),
    _kernel("svd", "singular values in descending order, left vectors as columns, right ones as conjugated rows, by "
            "divide and conquer (gesdd) or QR (gesvd); vectors: 0 none, 1 the first k = min(m, n), 2 all",
            (_result("destroyed", "m", "n", over="a"), _result("values", "k", element="real"),
             _result("u", "m", "columns"), _result("vt", "rows", "n"), _INFO, _MATRIX),
            "m n k columns rows vectors:2 divide:bool",
            "(vectors < 1)*(4*k*k*(m + n - k) - 4*k*k*k/3) + (vectors > 0)*(6*k*k*(m + n - k) + 20*k*k*k)"
            " + (vectors > 1)*4*k*(m + n - k)*(m + n - 2*k)"),
    _kernel("gtsv", "x with a tridiagonal matrix times x = b, by elimination with rows exchanged, which overwrites the "
            "matrix; the lower diagonal starts at 1, the upper one ends at n - 2",
            (_result("lower_out", "n", over="lower"), _result("diagonal_out", "n", over="diagonal"),
             _result("upper_out", "n", over="upper"), _result("x", "n", "m", over="b"), _INFO, _operand("lower", "n"),
             _operand("diagonal", "n"), _operand("upper", "n"), _operand("b", "n", "m")), "n m", "6*n + 5*n*m"),
    _kernel("gtsv_perturbed", "the same for matrices that may be singular: pivots that would make x overflow are moved by "
            "roundings of the largest element, as by LAPACK's lagtf and lagts",
            (_result("x", "n", "m", over="b"), _operand("lower", "n"), _operand("diagonal", "n"),
             _operand("upper", "n"), _operand("b", "n", "m")), "n m", "6*n + 7*n*m"),
)  # fmt: skip
