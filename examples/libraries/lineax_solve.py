"""lineax: a linear system by LU, QR, Cholesky, SVD and conjugate gradients, and a gradient through one."""

import jax
import jax.numpy as jnp
import lineax as lx
from compare import on_both

SOLVERS = [lx.LU(), lx.QR(), lx.SVD(), lx.Cholesky(), lx.CG(1e-6, 1e-6), lx.GMRES(1e-6, 1e-6)]


def run():
    draw = jax.random.normal(jax.random.key(0), (24, 24))
    matrix, vector = draw @ draw.T + 24 * jnp.eye(24), jnp.arange(24.0)
    operator = lx.MatrixLinearOperator(matrix, lx.positive_semidefinite_tag)
    solved = [jax.jit(lambda v, s=s: lx.linear_solve(operator, v, s).value)(vector) for s in SOLVERS]

    def of(matrix):
        return lx.linear_solve(lx.MatrixLinearOperator(matrix), vector).value.sum()

    return jnp.stack(solved), jax.jit(jax.grad(of))(matrix)


on_both(
    run, 1e-4, lambda r: f"{len(SOLVERS)} solvers agree to {jnp.abs(r[0] - r[0][0]).max() / jnp.abs(r[0]).max():.1e}"
)
