"""A corrupted program is refused with a message, never executed."""

import contextlib
import importlib
import random
import signal
import struct
import zlib

import pytest
from instruction_programs import cases

plugin = importlib.import_module("jax_ascend._plugin")
HEADER = 48


def resealed(data):
    """The same bytes with the right checksum, so that what is inside must be noticed."""
    return data[:12] + struct.pack("<I", zlib.crc32(data[16:])) + data[16:]


class Enough(Exception):
    """A run has had its time."""


@contextlib.contextmanager
def for_seconds(seconds):
    """End a run after so long, as Ctrl-C would."""

    def enough(*_):
        raise Enough

    before = signal.signal(signal.SIGALRM, enough)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def programs():
    """A vector, a cube and a gathering program."""
    return [next(iter(cases(name))).program.encode() for name in ("tsel", "tmatmul_bias", "mgather", "timg2col")]


def test_the_programs_are_accepted(programs):
    for data in programs:
        plugin.verify_program(data)


def test_a_thousand_flipped_bits_are_refused(programs):
    rng = random.Random(0)
    for _ in range(1000):
        data = bytearray(rng.choice(programs))
        for _ in range(rng.randint(1, 3)):
            bit = rng.randrange(8 * len(data))
            data[bit // 8] ^= 1 << bit % 8
        if bytes(data) in programs:
            continue
        with pytest.raises(RuntimeError, match=r"\["):
            plugin.verify_program(bytes(data))


def test_a_thousand_corrupt_words_are_refused_or_run_within_their_memory(programs):
    """With the checksum put right, a word is anything; what is still accepted must be safe to execute."""
    rng = random.Random(1)
    refused = 0
    for _ in range(1000):
        data = bytearray(rng.choice(programs))
        (count,) = struct.unpack_from("<Q", data, 24)
        for _ in range(rng.randint(1, 2)):
            word = HEADER + 8 * rng.randrange(count)
            value = rng.choice([-1, 0, 1, 7, 2**31, 2**62, -(2**63), rng.getrandbits(62), rng.randrange(4096)])
            struct.pack_into("<q", data, word, value)
        try:
            runner = plugin.ProgramRunner(resealed(bytes(data)))
            with for_seconds(1):
                runner.run()
        except Enough:
            pass  # a loop of very many trips
        except RuntimeError as error:
            assert str(error).startswith("["), str(error)
            refused += 1
    assert refused > 500


def test_every_truncation_is_refused(programs):
    data = programs[0]
    for size in range(0, len(data), 7):
        with pytest.raises(RuntimeError):
            plugin.verify_program(data[:size])
        if size >= HEADER:
            with pytest.raises(RuntimeError):
                plugin.verify_program(resealed(data[:size]))
