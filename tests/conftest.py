"""Options of all tests, and the devices they run on."""

import os
import signal

# Read when the clients are created. What runs on several devices is compared with XLA:CPU on as many.
os.environ.setdefault("JAX_ASCEND_DEVICES", "8")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")

os.environ.setdefault("JAX_ASCEND_CHECK", "1")  # a kernel with a hazard fails the test that compiles it

import jax
import pytest

# A shell lets what it starts in the background ignore Ctrl-C, and so would the processes that are interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the golden texts instead of comparing with them"
    )


@pytest.fixture
def device():
    return jax.devices("ascend")[0]


@pytest.fixture
def other_device():
    return jax.devices("ascend")[1]
