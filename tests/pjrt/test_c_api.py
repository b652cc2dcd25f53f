"""The function table itself, seen from C: layout, size, no empty slot; and the structs JAX passes."""

import ctypes

import jax
import numpy as np
import pytest

from jax_ascend import _plugin

HEADER = 16 + 24  # struct_size, extensions; version with its own header


@pytest.fixture(scope="module")
def table():
    library = ctypes.CDLL(_plugin.__file__)
    library.GetPjrtApi.restype = ctypes.c_void_p
    address = library.GetPjrtApi()
    size = ctypes.c_size_t.from_address(address).value
    slots = (ctypes.c_void_p * ((size - HEADER) // 8)).from_address(address + HEADER)
    return dict(zip(_plugin.struct_sizes(), slots, strict=True))


def test_no_slot_is_empty(table):
    assert [name for name, slot in table.items() if not slot] == []


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


def test_struct_sizes_agree_with_jaxlib(device, other_device):
    """jaxlib may be older and pass less, or newer and pass more, but only where the interface has grown."""
    x = jax.device_put(np.ones((3, 4), np.float32), device)
    compiled = jax.jit(lambda x: x + 1, donate_argnums=0).lower(x).compile()
    compiled.cost_analysis(), compiled.memory_analysis(), compiled.as_text(), device.memory_stats()
    np.asarray(jax.device_put(compiled(x), other_device))
    grown = {"Device_MemoryStats", "Executable_GetCompiledMemoryStats", "Client_CreateErrorBuffer"}
    called = {slot: sizes for slot, sizes in _plugin.struct_sizes().items() if sizes[1]}
    assert len(called) > 50
    # The caller's size ends with its last field, ours with the padding after it.
    assert {
        slot: sizes for slot, sizes in called.items() if slot not in grown and -(-sizes[1] // 8) * 8 != sizes[0]
    } == {}
