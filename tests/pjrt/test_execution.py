"""Launches: donation, placement, dispatch from many threads."""

import threading
import warnings

import jax
import numpy as np
import pytest


def plus_one(x):
    return x + 1


def ones(device, *shape):
    return jax.device_put(np.ones(shape, np.float32), device)


@pytest.mark.parametrize("size", [4, 1 << 20])
def test_donation_reuses_the_storage(device, size):
    x = ones(device, size)
    pointer = x.unsafe_buffer_pointer()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = jax.jit(plus_one, donate_argnums=0)(x)
    assert x.is_deleted()
    assert y.unsafe_buffer_pointer() == pointer
    assert np.asarray(y)[-1] == 2


def test_donation_leaves_copies_alone(device):
    x = ones(device, 1 << 20)
    read = [np.asarray(x), jax.device_put(x, jax.devices("cpu")[0])]
    step = jax.jit(plus_one, donate_argnums=0)
    for _ in range(10):
        x = step(x)
    assert all(np.asarray(r)[3] == 1 for r in read)
    assert np.asarray(x)[3] == 11


def test_a_donated_array_is_gone(device):
    x = ones(device, 4)
    jax.jit(plus_one, donate_argnums=0)(x)
    with pytest.raises((RuntimeError, ValueError), match=r"deleted|donated"):
        jax.jit(plus_one)(x)


def test_an_array_cannot_be_donated_and_read_in_one_call(device):
    x = ones(device, 4)
    with pytest.raises((RuntimeError, ValueError), match="donate"):
        jax.jit(lambda a, b: (a + 1, b + 1), donate_argnums=(0, 1))(x, x)


def test_the_argument_decides_where_to_run(device, other_device):
    f = jax.jit(plus_one)
    for place in (other_device, device, jax.devices("cpu")[0]):
        y = f(ones(place, 3))
        assert y.devices() == {place}
        assert np.asarray(y)[0] == 2


def test_a_chain_runs_in_order(device):
    step = jax.jit(plus_one)
    x = ones(device, 100_000)
    history = []
    for _ in range(50):
        x = step(x)
        history.append(x)
    assert [int(h[99_999]) for h in map(np.asarray, history)] == list(range(2, 52))


def test_outputs_of_one_launch(device):
    a, b, c = jax.jit(lambda x: (x + 1, x + 1, x + 1))(ones(device, 5))
    assert all(np.asarray(v)[0] == 2 for v in (a, b, c))


def test_an_argument_that_is_also_the_result(device):
    x = ones(device, 5)
    y = jax.jit(lambda x: (x, x + 1))(x)
    x.delete()
    assert np.asarray(y[1])[0] == 2


def test_24_threads_compile_and_run(device):
    failures = []

    def work(number):
        try:
            step = jax.jit(lambda x: x + 1 + 0 * number)
            x = jax.device_put(np.full((4, number + 1), number, np.float32), device)
            for _ in range(50):
                x = step(x)
            donating = jax.jit(plus_one, donate_argnums=0)
            for _ in range(50):
                x = donating(x)
            if not (np.asarray(x) == number + 100).all():
                failures.append((number, np.asarray(x)))
        except Exception as error:  # shown by the assertion
            failures.append((number, error))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_copies_between_platforms_from_many_threads(device):
    cpu = jax.devices("cpu")[0]
    failures = []

    def work(number):
        x = np.full(1 << 14, number, np.float32)
        for _ in range(30):
            y = jax.jit(plus_one)(jax.device_put(jax.device_put(x, cpu), device))
            x = np.asarray(jax.device_put(y, cpu))
        if x[0] != number + 30:
            failures.append((number, x[0]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
