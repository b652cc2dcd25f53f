"""A PJRT plugin that gives JAX an emulated Huawei Ascend NPU: `jax.devices("ascend")`."""
