"""Runs a whole Program: stream commands over slot tables, kernels by the kernel interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ..graph.graph import TensorType
from ..isa.attributes import Attributes
from ..program.program import Command, Function, Program
from ..targets import Target
from .aicpu import AICPU_MEANINGS
from .exchange import Waiting, exchange
from .interpreter import run_kernel
from .machine import POISON, ReferenceFault

Bytes = np.ndarray


HostFunctions = Mapping[int | str, Callable[..., Sequence[np.ndarray]]]


def run_program(
    program: Program | bytes,
    inputs: list[np.ndarray],
    host: HostFunctions = MappingProxyType({}),
    before: Callable[[Command, list[Bytes]], None] | None = None,
) -> list[np.ndarray]:
    """Run a program, given as object or as bytes, on one array per parameter; return one array per result.

    `host` are the functions of the host that it calls, by number or by target: each takes the operands and returns the results. Inputs are not changed. Results and frames start poisoned, except results that take over a parameter's storage.
    `before` is called with each command and the bytes of its function's slots.
    """
    return run_on_devices(program, [inputs], host, before)[0]


def run_on_devices(
    program: Program | bytes,
    inputs: list[list[np.ndarray]],
    host: HostFunctions = MappingProxyType({}),
    before: Callable[[Command, list[Bytes]], None] | None = None,
) -> list[list[np.ndarray]]:
    """Run a program on several devices, given the inputs of each by device number; return the results of each.

    As run_program. Devices go on together from exchange to exchange; ReferenceFault if an exchange can never be complete.
    """
    if isinstance(program, bytes):
        program = Program.decode(program)
    devices = [_Device(program, number, values, host, before) for number, values in enumerate(inputs)]
    while any(device.waits is None and not device.ended for device in devices):
        for device in devices:
            if device.waits is None:
                device.advance()
        exchange(devices)
    if not all(device.ended for device in devices):
        raise ReferenceFault(f"[program {program.name}] the devices wait for each other for ever")
    return [device.results() for device in devices]


class _Device:
    """One device's run: `waits` is the exchange that it is at, with the memory of its slots."""

    def __init__(
        self,
        program: Program,
        number: int,
        inputs: list[np.ndarray],
        host: HostFunctions,
        before: Callable[[Command, list[Bytes]], None] | None,
    ):
        self.program, self.number = program, number
        parameters = _parameters(program, inputs)
        self.memory = [
            parameters[alias] if alias >= 0 else np.full(type.bytes, POISON, np.uint8)
            for type, alias in zip(program.results, program.result_alias, strict=True)
        ]
        self.waits: Waiting | None = None
        self.ended = False
        stream = _Stream(program, program.target, host, number, before)
        self._steps = stream.enter(program.functions[0], parameters, self.memory, None)

    def advance(self) -> None:
        self.waits = next(self._steps, None)
        self.ended = self.waits is None

    def results(self) -> list[np.ndarray]:
        types = self.program.results
        return [r[: t.bytes].view(t.dtype.numpy).reshape(t.shape) for r, t in zip(self.memory, types, strict=True)]


def _parameters(program: Program, inputs: list[np.ndarray]) -> list[Bytes]:
    parameters: list[Bytes] = []
    for index, (type, value) in enumerate(zip(program.parameters, inputs, strict=True)):
        if value.shape != type.shape or value.dtype != type.dtype.numpy:
            raise ReferenceFault(
                f"[program {program.name}] parameter {index} is wrong; "
                f"expected {type}, got {value.dtype}{list(value.shape)}"
            )
        parameters.append(np.array(value, order="C").reshape(-1).view(np.uint8))
    return parameters


@dataclass
class _Stream:
    program: Program
    target: Target
    host: HostFunctions
    number: int = 0  # of the device
    before: Callable[[Command, list[Bytes]], None] | None = None
    draws: int = 0

    def enter(
        self, function: Function, parameters: list[Bytes], results: list[Bytes], frame: Bytes | None
    ) -> Iterator[Waiting]:
        """Run a function, yielding at every exchange; without a frame it gets one of its own."""
        if frame is None or frame.size < function.frame_bytes:
            frame = np.full(function.frame_bytes, POISON, np.uint8)
        constants = np.frombuffer(self.program.constants, np.uint8)
        table: list[Bytes] = []
        for slot in function.slots:
            if slot.kind in ("parameter", "result"):
                data = (parameters if slot.kind == "parameter" else results)[slot.offset]
                table.append(data[: slot.bytes])
                continue
            data = (constants if slot.kind == "constant" else frame)[slot.offset : slot.offset + slot.bytes]
            if data.size != slot.bytes:
                raise ReferenceFault(f"[function {function.name}] {slot} leaves its storage")
            table.append(data)
        yield from self.run(function, function.commands, table)

    def run(self, function: Function, commands: list[Command], table: list[Bytes]) -> Iterator[Waiting]:
        for c in commands:
            if self.before is not None:
                self.before(c, table)
            fields: dict[str, Any] = {field.name: value for field, value in c.fields()}
            if c.spec.name == "collective":
                yield Waiting(c, [table[s] for s in fields["slots"]])
                continue
            inner: Iterator[Waiting] | None = getattr(self, c.spec.name)(function, table, **fields)
            if inner is not None:
                yield from inner

    def device_number(self, function: Function, table: list[Bytes], number: int, which: int) -> None:
        partitions = self.program.partitions
        given = self.number // partitions if which else self.number % partitions
        table[number][:4] = np.array([given], np.uint32).view(np.uint8)

    def launch(self, function: Function, table: list[Bytes], kernel: int, slots: list[int]) -> None:
        run_kernel(self.program.kernels[kernel], [table[s] for s in slots], self.target)

    def aicpu(
        self, function: Function, table: list[Bytes], op: str, slots: list[int], parameters: dict[str, Any]
    ) -> None:
        with np.errstate(all="ignore"):
            AICPU_MEANINGS[op]([table[s] for s in slots], **parameters)

    def host_call(
        self, function: Function, table: list[Bytes], callback: int | str, slots: list[int],
        results: list[TensorType], operands: list[TensorType],
    ) -> None:  # fmt: skip
        outs, ins = slots[: len(results)], slots[len(results) :]
        arrays = [table[s][: t.bytes].view(t.dtype.numpy).reshape(t.shape).copy() for s, t in zip(ins, operands)]
        for s, t, array in zip(outs, results, self.host[callback](*arrays), strict=True):
            if (array.shape, array.dtype) != (t.shape, t.dtype.numpy):
                raise ReferenceFault(f"[function {function.name}] host function {callback} gives another type than {t}")
            table[s][: t.bytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)

    def ffi_call(
        self, function: Function, table: list[Bytes], target: str, slots: list[int], results: list[TensorType],
        operands: list[TensorType], tokens: list[int], attributes: Attributes,
    ) -> None:  # fmt: skip
        self.host_call(function, table, target, slots, results, operands)

    def draw(self, function: Function, table: list[Bytes], number: int) -> None:
        table[number][:16] = np.full(2, self.draws, np.uint64).view(np.uint8)
        self.draws += 1

    def copy(self, function: Function, table: list[Bytes], destination: int, source: int, bytes: int) -> None:
        table[destination][:bytes] = table[source][:bytes].copy()

    def loop(
        self, function: Function, table: list[Bytes], predicate: int, swaps: list[tuple[int, int]],
        condition: list[Command], body: list[Command], trips: int,
    ) -> Iterator[Waiting]:  # fmt: skip
        while True:
            yield from self.run(function, condition, table)
            if not table[predicate][0]:
                return
            yield from self.run(function, body, table)
            for a, b in swaps:
                table[a], table[b] = table[b], table[a]

    def case(
        self, function: Function, table: list[Bytes], index: int, branches: list[list[Command]]
    ) -> Iterator[Waiting]:
        chosen = int(table[index][:4].view(np.int32)[0])
        yield from self.run(function, branches[chosen if 0 <= chosen < len(branches) else -1], table)

    def call(self, caller: Function, table: list[Bytes], function: int, slots: list[int]) -> Iterator[Waiting]:
        callee = self.program.functions[function]
        count = {
            k: 1 + max((s.offset for s in callee.slots if s.kind == k), default=-1) for k in ("parameter", "result")
        }
        given = [table[s] for s in slots]
        parameters, rest = given[: count["parameter"]], given[count["parameter"] :]
        results, frame = rest[: count["result"]], rest[count["result"] :]
        yield from self.enter(callee, parameters, results, frame[0] if frame else None)
