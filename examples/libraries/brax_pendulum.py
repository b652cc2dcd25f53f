"""brax: a generalised-coordinates pendulum under torque. MJX must be told its implementation, and Brax cannot tell it."""

import functools

import jax
import jax.numpy as jnp
from brax.generalized import pipeline
from brax.io import mjcf
from compare import on_both
from mujoco import mjx

for name in ("put_model", "make_data"):  # else "Unsupported device: ascend:0"
    setattr(mjx, name, functools.partial(getattr(mjx, name), impl="jax"))

PENDULUM = """
<mujoco><option timestep="0.01"/><worldbody><body pos="0 0 1">
  <joint name="hinge" type="hinge" axis="0 1 0" damping=".1"/><geom type="capsule" fromto="0 0 0 .5 0 0" size=".05" mass="1"/>
</body></worldbody><actuator><motor joint="hinge" gear="2"/></actuator></mujoco>"""


def run():
    system = mjcf.loads(PENDULUM)

    @jax.jit
    def reach(torques):
        state = pipeline.init(system, jnp.zeros(1), jnp.zeros(1))
        return jax.lax.scan(lambda s, t: (lambda n: (n, n.q[0]))(pipeline.step(system, s, t)), state, torques)[1]

    torques = 0.5 * jnp.sin(jnp.arange(50.0) / 5)[:, None]
    return reach(torques), jax.jit(jax.grad(lambda t: reach(t)[-1]))(torques)


on_both(
    run, 1e-3, lambda r: f"the hinge is at {r[0][-1]:.4f} rad, whose gradient by the first torque is {r[1][0, 0]:.5f}"
)
