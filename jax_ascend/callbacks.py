"""Functions of the host that programs call: what `jax.debug.print`, `pure_callback`, `io_callback` and their like give.

A program knows such a function by a number (`host_call` in docs/isa.md). Lowering gives it (jax_compat.py), the plugin asks
for the function when it has compiled the program (function_of), and calls it with views of device memory.
"""

from __future__ import annotations

import itertools
import secrets
import traceback
import weakref
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from .compiler.isa.dtypes import DType

View = tuple[memoryview, int, tuple[int, ...]]
"""Memory, code of the element type, shape."""

_functions: weakref.WeakValueDictionary[int, HostFunction] = weakref.WeakValueDictionary()
# They start anywhere: a number that was written down in another process names no function of this one.
_numbers = itertools.count(secrets.randbits(48))


class HostFunction:
    """A function of arrays that gives a tuple of arrays, as the plugin calls it.

    It has a number as long as somebody refers to it: JAX and the plugin do, for as long as they can run it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.number = next(_numbers)
        _functions[self.number] = self

    def __call__(self, results: list[View], operands: list[View]) -> str | None:
        """Call the function on copies of the operands and store what it gives; return the traceback of what it raised."""
        try:
            from .jax_compat import outside_meshes

            with outside_meshes():
                self.run([_array(v) for v in results], [_array(v) for v in operands])
        except BaseException as error:  # KeyboardInterrupt, SystemExit: no Python is around this to take it
            return "".join(traceback.format_exception(error))
        return None

    def run(self, results: list[np.ndarray], operands: list[np.ndarray]) -> None:
        """Call the function; the arrays are the device's memory, of which it gets copies."""
        given = self.function(*(x.copy() for x in operands))
        if len(given) != len(results):
            raise RuntimeError(
                f"Mismatched number of outputs from callback. Expected: {len(results)}, got: {len(given)}"
            )
        for number, (result, array) in enumerate(zip(results, map(np.asarray, given), strict=True)):
            if (array.shape, array.dtype) != (result.shape, result.dtype):
                raise RuntimeError(
                    f"Incorrect output for return value #{number}. Expected: {result.dtype}{list(result.shape)}, "
                    f"got: {array.dtype}{list(array.shape)}"
                )
            result[...] = array


class BufferFunction(HostFunction):
    """A function of a context, operands and results as Buffers, which writes the results."""

    def run(self, results: list[np.ndarray], operands: list[np.ndarray]) -> None:
        """Call the function on copies; a result that starts as an operand is one array with it, as on the device."""
        outs = [r.copy() for r in results]
        at = {r.ctypes.data: out for r, out in zip(results, outs, strict=True) if r.size}
        ins = [at[x.ctypes.data].view() if x.ctypes.data in at else x.copy() for x in operands]
        buffers = [*(Buffer(x, writeable=False) for x in ins), *(Buffer(x, writeable=True) for x in outs)]
        self.function(ExecutionContext(), *buffers)
        for result, out in zip(results, outs, strict=True):
            result[...] = out


class Buffer:
    """An array of a buffer callback: NumPy's and DLPack's protocols, as those of jax.experimental.buffer_callback."""

    def __init__(self, array: np.ndarray, writeable: bool) -> None:
        """Take an array over; of one that is not writeable the flag is set."""
        self._array = array
        self.writeable = writeable
        array.flags.writeable = writeable

    @property
    def dtype(self) -> np.dtype:
        """Element type."""
        return self._array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the elements, without a copy unless one is asked for."""
        if dtype is not None and self._array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a view of {self._array.dtype} as {np.dtype(dtype)} needs a copy")
            return self._array.astype(dtype)
        return self._array.copy() if copy else self._array

    def __dlpack__(self, **options: Any) -> Any:
        """Return the elements as a DLPack capsule; a consumer is trusted not to write what is not writeable."""
        if self.writeable:
            return self._array.__dlpack__(**options)
        self._array.flags.writeable = True  # NumPy exports no others
        try:
            return self._array[...].__dlpack__(**options)
        finally:
            self._array.flags.writeable = False

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return that it is in the host's memory."""
        return self._array.__dlpack_device__()


class ExecutionContext:
    """What a buffer callback may ask of the execution it is part of."""

    @property
    def stage(self) -> Any:
        """The stage, which is always EXECUTE."""
        from jax.experimental.buffer_callback import ExecutionStage

        return ExecutionStage.EXECUTE

    @property
    def stream(self) -> int:
        """There is none, as there is none on the CPU."""
        from jax.errors import JaxRuntimeError

        raise JaxRuntimeError(
            "UNIMPLEMENTED: [buffer callback] XLA FFI GPU context is not available: buffers are the host's."
        )


class Numbered(Sequence[HostFunction]):
    """Stands for a module's list of callbacks where a rule of JAX lowers one.

    Such a rule appends a function and takes its index for its number. Here the length of the list is such that the index
    is the number that the function has in this process.
    """

    def __init__(self, kind: type[HostFunction]) -> None:
        self.kind = kind
        self.added: list[HostFunction] = []

    def append(self, function: Callable[..., Any]) -> None:
        """Add a function, and give it a number."""
        self.added.append(self.kind(function))

    def __len__(self) -> int:
        return self.added[-1].number + 1 if self.added else 0

    @overload
    def __getitem__(self, index: int) -> HostFunction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[HostFunction]: ...
    def __getitem__(self, index: int | slice) -> HostFunction | Sequence[HostFunction]:
        return self.added[index]


def function_of(number: int) -> HostFunction | None:
    """Return the function that has this number, or None."""
    return _functions.get(number)


def _array(view: View) -> np.ndarray:
    memory, code, shape = view
    return np.ndarray(shape, DType.of_code(code).numpy, memory)
