"""The function table itself, seen from C: layout, size, no empty slot; and the structs JAX passes."""

import ctypes

import jax
import numpy as np
import pytest
from jax.experimental import serialize_executable, topologies
from jax.sharding import SingleDeviceSharding

from jax_ascend import _plugin

HEADER = 16 + 24  # struct_size, extensions; version with its own header


@pytest.fixture(scope="module")
def table():
    library = ctypes.CDLL(_plugin.__file__)
    library.GetPjrtApi.restype = ctypes.c_void_p
    address = library.GetPjrtApi()
    size = ctypes.c_size_t.from_address(address).value
    slots = (ctypes.c_void_p * ((size - HEADER) // 8)).from_address(address + HEADER)
    return dict(zip(_plugin.struct_sizes(), slots))


def test_no_slot_is_empty(table):
    assert [name for name, slot in table.items() if not slot] == []
    assert list(table)[-1] == "TopologyDescription_GetMemorySpaceKindIds"


class TextResult(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p), ("error", ctypes.c_void_p),
        ("data", ctypes.c_void_p), ("size", ctypes.c_size_t),
    ]  # fmt: skip


def test_a_slot_that_is_not_implemented_names_itself(table):
    call = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    arguments = TextResult(struct_size=ctypes.sizeof(TextResult))
    error = call(table["CopyToDeviceStream_AddChunk"])(ctypes.byref(arguments))
    message = TextResult(struct_size=ctypes.sizeof(TextResult), error=error)
    call(table["Error_Message"])(ctypes.byref(message))
    assert b"PJRT_CopyToDeviceStream_AddChunk" in ctypes.string_at(message.data, message.size)
    message.struct_size = 24
    call(table["Error_Destroy"])(ctypes.byref(message))


# Structs that are longer now than the oldest jaxlib the package runs with (PJRT 0.112) knows them.
GROWN = {"Device_MemoryStats", "ExecuteOptions"}


def exercise(device, other_device):
    """Use all of the interface that JAX offers to Python."""
    x = jax.device_put(np.asfortranarray(np.ones((3, 4), np.float32)), device)
    compiled = jax.jit(lambda x: x + 1, donate_argnums=0).lower(x).compile()
    executable, client = compiled.runtime_executable(), device.client
    compiled.cost_analysis(), compiled.memory_analysis(), compiled.as_text()
    executable.get_parameter_shardings(), executable.size_of_generated_code_in_bytes()
    again = serialize_executable.serialize(compiled)
    serialize_executable.deserialize_and_load(*again, backend="ascend", execution_devices=[device])
    np.asarray(jax.device_put(compiled(x), other_device))
    y = jax.device_put(np.ones(5, np.float32), SingleDeviceSharding(device, memory_kind="pinned_host"))
    y.is_ready(), y.format, y.unsafe_buffer_pointer(), client.live_buffers(), y.delete()
    client.get_default_layout(np.dtype(np.float32), (3, 4), device), client.device_from_local_hardware_id(0)
    page = np.zeros(4096, np.int8)
    client.dma_map(page.ctypes.data, page.nbytes), client.dma_unmap(page.ctypes.data)
    device.memory_stats(), [repr(memory) for memory in device.addressable_memories()]
    with pytest.raises(jax.errors.JaxRuntimeError, match="PJRT_Device_PoisonExecution"):
        device.poison_execution(1, "told to fail")
    place = SingleDeviceSharding(topologies.get_topology_desc("", platform="ascend").devices[0])
    shape = jax.ShapeDtypeStruct((3, 4), np.float32)
    jax.jit(lambda x: x + 1, in_shardings=place, out_shardings=place).lower(shape).compile().as_text()


def test_struct_sizes_agree_with_jaxlib(device, other_device):
    """Every struct that jaxlib passes; it may be older and pass less, where the interface has grown.

    One that is longer than ours means that the interface has grown again: declare its new fields.
    """
    exercise(device, other_device)
    passed = {struct: sizes for struct, sizes in _plugin.struct_sizes().items() if sizes[1]}
    assert len(passed) >= 90
    # The caller's size ends with its last field, ours with the padding after it.
    padded = {struct: (ours, -(-callers // 8) * 8) for struct, (ours, callers) in passed.items()}
    longer = {struct: sizes for struct, sizes in padded.items() if sizes[1] > sizes[0]}
    shorter = {struct: sizes for struct, sizes in padded.items() if sizes[1] < sizes[0] and struct not in GROWN}
    assert longer == {} and shorter == {}
