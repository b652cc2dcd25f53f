"""scipy.linalg, which has no types: what the reference calls of it."""

from typing import Any, Literal

import numpy as np

from . import blas as blas
from . import lapack as lapack

Array = np.ndarray[Any, np.dtype[Any]]

def eig(a: Array, *, left: Literal[True], right: Literal[True]) -> tuple[Array, Array, Array]: ...
