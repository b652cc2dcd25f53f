"""mujoco-mjx: a double pendulum over a floor swings; `impl="jax"`, as MJX chooses by itself for CPU, GPU and TPU only."""

import jax
import jax.numpy as jnp
import mujoco
from compare import on_both
from mujoco import mjx

MODEL = mujoco.MjModel.from_xml_string("""
<mujoco><option timestep="0.005"/><worldbody><geom type="plane" size="3 3 .1"/>
  <body pos="0 0 1"><joint type="hinge" axis="0 1 0" damping=".05"/><geom type="capsule" fromto="0 0 0 .4 0 0" size=".05"/>
    <body pos=".4 0 0"><joint type="hinge" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 .4 0 0" size=".05"/></body>
  </body></worldbody></mujoco>""")


def run():
    model = mjx.put_model(MODEL, impl="jax")

    @jax.jit
    def swing(angles):
        data = mjx.make_data(MODEL, impl="jax").replace(qpos=angles)
        return jax.lax.scan(lambda d, _: (lambda n: (n, n.qpos))(mjx.step(model, d)), data, length=60)[1]

    return swing(jnp.array([0.2, -0.3]))


on_both(run, 1e-3, lambda q: f"after {len(q)} steps the joints are at {q[-1, 0]:.4f} and {q[-1, 1]:.4f} rad")
