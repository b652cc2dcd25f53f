"""Run a partitioned Graph on n devices: a thread each interprets it, and they meet in collectives.

Arguments and results are whole arrays: they are cut and put together as the module's shardings say, and parts that must be
copies of each other are compared.
"""

import threading

import graph_reference
import numpy as np

from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.passes.inline_calls import inline_calls

TIMEOUT = 60  # seconds a device waits for the others


class Meeting:
    """Where the members of a group put down what they bring, and take what all have brought."""

    def __init__(self, members):
        self.barrier = threading.Barrier(members)
        self.brought = {}

    def exchange(self, member, data):
        self.brought[member] = data
        self.barrier.wait(TIMEOUT)
        everything = dict(self.brought)
        self.barrier.wait(TIMEOUT)
        return everything


class Machine:
    """Devices that run one program."""

    def __init__(self, devices):
        self.devices = devices
        self.lock = threading.Lock()
        self.meetings = {}
        self.moved = 0  # collectives that device 0 took part in

    def exchange(self, op, group, device, data):
        with self.lock:
            meeting = self.meetings.setdefault((op, group), Meeting(len(group)))
            self.moved += device == 0
        return meeting.exchange(device, data)


here = threading.local()


def _group(op):
    return next((g for g in op.groups if here.device in g), None)


def _collect(op, args, group):
    found = here.machine.exchange(op, group, here.device, args)
    return [found[d] for d in group]


def _all_reduce(op, args, env):
    parts = _collect(op, args, _group(op))
    return [_fold(op, [p[i] for p in parts], env) for i in range(len(args))]


def _fold(op, parts, env):
    if op.kind != "general":
        return graph_reference.combine(op.kind, np.stack(parts), 0)
    total = parts[0].copy()
    for cell in np.ndindex(*total.shape):
        for part in parts[1:]:
            (total[cell],) = graph_reference.run(op.body, [total[cell], part[cell]])
    return total


def _all_gather(op, args, env):
    parts = _collect(op, args, _group(op))
    return [np.concatenate([p[i] for p in parts], op.dimension) for i in range(len(args))]


def _reduce_scatter(op, args, env):
    group = _group(op)
    total = _fold(op, [p[0] for p in _collect(op, args, group)], env)
    return np.split(total, len(group), op.dimension)[group.index(here.device)]


def _all_to_all(op, args, env):
    group = _group(op)
    parts, me = _collect(op, args, group), group.index(here.device)
    return [
        np.concatenate([np.split(p[i], len(group), op.split)[me] for p in parts], op.concat) for i in range(len(args))
    ]


def _permute(op, args, env):
    everyone = tuple(range(here.machine.devices))
    parts = _collect(op, args, everyone)
    senders = [s for s, t in op.groups if t == here.device]
    return parts[senders[0]][0] if senders else np.zeros_like(args[0])


def _broadcast(op, args, env):
    group = _group(op)
    return _collect(op, args, group)[0][0] if group else np.zeros_like(args[0])


graph_reference.EVALUATE |= {
    ops.AllGather: _all_gather,
    ops.AllReduce: _all_reduce,
    ops.AllToAll: _all_to_all,
    ops.CollectiveBroadcast: _broadcast,
    ops.CollectivePermute: _permute,
    ops.PartitionId: lambda op, args, env: np.uint32(here.device),
    ops.ReduceScatter: _reduce_scatter,
    ops.ReplicaId: lambda op, args, env: np.uint32(0),
    ops.Reshard: lambda op, args, env: args[0],
}


def cut(array, sharding, device):
    """Return the part of an array that a device has."""
    where = []
    for n, axes in zip(array.shape, sharding.dims):
        size = -(-n // sharding.mesh.extent(axes))
        at = int(sharding.mesh.index(axes)[device]) * size
        where.append(slice(at, at + size))
    return array[(*where, ...)]


def term(part, sharding, device):
    """Return what a device has of a sum that is to be `part`: k of k(k+1)/2 shares for the k-th, counted from 1."""
    count = sharding.mesh.extent(sharding.partial)
    share = int(sharding.mesh.index(sharding.partial)[device]) + 1
    return part * part.dtype.type(2 * share / (count * (count + 1))) if sharding.partial else part


def run(module, arguments):
    """Return the results of a partitioned module on whole arguments, and the number of exchanges of a device."""
    parts = [
        [term(cut(a, s, device), s, device) for a, s in zip(arguments, module.parameter_shardings, strict=True)]
        for device in range(len(module.mesh.devices))
    ]
    results, moved = run_parts(module, parts)
    return [together(module, i, [r[i] for r in results]) for i in range(len(module.main.results))], moved


def run_parts(module, parts):
    """Return the results of every device for the arguments of every device, and the number of exchanges of a device."""
    inline_calls(module, None)
    machine = Machine(len(parts))
    results, errors = [None] * len(parts), []

    def work(device):
        here.device, here.machine = device, machine
        try:
            results[device] = graph_reference.run(module.main, parts[device])
        except Exception as error:  # the test reports the first
            errors.append(error)
            for meeting in machine.meetings.values():
                meeting.barrier.abort()

    threads = [threading.Thread(target=work, args=(d,), daemon=True) for d in range(len(parts))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(4 * TIMEOUT)
    first = [e for e in errors if not isinstance(e, threading.BrokenBarrierError)] or errors
    if first:
        raise first[0]
    return results, machine.moved


def together(module, number, parts):
    """Return the whole of a result, of which all devices that have a copy of a part have the same."""
    sharding = module.result_shardings[number]
    if sharding.partial:
        mesh, groups = sharding.mesh, sharding.mesh.groups(sharding.partial)
        sums = {d: sum(parts[m] for m in group) for group in groups for d in group}
        parts = [sums[d] for d in range(len(mesh.devices))]
    shape = [n * sharding.mesh.extent(axes) for n, axes in zip(parts[0].shape, sharding.dims)]
    whole, seen = np.zeros(shape, parts[0].dtype), np.zeros(shape, bool)
    for device, part in enumerate(parts):
        place = cut(whole, sharding, device)
        known = cut(seen, sharding, device)
        if known.size and known.all():
            assert place.tobytes() == np.ascontiguousarray(part).tobytes(), f"result {number}: copies differ"
        place[...] = part
        known[...] = True
    assert seen.all(), f"result {number} has gaps"
    return whole
