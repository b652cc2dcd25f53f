"""Run self-checking modules in a process of their own, so that a crash is one case's and no more.

`serve` is the child: it answers each path with a record. `Worker` is the parent's handle: it
starts the child, waits with a limit, and turns a death or a hang into a record too.
"""

import multiprocessing
import os
import time

import numpy as np

SPAWN = multiprocessing.get_context("spawn")


class Worker:
    """A child process that runs cases on `platform`; restarted after a crash or a timeout."""

    def __init__(self, platform, seconds):
        self.platform, self.seconds = platform, seconds
        self.process = None

    def run(self, case):
        """Return the record of one case, (name, text): its name, status, message, ops and seconds."""
        if self.process is None:
            self.connection, theirs = SPAWN.Pipe()
            self.process = SPAWN.Process(target=serve, args=(theirs, self.platform), daemon=True)
            self.process.start()
            theirs.close()
        try:
            self.connection.send(case)
            if self.connection.poll(self.seconds):
                return self.connection.recv()
            status, message = "timeout", f"no answer after {self.seconds} s"
        except (EOFError, OSError):
            self.process.join()
            status, message = "crash", f"the process ended with exit code {self.process.exitcode}"
        self.stop()
        return {"name": case[0], "status": status, "message": message}

    def stop(self):
        """End the child process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None


def serve(connection, platform):
    """Answer every case received, (name, text), with a record, until the other end closes."""
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ["JAX_ASCEND_DEVICES"] = os.environ["JAX_NUM_CPU_DEVICES"] = "8"
    os.environ["JAX_PLATFORMS"] = "cpu" if platform == "cpu" else f"{platform},cpu"
    while True:
        try:
            name, text = connection.recv()
        except EOFError:
            return
        start = time.perf_counter()
        record = {"name": name, "message": "", **run_module(text, platform)}
        connection.send({**record, "seconds": round(time.perf_counter() - start, 3)})


def run_module(text, platform):
    """Run one module; status is pass, mismatch, unsupported, compile_error, run_error or parse_error."""
    from check_dialect import RUN_PARALLEL
    from checked_module import ops_of, split
    from judge import judge

    record = {"ops": ops_of(text)}
    if RUN_PARALLEL in text:
        return {**record, **run_devices(text, platform)}
    try:
        module = split(text)
        data = run(load(module.data, "cpu"), []) if module.data else []
    except Exception as error:
        return {**record, "status": "parse_error", "message": describe(error)}
    try:
        program = load(module.program, platform)
    except Exception as error:
        status = "unsupported" if "UNIMPLEMENTED" in str(error) else "compile_error"
        return {**record, "status": status, "message": describe(error)}
    try:
        results = run(program, data)
    except Exception as error:
        return {**record, "status": "run_error", "message": describe(error)}
    pairs = zip(module.checks, results[::2], results[1::2])
    judged = (judge(check, actual, expected, tolerance) for (check, tolerance), actual, expected in pairs)
    wrong = [message for message in judged if message]
    return {**record, "status": "mismatch" if wrong else "pass", "message": "; ".join(wrong)}


def run_devices(text, platform):
    """Run a module for several devices; status is as of `run_module`."""
    import parallel_module
    from judge import judge

    try:
        module = parallel_module.split(text)
        data = run(load(module.data, "cpu"), [])
    except Exception as error:
        return {"status": "parse_error", "message": describe(error)}
    try:
        pairs = parallel_module.run_parallel(module, data, platform)
    except Exception as error:
        status = "unsupported" if "UNIMPLEMENTED" in str(error) else "run_error"
        return {"status": status, "message": describe(error)}
    judged = (judge(check, *pair, tolerance) for (check, tolerance, _), pair in zip(module.checks, pairs))
    wrong = [message for message in judged if message]
    return {"status": "mismatch" if wrong else "pass", "message": "; ".join(wrong)}


def describe(error):
    return f"{type(error).__name__}: {error}"[:600]


def load(bytecode, platform):
    """Compile MLIR bytecode for the first device of a platform."""
    from jax._src import xla_bridge
    from jaxlib import _jax, xla_client

    backend = xla_bridge.get_backend(platform)
    device = backend.devices()[0]
    options = xla_client.CompileOptions()
    options.num_replicas = options.num_partitions = 1
    options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]]))
    return backend.compile_and_load(bytecode, _jax.DeviceList((device,)), options), device


def run(loaded, arguments):
    """Execute a loaded program on NumPy arguments and return its results as NumPy arrays."""
    import jax

    executable, device = loaded
    results = executable.execute_sharded([jax.device_put(a, device) for a in arguments])
    return [np.asarray(array[0]) for array in results.disassemble_into_single_device_arrays()]
