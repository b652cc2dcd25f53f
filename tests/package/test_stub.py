"""The stub of the extension module names all that it has, and nothing else."""

import ast
from importlib import import_module
from pathlib import Path

import jax_ascend


def test_stub_and_module_have_the_same_names():
    stub = ast.parse((Path(jax_ascend.__file__).parent / "_plugin.pyi").read_text())
    declared = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    plugin = import_module("jax_ascend._plugin")
    there = {name for name in vars(plugin) if not name.startswith("__")}
    types = {name for name, node in declared.items() if isinstance(node, ast.ClassDef) and node.name == "KernelTime"}
    assert set(declared) - types == there
    for name in there:
        methods = {n.name for n in getattr(declared[name], "body", []) if isinstance(n, ast.FunctionDef)}
        if isinstance(declared[name], ast.ClassDef):
            assert methods - {"__init__"} == {m for m in vars(getattr(plugin, name)) if not m.startswith("__")}
