"""What JAX shows of a divided program: StableHLO that jaxlib reads, with the collectives in it."""

import jax
import numpy as np
import pytest
import sharded
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from programs import PROGRAMS

from jax_ascend.compiler import frontend
from jax_ascend.compiler.export import export_module
from jax_ascend.compiler.export.attributes import tensor
from jax_ascend.compiler.partition import partition
from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.stages import Stages
from jax_ascend.compiler.targets import target


@pytest.mark.parametrize("name", PROGRAMS)
def test_jaxlib_reads_it(name):
    function, arguments = PROGRAMS[name]
    text = sharded.text_of(function, arguments, sharded.mesh_of(4, 2), 1)
    if "num_partitions = 1 " in text:
        return
    module = sharded.import_text(text)
    partition(module)
    read = frontend.deserialize(export_module(module))
    (main,) = read.body.operations
    types = [", ".join(tensor(v.type) for v in values) for values in (module.main.arguments, module.main.results)]
    assert str(main.attributes["function_type"].value).replace("(", "").replace(")", "") == " -> ".join(types)


def test_the_stage_has_the_notes_and_the_program_the_parts():
    mesh = sharded.mesh_of(4)
    x = np.zeros((8, 8), np.float32)
    place = NamedSharding(mesh, P("a"))
    lowered = jax.jit(lambda x: jax.numpy.sort(x, 0) @ x, in_shardings=place, donate_argnums=0).trace(x)
    stages = Stages()
    stages.keep = True
    text = lowered.lower(lowering_platforms=("ascend",)).as_text(debug_info=True)
    program = compile_program(text, target("ascend910b"), stages)
    assert dict(stages.texts)["partition"].startswith("// sort at ")
    shown = str(frontend.deserialize(program.stablehlo))
    assert "mhlo.num_partitions = 4" in shown
    assert shown.count('"stablehlo.all_gather"') == 1
    assert "tensor<2x8xf32>" in shown
    assert [str(t) for t in program.parameters] == ["f32[2,8]"]
    assert len(program.parameter_sharding[0]) > 2
