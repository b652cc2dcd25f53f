"""Turn a module of the specification that runs a function on several devices into a program, its arguments and its checks.

    %results:2 = "interpreter.run_parallel"(%a, %b) {programs = [[@f], [@f]]}      a grid of replicas by partitions
    check.expect_eq_const %results#0, dense<...>

The function becomes the `main` of a program for so many devices. What `run_parallel` is given, device by device, and what the
checks expect are the results of a module of their own.
"""

import dataclasses

from check_dialect import RUN_PARALLEL, rewrite_checks
from checked_module import bytecode, check_name, functions, tolerance
from jax._src.interpreters import mlir as jax_mlir
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import func


@dataclasses.dataclass
class ParallelModule:
    """A program, the module whose results are its arguments and what is expected, and the checks.

    arguments: of each device. checks: (name, tolerance, number among all results, device by device).
    """

    program: bytes
    data: bytes
    replicas: int
    partitions: int
    arguments: int
    checks: list[tuple[str, float | None, int]]


def split(text):
    """Return the ParallelModule of a module's text; raises ValueError for one whose devices run different functions."""
    with jax_mlir.make_ir_context() as context, ir.Location.unknown():
        context.allow_unregistered_dialects = True
        module = ir.Module.parse(rewrite_checks(text))
        (main,) = [f for f in functions(module) if f.name.value == "main"]
        (run,) = [op for op in main.entry_block.operations if op.operation.name == RUN_PARALLEL]
        grid = [[str(name) for name in ir.ArrayAttr(row)] for row in ir.ArrayAttr(run.attributes["programs"])]
        names = {name for row in grid for name in row}
        if len(names) != 1:
            raise ValueError("devices run different functions")
        replicas, partitions = len(grid), len(grid[0])
        operands = list(run.operands)
        checks, expected = take_out_checks(main, run)
        end = main.entry_block.operations[len(main.entry_block.operations) - 1]
        with ir.InsertionPoint(end):
            func.ReturnOp([*operands, *expected])
        end.operation.erase()
        run.operation.erase()
        types = [v.type for v in (*operands, *expected)]
        main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get([], types))
        (program,) = [f for f in functions(module) if f"@{f.name.value}" in names]
        data = ir.Module.parse(str(module))
        next(f for f in functions(data) if f"@{f.name.value}" in names).operation.erase()
        data = bytecode(data)
        main.operation.erase()
        program.attributes["sym_name"] = ir.StringAttr.get("main")
        for name, count in (("mhlo.num_replicas", replicas), ("mhlo.num_partitions", partitions)):
            module.operation.attributes[name] = ir.IntegerAttr.get(ir.IntegerType.get_signless(32), count)
        count = len(operands) // (replicas * partitions)
        return ParallelModule(bytecode(module), data, replicas, partitions, count, checks)


def take_out_checks(main, run):
    """Remove the checks of `main`; return (name, tolerance, number of the result) of each, and what they expect."""
    found = [op for op in main.entry_block.operations if check_name(op)]
    numbers = [ir.OpResult(op.operands[0]) for op in found]
    assert all(n.owner == run.operation for n in numbers), "checks are of the devices' results"
    checks = [(check_name(op), tolerance(op), n.result_number) for op, n in zip(found, numbers)]
    expected = [op.operands[1] for op in found]
    for op in found:
        op.operation.erase()
    return checks, expected


def run_parallel(module, data, platform):
    """Run a ParallelModule on devices of a platform; return the pairs (actual, expected) of its checks."""
    import jax
    import numpy as np
    from jax._src import xla_bridge
    from jax.sharding import Mesh, NamedSharding, PartitionSpec
    from jaxlib import _jax, xla_client

    backend = xla_bridge.get_backend(platform)
    grid = (module.replicas, module.partitions)
    count = module.replicas * module.partitions
    devices = backend.devices()[:count]
    options = xla_client.CompileOptions()
    options.num_replicas, options.num_partitions = grid
    options.executable_build_options.use_spmd_partitioning = module.partitions > 1
    numbers = np.array([d.id for d in devices]).reshape(grid)
    options.device_assignment = xla_client.DeviceAssignment.create(numbers)
    loaded = backend.compile_and_load(module.program, _jax.DeviceList(tuple(devices)), options)
    everywhere = NamedSharding(Mesh(devices, ("device",)), PartitionSpec())  # each device has an array of its own
    given, expected = data[: module.arguments * count], data[module.arguments * count :]
    arguments = []
    for k in range(module.arguments):
        parts = [jax.device_put(given[d * module.arguments + k], device) for d, device in enumerate(devices)]
        arguments.append(jax.make_array_from_single_device_arrays(parts[0].shape, everywhere, parts))
    results = loaded.execute_sharded(arguments).disassemble_into_single_device_arrays()
    actual = [np.asarray(of_result[d]) for d in range(count) for of_result in results]
    return [(actual[number], value) for (_, _, number), value in zip(module.checks, expected)]
