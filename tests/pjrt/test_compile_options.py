"""Replica and partition counts and device assignments: what cannot be is refused at once, with INVALID_ARGUMENT."""

import re
from pathlib import Path

import jax
import jaxlib
import numpy as np
import pytest
from jax._src.lib import xla_client
from jax.experimental.layout import Format, Layout

import jax_ascend._plugin as plugin
from jax_ascend.xla_options import TYPES

MODULE = b"module @m { func.func public @main(%a: tensor<5xf32>) -> tensor<5xf32> { return %a : tensor<5xf32> } }"
MOST = 2**31 - 1


def options(replicas=1, partitions=1, devices=None):
    made = xla_client.CompileOptions()
    made.num_replicas, made.num_partitions = replicas, partitions
    if devices is not None:
        made.device_assignment = xla_client.DeviceAssignment.create(np.array(devices))
    return made


def load(device, made):
    return device.client.compile_and_load(MODULE, xla_client.DeviceList((device,)), made)


@pytest.mark.parametrize(
    "made,message",
    [
        (options(MOST), "at most the 8"),
        (options(1, 9), "at most the 8"),
        (options(65536, 65536), "at most the 8"),
        (options(MOST, MOST), "at most the 8"),
        (options(1, 0), "number of partitions.*got 0"),
        (options(0), "number of replicas.*got 0"),
        (options(-1), "number of replicas.*got -1"),
        (options(1, -(2**31)), "number of partitions"),
        (options(1, 1, [[8]]), "(id below 8; got 8|device ID 8)"),
        (options(1, 1, [[-1]]), "(device id.*got -1|device ID -1)"),
        (options(2, 1, [[0], [0]]), "assigned twice.*device 0"),
        (options(2, 1, [[0]]), "expected 2 replicas of 1 partitions; got 1 replicas"),
        (options(1, 1, [[0], [1]]), "expected 1 replicas of 1 partitions; got 2 replicas"),
    ],
)
def test_what_cannot_be_is_refused(device, made, message):
    """jaxlib looks at the ids first where it has devices of its own for them."""
    with pytest.raises(jax.errors.JaxRuntimeError, match=f"(?s)INVALID_ARGUMENT.*{message}"):
        load(device, made)


def test_counts_that_the_module_does_not_have_are_refused(device):
    """A module for one device runs on any number of them; one for several exchanges data between those."""
    text = MODULE.replace(b"module @m", b"module @m attributes {mhlo.num_partitions = 2 : i32}")
    with pytest.raises(
        jax.errors.JaxRuntimeError, match="is for 1 replicas of 2 partitions; the compile options ask for 1 of 1"
    ):
        device.client.compile_and_load(text, xla_client.DeviceList((device,)), options())


def test_layouts_other_than_row_major_are_refused(device):
    """Of parameters and of results; row-major ones and those that are left to the device are taken."""
    single = jax.sharding.SingleDeviceSharding(device)
    row_major, column_major = (Format(Layout(order), single) for order in ((0, 1), (1, 0)))
    x = jax.device_put(np.arange(6.0, dtype=np.float32).reshape(2, 3), row_major)
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    taken = jax.jit(lambda x: x + 1, in_shardings=Format(Layout.AUTO), out_shardings=row_major).lower(shape).compile()
    np.testing.assert_array_equal(taken(x), np.arange(1, 7).reshape(2, 3))
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"result 0.*layout \{0,1\}; expected .*row-major"):
        jax.jit(lambda x: x + 1, out_shardings=column_major)(x)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"parameter 0.*layout \{0,1\}"):
        jax.jit(lambda x: x + 1, in_shardings=column_major).lower(shape).compile()
    with pytest.raises(jax.errors.JaxRuntimeError, match="layout"):
        jax.device_put(x, column_major)


def test_what_can_be(device, other_device):
    assert load(other_device, options(1, 1, [[1]])).local_devices() == [other_device]


def parse(data):
    return plugin.parse_compile_options(bytes(data))


def test_counts_are_read_from_the_proto():
    assert parse(b"") == (1, 1, [])
    assert parse(options(2, 3).SerializeAsString()) == (2, 3, [])
    assert parse(options(2, 2, [[3, 1], [0, 2]]).SerializeAsString()) == (2, 2, [3, 1, 0, 2])


@pytest.mark.parametrize(
    "data",
    [
        b"\x1a",  # the length of field 3 is missing
        b"\x1a\x05\x20",  # it ends early
        b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x20",  # it is longer than memory
        b"\x20" + b"\xff" * 11,  # no end of a number
        b"\x02\x00",  # field 0
        b"\x1b\x1c",  # a group
        b"\x18\x01",  # build options as a number
        b"\x1a\x02\x22\x00",  # the number of replicas as text
        b"\x1a\x06\x20\x01\x28\x01\x4a\x01",  # a device assignment that ends early
        b"\x1a\x08\x20\x01\x28\x01\x4a\x02\x08\x01",  # an assignment of no partitions
    ],
)
def test_malformed_bytes_are_refused(data):
    with pytest.raises(RuntimeError, match=r"\[compile options\]"):
        parse(data)


def compiled(platform, **given):
    device = jax.devices(platform)[0]
    with jax.default_device(device):
        x = np.arange(3, dtype=np.float32)
        return np.asarray(jax.jit(lambda x: x + 1).lower(x).compile(compiler_options=given)(jax.device_put(x, device)))


def outcome(platform, **given):
    """Return what compiling with options gives: None, or what XLA says in its error."""
    try:
        compiled(platform, **given)
    except jax.errors.JaxRuntimeError as error:
        said = re.search(
            r"No such compile option: \S+'|While setting option \w+, '.*?' is not a valid \w+ value", str(error)
        )
        return str(error).split(":")[0], said and said[0]
    return None


VALUES = (True, False, 0, 1, -1, 2**31, -(2**31), 2**40, 0.5, "1", "-7", "true", "True", "abc", "0.5", "", "1e3")
NAMES = {  # one of each type, or the message that has none
    "bool": "xla_cpu_enable_fast_math",
    "int32": "xla_gpu_autotune_level",
    "int64": "xla_gpu_nccl_termination_timeout_seconds",
    "string": "xla_disable_hlo_passes",
    "float": "xla_gpu_auto_spmd_partitioning_memory_budget_ratio",
    "message": "xla_backend_extra_options",
}


@pytest.mark.parametrize("kind", NAMES)
def test_options_have_the_values_that_xla_takes(kind):
    assert TYPES[NAMES[kind]] == kind
    for value in VALUES:
        given = {NAMES[kind]: value}
        assert outcome("ascend", **given) == outcome("cpu", **given), given


@pytest.mark.parametrize("name", ["x", "xla_cpu_enable_fast_maths", "", "num_replicas", "XLA_DUMP_TO"])
def test_options_that_do_not_exist_are_refused(name):
    given = {name: True}
    assert (
        outcome("ascend", **given)
        == outcome("cpu", **given)
        == ("INVALID_ARGUMENT", f"No such compile option: {name!r}")
    )


def test_the_refusal_names_what_was_meant():
    with pytest.raises(jax.errors.JaxRuntimeError, match="Did you mean xla_cpu_enable_fast_math"):
        compiled("ascend", xla_cpu_enable_fast_maths=True)


def test_the_options_of_the_installed_jaxlib_are_known():
    """Those that it applies to XLA:CPU, found by their names in the library."""
    library = next(Path(jaxlib.__file__).parent.glob("libjax_common*"))
    names = {n.decode() for n in re.findall(rb"(?<![a-z0-9_])xla_[a-z0-9_]+(?![A-Za-z0-9_.-])", library.read_bytes())}
    lowered = jax.jit(lambda x: x + 1).lower(np.float32(1))
    assert jax.default_backend() == "cpu"
    unknown = []
    for name in sorted(names - set(TYPES)):
        try:
            lowered.compile(compiler_options={name: "", "zzz": 1})
        except jax.errors.JaxRuntimeError as error:
            if f"No such compile option: '{name}'" not in str(error):
                unknown.append(name)
    assert unknown == []
