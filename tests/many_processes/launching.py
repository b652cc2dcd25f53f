"""Starts processes of jax.distributed on this machine, and collects what they report."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SECONDS = 120  # of a test


def require_transport():
    pytest.importorskip("zmq", reason="devices of several processes exchange data by ZeroMQ: pip install pyzmq")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Processes:
    """`count` processes that run `python script arguments`, each with `devices` devices.

    {process} and {coordinator} in arguments are filled in.

    `environments` has the variables of each that are others than this process's.
    """

    def __init__(self, script, *arguments, count=2, devices=1, environments=None):
        coordinator = f"127.0.0.1:{free_port()}"
        self.outputs, self.running = [], []
        for process in range(count):
            env = {
                **os.environ,
                "JAX_PLATFORMS": "ascend,cpu",
                "JAX_NUM_CPU_DEVICES": str(devices),
                "JAX_ASCEND_DEVICES": str(devices),
                "MANY_PROCESSES": f"{coordinator} {count} {process}",
                **(environments[process] if environments else {}),
            }
            output = tempfile.TemporaryFile("w+")  # noqa: SIM115 (read while it is written)
            self.outputs.append(output)
            self.running.append(
                subprocess.Popen(
                    [sys.executable, FOLDER / script]
                    + [a.format(process=process, coordinator=coordinator) for a in arguments],
                    env=env,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.kill()
            process.wait()

    def send(self, process, number=signal.SIGINT):
        self.running[process].send_signal(number)

    def read(self, process):
        self.outputs[process].seek(0)
        return self.outputs[process].read()

    def finish(self, seconds=SECONDS):
        """Wait for all; returns (exit codes, outputs)."""
        try:
            codes = [process.wait(seconds) for process in self.running]
        except subprocess.TimeoutExpired:
            pytest.fail("a process hangs:\n" + "\n".join(f"--- {p}\n{self.read(p)}" for p in range(len(self.running))))
        return codes, [self.read(p) for p in range(len(self.running))]


def run(*arguments, count=2, **options):
    """Return what each process has printed; fails if one fails."""
    with Processes(*arguments, count=count, **options) as processes:
        codes, outputs = processes.finish()
    assert not any(codes), "\n".join(f"--- {p}, exit code {c}\n{o}" for p, (c, o) in enumerate(zip(codes, outputs)))
    return outputs
