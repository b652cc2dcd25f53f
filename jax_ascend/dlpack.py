"""Arrays go out by DLPack as host memory without a copy, as XLA:CPU's do.

jaxlib makes capsules for CPUs and GPUs only. Here NumPy's view of an array, which holds the device's memory, owns the capsule:
a donation of the array takes other memory while somebody looks. As on XLA:CPU, the consumer is trusted not to write.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _plugin

_HOST = (1, 0)  # kDLCPU, and its only device
_OLDEST = (0, 5)  # the version since which DLPack's structure is what it is here
_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}  # kinds of NumPy -> DLDataTypeCode
_NAMED = {  # of types that are not NumPy's own
    "bfloat16": 4,
    "float8_e3m4": 7,
    "float8_e4m3": 8,
    "float8_e4m3b11fnuz": 9,
    "float8_e4m3fn": 10,
    "float8_e4m3fnuz": 11,
    "float8_e5m2": 12,
    "float8_e5m2fnuz": 13,
    "float8_e8m0fnu": 14,
}


def device(array: Any) -> tuple[int, int]:
    """Return what `__dlpack_device__` of an array is: the host.

    Raises:
        BufferError: the array lies on several devices.
    """
    count = len(array.sharding.device_set)
    if count != 1:
        raise BufferError(
            f"[dlpack] only an array on one device goes out; expected 1 device, got {count}. Copy it to one."
        )
    return _HOST


def capsule(
    array: Any,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """Return a DLPack capsule of an array when it is computed: its own memory, or a copy if `copy`.

    Raises:
        BufferError: the array lies on several devices, DLPack has no type for its elements, or the consumer asks for
            what memory of the host is not: another device, a stream, an older DLPack.
    """
    own = device(array)
    if dl_device is not None and tuple(dl_device) != own:
        raise BufferError(f"[dlpack] an array is host memory; expected dl_device={own}, got {tuple(dl_device)}.")
    if stream is not None:
        raise BufferError(f"[dlpack] host memory has no streams; expected stream=None, got {stream}.")
    if max_version is not None and max_version < _OLDEST:
        raise BufferError(f"[dlpack] expected a consumer of DLPack {_OLDEST} or later, got max_version={max_version}.")
    code = _NAMED.get(array.dtype.name, _CODES.get(array.dtype.kind))
    if code is None:
        raise BufferError(f"[dlpack] DLPack has no type for {array.dtype}. Convert the array, or bitcast it to uint8.")
    view: Any = np.array(array) if copy else np.asarray(array.addressable_data(0))  # a view in `array` would stay there
    return _plugin.dlpack_capsule(view, view.ctypes.data, view.shape, code, 8 * view.dtype.itemsize)
