"""The room for the compiler has the Graph's interpreter, the golden texts and the programs that reach every op."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "compiler"))
