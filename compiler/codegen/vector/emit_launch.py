"""Planned sections -> one launch: the kernel's name and arguments, its sections, and what storage outputs may take over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...graph.graph import Op, Value
from ...isa.model import Effect
from ...program.kernel import Kernel, KernelBuilder
from ..steps import Launch
from .emit import SectionEmitter
from .nodes import Access
from .plan_section import Section


def emit_launch(ops: Sequence[Op], sections: Sequence[Section]) -> Launch:
    """Return the launch of one kernel with these sections, named after what it computes; axes are merged."""
    blocks = max(section.plan.blocks for section in sections)
    builder = KernelBuilder(kernel_name(ops), "aiv", (blocks,))
    read = dict.fromkeys(value for section in sections for value in _reads(section))
    arguments = {v: builder.argument(v.dtype, v.type.size) for v in read}
    written = list(dict.fromkeys(store.access.value for section in sections for store in section.stores))
    for value in written:
        arguments[value] = builder.argument(value.dtype, value.type.size, writes=True)
    (block,) = builder.blocks
    for section in sections:
        emitter = SectionEmitter(builder, section.plan, arguments, block)
        if section.plan.blocks < blocks:
            with builder.when(section.plan.blocks - block):
                emitter.run(section.stores)
        else:
            emitter.run(section.stores)
    return Launch(builder.kernel, list(arguments), written, may_take_over(sections, builder.kernel, arguments))


def _reads(section: Section) -> Iterator[Value]:
    for node in section.nodes():
        if node.access is not None:
            yield node.access.value
            yield from (start.value for start in node.access.dynamic)
    for store in section.stores:
        yield from (start.value for start in store.access.dynamic)


def may_take_over(
    sections: Sequence[Section], kernel: Kernel, arguments: dict[Value, int]
) -> tuple[tuple[Value, Value], ...]:
    """Return the outputs that may take over an input: a block reads what it writes, and only before it writes it."""
    last_load: dict[int, int] = {}  # argument -> position in the body
    first_store: dict[int, int] = {}
    for at, instruction in enumerate(kernel.body):
        for operand, view in instruction.operands():
            if operand.kind == "view" and operand.effect is Effect.read:
                last_load[view.argument] = at
            elif operand.kind == "view":
                first_store.setdefault(view.argument, at)
    reads: dict[Value, list[tuple[int, Access]]] = {}
    gathered: set[Value] = set()  # anywhere, by any block
    for i, section in enumerate(sections):
        for node in section.nodes():
            if node.access is not None:
                if node.kind == "gather":
                    gathered.add(node.access.value)
                reads.setdefault(node.access.value, []).append((i, node.access))
    pairs: list[tuple[Value, Value]] = []
    for i, section in enumerate(sections):
        for s in section.stores:
            out = s.access
            for value, accesses in reads.items():
                if (
                    value not in arguments
                    or value in gathered
                    or value.type.size != out.value.type.size
                    or value.dtype.bytes != out.value.dtype.bytes
                ):
                    continue
                ((j, access), *others) = accesses
                same = access.strides == {a: t for a, t in out.strides.items() if t} and access.offset == out.offset
                # A kernel of several passes over a value may load it again after the pass that stores the output.
                before = last_load.get(arguments[value], -1) < first_store.get(arguments[out.value], 0)
                once = not others and i == j and not access.dynamic and set(section.plan.loops) <= set(access.strides)
                if once and same and before:
                    pairs.append((out.value, value))
    return tuple(pairs)


def kernel_name(ops: Sequence[Op]) -> str:
    """Name a kernel after its ops, most telling first."""
    names = [getattr(op, "kind", op.name) if op.name in ("unary", "binary") else op.name for op in ops]
    telling = [n for n in dict.fromkeys(names) if n not in ("constant", "broadcast_in_dim", "reshape", "convert")]
    return "_".join((telling or names)[:5])
