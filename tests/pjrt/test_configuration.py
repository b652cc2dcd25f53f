"""Environment variables: one table, read when needed, with a message when unusable."""

import pytest
from test_processes import run

from jax_ascend import configuration
from jax_ascend.compiler.errors import InvalidInputError
from jax_ascend.compiler.target_text import parse_target


@pytest.mark.parametrize(
    "text, value", [("1000", 1000), ("16GiB", 16 << 30), ("1.5 GB", 1_500_000_000), ("64k", 64_000)]
)
def test_sizes(monkeypatch, text, value):
    monkeypatch.setenv("JAX_ASCEND_HBM_BYTES", text)
    assert configuration.HBM_BYTES.get() == value


@pytest.mark.parametrize(
    "name, text", [("JAX_ASCEND_DEVICES", "0"), ("JAX_ASCEND_DEVICES", "two"), ("JAX_ASCEND_HBM_BYTES", "much")]
)
def test_unusable_values(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(InvalidInputError, match=rf"{name} is unusable; expected .*, got '{text}'"):
        configuration.client_options()


def test_every_variable_has_a_name_and_a_meaning():
    assert len({v.name for v in configuration.VARIABLES}) == len(configuration.VARIABLES)
    assert all(v.name.startswith("JAX_ASCEND_") and v.meaning for v in configuration.VARIABLES)


TARGET_FILE = """
base = "ascend910b"
cube_cores = 2
vector_cores = 4
hbm_bytes = 2_000_000_000
ub_bytes = 1_048_576
"""


def test_a_target_from_a_file(monkeypatch, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TARGET_FILE)
    monkeypatch.setenv("JAX_ASCEND_TARGET", str(path))
    chosen = parse_target(configuration.client_options()["target"], "test")
    assert (chosen.name, chosen.cube_cores, chosen.clock) == ("tiny", 2, 1.8e9)
    path.write_text(TARGET_FILE + "clok = 1.0\n")
    with pytest.raises(InvalidInputError, match=r"JAX_ASCEND_TARGET is unusable: .*tiny.toml.*no field 'clok'.*clock"):
        configuration.client_options()


def test_a_device_from_a_file(tmp_path):
    (tmp_path / "tiny.toml").write_text(TARGET_FILE)
    done = run(
        """
        import jax, numpy as np
        from jax.experimental import topologies
        from jax.sharding import SingleDeviceSharding
        device = jax.devices("ascend")[0]
        print(device.device_kind, device.cube_cores, device.ub_bytes, device.memory_stats()["bytes_limit"])
        f = jax.jit(lambda x: (x @ x).sum())
        print(int(f(jax.device_put(np.ones((300, 300), np.float32), device))))
        for name in ("", "ascend910c 2"):
            there = topologies.get_topology_desc(name, platform="ascend").devices
            place = SingleDeviceSharding(there[0])
            aot = jax.jit(lambda x: x + 1, in_shardings=place, out_shardings=place)
            aot.lower(jax.ShapeDtypeStruct((4096, 4096), np.float32)).compile()
            print(len(there), there[0].device_kind)
        """,
        JAX_ASCEND_TARGET=str(tmp_path / "tiny.toml"),
        JAX_ASCEND_DUMP=str(tmp_path / "dump"),
    )
    assert done.stdout == "tiny 2 1048576 2000000000\n27000000\n1 tiny\n2 Ascend 910C\n"
    programs = [p.read_text() for p in (tmp_path / "dump").rglob("*_program.txt")]
    assert any('target (name="tiny"' in p and "grid(2)" in p for p in programs)
    assert any("target @ascend910c" in p for p in programs)


def test_the_compilation_cache_keys_on_every_figure(tmp_path):
    def version(clock):
        (tmp_path / "mine.toml").write_text(f'base = "ascend910b"\nname = "ascend910b"\nclock = {clock}\n')
        program = "import jax; print(jax.devices('ascend')[0].client.platform_version)"
        return run(program, JAX_ASCEND_TARGET=str(tmp_path / "mine.toml")).stdout

    assert (
        version(1.8e9)
        == run(
            "import jax; print(jax.devices('ascend')[0].client.platform_version)", JAX_ASCEND_TARGET="ascend910b"
        ).stdout
    )
    assert version(1.8e9) != version(1.7e9)
