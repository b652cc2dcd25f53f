"""Meanings of the Fourier transforms, by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..isa.aicpu import AicpuSpec
from ..isa.fourier import FOURIER
from .slots import slot_arrays

_FUNCTIONS: dict[str, Callable[[np.ndarray, dict[str, Any]], np.ndarray]] = {
    "fft": lambda x, p: (np.fft.ifft if p["inverse"] else np.fft.fft)(x, axis=1),
    "rfft": lambda x, p: np.fft.rfft(x, axis=1),
    "irfft": lambda x, p: np.fft.irfft(x, n=p["n"], axis=1),
}


def meanings() -> dict[str, Callable[..., None]]:
    """Return the meaning of each kernel, as reference/aicpu.py has them."""
    return {spec.name: _meaning(spec) for spec in FOURIER}


def _meaning(spec: AicpuSpec) -> Callable[..., None]:
    def run(slots: list[np.ndarray], **parameters: Any) -> None:
        result, x = slot_arrays(spec, slots, parameters).values()
        if x.size and result.size:
            result[...] = _FUNCTIONS[spec.name](x, parameters)

    return run
