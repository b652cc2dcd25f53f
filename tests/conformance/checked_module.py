"""Turn one self-checking StableHLO module into a program to run and the checks on its results.

The modules call `@inputs` and `@expected`, compute, and hand results to `custom_call @check.*`.
Here the checks are taken out and their operands returned instead; every constant of `main` and
every value of a call without operands becomes an argument, so that the device has to compute.
"""

import dataclasses
import io
import re

from check_dialect import rewrite_checks
from jax._src.interpreters import mlir as jax_mlir
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import func, stablehlo

STRUCTURE = {"stablehlo.constant", "stablehlo.custom_call", "stablehlo.return"}


@dataclasses.dataclass
class CheckedModule:
    """A program, the module whose results are its arguments, the checks with their tolerances, the ops it is about."""

    program: bytes
    data: bytes | None
    checks: list[tuple[str, float | None]]
    ops: list[str]


def ops_of(text):
    """Return the sorted StableHLO and CHLO op names of a module's text, without structural ones."""
    return sorted(set(re.findall(r"\b(?:stablehlo|chlo)\.[a-z_0-9]+\b", text)) - STRUCTURE)


def split(text):
    """Return the CheckedModule of a module's text; raises ValueError when it has nothing to check."""
    with jax_mlir.make_ir_context(), ir.Location.unknown():
        load_quantized_types()
        module = ir.Module.parse(rewrite_checks(text))
        mains = [f for f in functions(module) if f.name.value == "main"]
        main = mains[0] if mains else functions(module)[0]
        main.attributes["sym_name"] = ir.StringAttr.get("main")
        checks = take_out_checks(main)
        if not checks:
            raise ValueError("[conformance] module without checks; expected custom_call @check.*, got none.")
        data = lift_data(module, main)
        return CheckedModule(bytecode(module), data, checks, ops_of(text))


def functions(module):
    return [op for op in module.body.operations if isinstance(op, func.FuncOp)]


def take_out_checks(main):
    """Remove the check calls of `main`, return their operands from it, and return their names."""
    block = main.entry_block
    terminator = block.operations[len(block.operations) - 1]
    found = [op for op in block.operations if check_name(op)]
    names = [(check_name(op), tolerance(op)) for op in found]
    with ir.InsertionPoint(terminator):
        func.ReturnOp([operand for op in found for operand in op.operands])
    for op in [terminator, *found]:
        op.operation.erase()
    return names


def check_name(op):
    if op.operation.name != "stablehlo.custom_call":
        return None
    target = ir.StringAttr(op.operation.attributes["call_target_name"]).value
    return target.removeprefix("check.") if target.startswith("check.") else None


def tolerance(op):
    """Return the tolerance of a check that says one, else None."""
    if "backend_config" not in op.attributes:
        return None
    config = op.attributes["backend_config"]
    return float(config.value) if isinstance(config, ir.StringAttr) and config.value else None


def load_quantized_types():
    """Make `!quant.uniform` known to the current context: reading any portable artifact does so."""
    module = ir.Module.parse("func.func @main() { return }")
    artifact = stablehlo.serialize_portable_artifact(module, stablehlo.get_current_version())
    stablehlo.deserialize_portable_artifact(ir.Context.current, artifact)


def lift_data(module, main):
    """Make arguments of main's data; return the module that computes that data, or None."""
    block = main.entry_block
    sources = [
        op
        for op in block.operations
        if op.operation.name == "stablehlo.constant"
        or (op.operation.name == "func.call" and not len(op.operation.operands))
    ]
    lines = [str(op) for op in sources]
    results = [result for op in sources for result in op.operation.results]
    names, types = [r.get_name() for r in results], [str(r.type) for r in results]
    for result in results:
        result.replace_all_uses_with(block.add_argument(result.type, ir.Location.unknown()))
    callees = {ir.FlatSymbolRefAttr(op.attributes["callee"]).value for op in sources if "callee" in op.attributes}
    for op in sources:
        op.operation.erase()
    set_type(main)
    if not results:
        return None
    bodies = [str(f) for f in functions(module) if f.name.value != "main"]
    text = "\n".join(
        [
            f"func.func public @main() -> ({', '.join(types)}) {{",
            *lines,
            f"return {', '.join(names)} : {', '.join(types)}",
            "}",
            *bodies,
        ]
    )
    for function in functions(module):
        if function.name.value in callees:
            function.operation.erase()
    return bytecode(ir.Module.parse(text))


def set_type(main):
    """Make the signature of `main` that of its block and its return."""
    block = main.entry_block
    returned = block.operations[len(block.operations) - 1].operands
    kind = ir.FunctionType.get([a.type for a in block.arguments], [r.type for r in returned])
    main.attributes["function_type"] = ir.TypeAttr.get(kind)
    for name in ("arg_attrs", "res_attrs"):
        if name in main.attributes:
            del main.attributes[name]


def bytecode(module):
    module.operation.verify()
    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    return buffer.getvalue()
