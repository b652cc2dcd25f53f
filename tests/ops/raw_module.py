"""Make a JAX function of StableHLO text, for the ops that JAX itself does not emit today."""

import jax
import jax.numpy as jnp
from jax._src.interpreters import mlir as jax_mlir
from jax.extend import core
from jax.interpreters import mlir
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import func

primitive = core.Primitive("stablehlo_text")
primitive.multiple_results = True


def stablehlo(signature, body, *helpers):
    """Return a function of arrays from the signature and body of @main, and further functions' text.

    The signature reads "(%x: tensor<3xf32>) -> (tensor<3xf32>)".
    """
    text = f"func.func @main{signature} {{\n{body}\n}}\n" + "\n".join(helpers)
    return lambda *arrays: primitive.bind(*arrays, text=text)


def result_shapes(*_, text):
    with jax_mlir.make_ir_context(), ir.Location.unknown():
        types = ir.Module.parse(text).body.operations[0].type.results
        numpy_types = {
            str(jax_mlir.dtype_to_ir_type(jnp.dtype(t))): jnp.dtype(t)
            for t in ("f2", "f4", "f8", "bfloat16", "i1", "i4", "u4", "u8", "c8")
        }
        numpy_types["i1"] = jnp.dtype(bool)
        return [jax.core.ShapedArray(tuple(t.shape), numpy_types[str(t.element_type)]) for t in types]


def lower(context, *operands, text):
    symbols = context.module_context.symbol_table
    name = jax_mlir.merge_mlir_modules(context.module_context.module, "raw", ir.Module.parse(text), symbols)
    results = ir.FunctionType(symbols[name].type).results
    return func.CallOp(results, ir.FlatSymbolRefAttr.get(name), operands).results


primitive.def_abstract_eval(result_shapes)
mlir.register_lowering(primitive, lower)
