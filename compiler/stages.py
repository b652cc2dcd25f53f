"""The hook that every stage of a compilation goes through."""

from __future__ import annotations

import itertools
import re
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from .compilation import Compilation, Pass
from .errors import CompileError, InvalidInputError, UnsupportedError


class Stages:
    """Names, times, checks and dumps the stages of one compilation.

    The dump directory gets one sub-directory per compilation, named after the module. One that cannot be written is
    warned of once, and the compilation goes on without it.
    """

    _unwritable: ClassVar[set[Path]] = set()  # dump directories that were warned of

    def __init__(self, dump_directory: str | Path | None = None, check: bool = False):
        self.root = Path(dump_directory) if dump_directory else None
        self.directory: Path | None = None  # of this compilation, from the first stage written on
        self.module = "module"
        self.check = check  # verify what every pass leaves
        self.seconds: dict[str, float] = {}
        self.texts: list[tuple[str, str]] = []  # stages and what they leave, in order
        self.keep = False  # keep the texts in memory, for the command line
        self._written = itertools.count()

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Time a stage; an exception of unknown origin gets the stage's name."""
        start = time.perf_counter()
        try:
            yield
        except (InvalidInputError, UnsupportedError):
            raise
        except Exception as e:
            where = f" Earlier stages are in {self.directory}." if self.directory else ""
            raise CompileError(f"[compiler, {name}] {e}{where}") from e
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def run(self, step: Pass, compilation: Compilation) -> None:
        """Run a pass, check what it leaves if that is wanted, and dump it."""
        with self.stage(step.name):
            step.run(compilation)
        self.dump(step.name, lambda: step.show(compilation))
        if self.check:
            with self.stage(f"verify after {step.name}"):
                step.verify(compilation)

    def dump(self, name: str, text: Callable[[], str]) -> None:
        """Write a stage's text if somebody wants it."""
        if self.root is None and not self.keep:
            return
        content = text()
        if self.keep:
            self.texts.append((name, content))
        if self.root is None:
            return
        try:
            if self.directory is None:
                self.directory = _new_directory(self.root, self.module)
            path = self.directory / f"{next(self._written):02d}_{name}.txt"
            path.write_text(content + "\n", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            root, self.root = self.root, None
            if root not in self._unwritable:
                self._unwritable.add(root)
                warnings.warn(
                    f"[dump] cannot write the compiler's stages; expected a directory to write to, got {error}. "
                    f"Compiling goes on without. Set JAX_ASCEND_DUMP to another directory.",
                    RuntimeWarning,
                    stacklevel=2,
                )


def _new_directory(root: Path, module: str) -> Path:
    """Make a directory inside of `root` for a module of any name: `jit_f`, for the next one of that name `jit_f-2`."""
    root.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", module)[:100].strip(".") or "module"
    number, directory = 1, root / name
    while True:
        try:
            directory.mkdir()
            return directory
        except FileExistsError:
            number += 1
            directory = root / f"{name}-{number}"
