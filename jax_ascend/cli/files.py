"""Reading what the user named on the command line: files of programs, StableHLO and targets, functions of modules."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..compiler.errors import InvalidInputError
from ..compiler.isa.dtypes import DType
from ..compiler.program.program_bytes import MAGIC
from ..compiler.targets import Target, target


def read_bytes(name: str) -> bytes:
    """Return a file's bytes; InvalidInputError if it cannot be read."""
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"[{name}] cannot be read: {error.strerror}.") from error


def find_target(name: str, option: str) -> Target:
    """Return the target that a name or a TOML file gives; InvalidInputError names the option."""
    try:
        return target(name)
    except InvalidInputError as error:
        raise InvalidInputError(f"[{option} {name}] {error}") from error


def is_program(data: bytes) -> bool:
    """Whether these are a Program's bytes."""
    return data.startswith(MAGIC)


def load_function(name: str) -> Callable[..., Any]:
    """Return the function that `path/to/file.py:function` or `package.module:function` names."""
    module_name, _, attribute = name.rpartition(":")
    try:
        module = _load_file(Path(module_name)) if module_name.endswith(".py") else importlib.import_module(module_name)
    except (ImportError, OSError) as error:
        raise InvalidInputError(f"[{name}] cannot be imported: {error}.") from error
    except Exception as error:  # whatever the user's module does when it is imported
        raise InvalidInputError(f"[{name}] cannot be imported: {type(error).__name__}: {error}.") from error
    if not callable(getattr(module, attribute, None)):
        there = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise InvalidInputError(
            f"[{name}] {module_name} has no function {attribute!r}; it has {', '.join(there) or 'none'}."
        )
    return getattr(module, attribute)


def _load_file(path: Path) -> Any:
    sys.path.insert(0, str(path.resolve().parent))  # as if the file were run: its neighbours can be imported
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def parse_shapes(texts: list[str]) -> list[Any]:
    """Return a jax.ShapeDtypeStruct for each of `f32[8,128]`, `bf16[4]`, `i32[]`."""
    import jax

    found: list[Any] = []
    for text in texts:
        match = re.fullmatch(r"(\w+)\[([\d,\s]*)\]", text)
        if match is None or match[1] not in DType.__members__:
            raise InvalidInputError(f"[--shapes {text}] is no shape; expected one as f32[8,128], bf16[4] or i32[].")
        shape = tuple(int(n) for n in match[2].split(",") if n.strip())
        found.append(jax.ShapeDtypeStruct(shape, DType[match[1]].numpy))
    return found
