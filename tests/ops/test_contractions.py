"""Matrix products in every arrangement of dimensions, and convolutions, with their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import INTS, PLATFORM, case, checks, verify
from jax import lax

NHWC = ("NHWC", "HWIO", "NHWC")
NCHW = ("NCHW", "OIHW", "NCHW")
EINSUMS = {
    "ij,jk->ik": ("T[33,65]", "T[65,17]"),
    "ij,kj->ik": ("T[33,65]", "T[17,65]"),
    "ji,jk->ik": ("T[65,33]", "T[65,17]"),
    "ji,kj->ik": ("T[65,33]", "T[17,65]"),
    "ji,kj->ki": ("T[65,33]", "T[17,65]"),
    "bij,bjk->bik": ("T[3,7,19]", "T[3,19,5]"),
    "bqhd,bkhd->bhqk": ("T[2,9,3,8]", "T[2,11,3,8]"),
    "bhqk,bkhd->bqhd": ("T[2,3,9,11]", "T[2,11,3,8]"),
    "ijk,kjl->il": ("T[5,6,7]", "T[7,6,4]"),
    "i,i->": ("T[127]", "T[127]"),
    "i,j->ij": ("T[7]", "T[129]"),
    "ij,j->i": ("T[33,127]", "T[127]"),
    "i,ij->j": ("T[33]", "T[33,127]"),
    "bij,jk->bik": ("T[3,7,19]", "T[19,5]"),
    "abij,abjk->abik": ("T[2,2,5,6]", "T[2,2,6,3]"),
    "bi,bi->b": ("T[9,33]", "T[9,33]"),
}
CONVOLUTIONS = {
    "same": {"window_strides": (1, 1), "padding": "SAME"},
    "valid stride 2": {"window_strides": (2, 2), "padding": "VALID"},
    "uneven": {"window_strides": (2, 1), "padding": ((0, 2), (1, 0))},
    "window dilation": {"window_strides": (1, 1), "padding": "SAME", "rhs_dilation": (2, 1)},
    "base dilation": {"window_strides": (1, 1), "padding": ((1, 2), (2, 1)), "lhs_dilation": (2, 3)},
}


def convolution(options, numbers=NHWC, **more):
    return lambda x, k: lax.conv_general_dilated(x, k, dimension_numbers=numbers, **options, **more)


def depthwise_rows(x, k):
    return lax.conv_general_dilated(
        x, k, (1,), [(3, 0)], dimension_numbers=("NWC", "WIO", "NWC"), feature_group_count=x.shape[-1]
    )


def depthwise_volumes(x, k):
    return lax.conv_general_dilated(
        x, k, (1, 2, 1), "SAME", dimension_numbers=("NDHWC", "DHWIO", "NDHWC"), feature_group_count=x.shape[-1]
    )


def negative_pad(x, k):
    return convolution({"window_strides": (1, 1), "padding": ((-1, 1), (0, -1))})(x, k)


def cropped(x, k):
    """What `negative_pad` means: XLA:CPU reads beyond the input when padding is negative."""
    return convolution({"window_strides": (1, 1), "padding": ((0, 1), (0, 0))})(x[:, 1:, :-1], k)


def to_f32(a, b):
    return lax.dot(a, b, preferred_element_type=jnp.float32)


def dense(x, w, b):
    return jax.nn.gelu(x @ w + b), jax.nn.relu(x @ w) * 2 + x[:, :1], jax.nn.softmax(x @ w)


def odd_products(*pairs):
    return [a @ b for a, b in zip(pairs[::2], pairs[1::2])]


def attention(q, k, v):
    scores = jnp.where(jnp.tril(jnp.ones((q.shape[0], k.shape[0]), bool)), q @ k.T / 4, -jnp.inf)
    return jax.nn.softmax(scores) @ v


ODD = [(1, 1, 1), (1, 7, 127), (127, 1, 7), (7, 127, 1), (129, 130, 131), (0, 3, 4), (3, 0, 4), (16, 300, 16)]
CASES = [
    *(
        case(name, lambda a, b, name=name: jnp.einsum(name, a, b), *specs, types="f32 bf16", grad=True)
        for name, specs in EINSUMS.items()
    ),
    case("f16", lambda a, b: a @ b, "f16[33,65]", "f16[65,9]"),
    case("integers", lambda a, b: a @ b, "T[9,33] 0..3", "T[33,7] 0..3", types=INTS),
    case("int8 to int32", lambda a, b: lax.dot(a, b, preferred_element_type=jnp.int32), "i8[9,70]", "i8[70,8]"),
    case("bool", lambda a, b: a @ b, "bool[5,7]", "bool[7,3]"),
    case("to f32", to_f32, "T[33,64]", "T[64,20]", types="bf16 f16", grad=True),
    case(
        "rounded and then to f32",
        lambda a, b: lax.dot(a, b).astype(jnp.float32),
        "T[33,64]",
        "T[64,20]",
        types="bf16 f16",
        grad=True,
        rounds=True,
    ),
    case("mixed", lambda a, b: a @ b.astype(jnp.float32), "f32[9,33]", "bf16[33,7]", grad=True),
    case("dense layer", dense, "T[33,64]", "T[64,48]", "T[48]", types="f32 bf16", grad=True),
    case("bias", lambda x, w, b: x @ w + b, "T[33,64]", "T[64,48]", "T[48]", types="f32 bf16 f16", grad=True),
    case("odd sizes", odd_products, *(s for m, k, n in ODD for s in (f"T[{m},{k}]", f"T[{k},{n}]")), grad=True),
    case("several tiles", lambda a, b: a @ b, "T[260,300]", "T[300,520]", types="f32 bf16", grad=True),
    case("attention", attention, "T[70,16]", "T[70,16]", "T[70,16]", types="f32 bf16", grad=True),
    case("vmap", jax.vmap(lambda a, b: jnp.tanh(a @ b)), "f32[3,5,8]", "f32[3,8,4]", grad=True),
    *(
        case(name, convolution(options), "T[2,9,10,5]", "T[3,2,5,7]", types="f32 bf16", grad=True)
        for name, options in CONVOLUTIONS.items()
    ),
    case("negative pad", negative_pad, "f32[2,9,10,5]", "f32[3,2,5,7]", reference=cropped),
    case("f16 convolution", convolution(CONVOLUTIONS["same"]), "f16[2,9,10,5]", "f16[3,2,5,7]"),
    case("nchw", convolution(CONVOLUTIONS["same"], NCHW), "T[2,5,9,8]", "T[6,5,3,3]", types="f32 bf16", grad=True),
    case("groups", convolution(CONVOLUTIONS["same"], feature_group_count=2), "f32[2,6,6,4]", "f32[3,3,2,6]", grad=True),
    case(
        "depthwise", convolution(CONVOLUTIONS["same"], feature_group_count=4), "f32[2,6,6,4]", "f32[3,3,1,8]", grad=True
    ),
    *(
        case(
            f"depthwise, {name}",
            convolution(options, feature_group_count=5),
            "T[2,9,10,5]",
            "T[3,2,1,5]",
            types="f32 bf16",
            grad=True,
        )
        for name, options in CONVOLUTIONS.items()
    ),
    case(
        "depthwise nchw",
        convolution(CONVOLUTIONS["same"], NCHW, feature_group_count=5),
        "T[2,5,9,8]",
        "T[5,1,3,3]",
        types="f16 bf16",
    ),
    case(
        "depthwise, 7 by 9", convolution(CONVOLUTIONS["same"], feature_group_count=33), "f32[2,8,9,33]", "f32[7,9,1,33]"
    ),
    case("depthwise of one row", depthwise_rows, "T[2,70,6]", "T[4,1,6]", types="f32 bf16", grad=True),
    case("depthwise of volumes", depthwise_volumes, "f32[2,3,4,5,6]", "f32[2,2,2,1,12]", grad=True),
    case(
        "vmapped convolution",
        jax.vmap(convolution(CONVOLUTIONS["same"])),
        "f32[3,2,4,5,1]",
        "f32[3,3,2,1,1]",
        grad=True,
    ),
    case("batch groups", convolution(CONVOLUTIONS["same"], batch_group_count=2), "f32[4,6,6,3]", "f32[3,3,3,4]"),
    case("one by one", convolution(CONVOLUTIONS["same"]), "T[2,5,5,33]", "T[1,1,33,20]", types="f32 bf16", grad=True),
    case("one dimension", lambda x, k: jnp.convolve(x, k, "same"), "f32[50]", "f32[7]", grad=True),
    case(
        "three dimensions",
        lambda x, k: lax.conv(x, k, (1, 2, 1), "SAME"),
        "f32[1,2,5,6,4]",
        "f32[3,2,2,3,2]",
        grad=True,
    ),
    case(
        "transposed", lambda x, k: lax.conv_transpose(x, k, (2, 2), "SAME"), "f32[2,5,5,3]", "f32[3,3,3,4]", grad=True
    ),
    *(
        case(
            f"long window {options}",
            lambda x, k, options=options: lax.conv_general_dilated(x, k, **options),
            f"{kind}[1,2,9000]",
            f"{kind}[3,2,2500]",
        )
        for kind, options in (
            ("f32", {"window_strides": (64,), "padding": "VALID"}),
            ("f32", {"window_strides": (50,), "padding": [(700, 3000)], "rhs_dilation": (2,)}),
            ("bf16", {"window_strides": (97,), "padding": "SAME"}),
        )
    ),
    case(
        "with relu",
        lambda x, k: jax.nn.relu(convolution(CONVOLUTIONS["same"])(x, k) + 1),
        "f32[2,6,6,3]",
        "f32[3,3,3,8]",
        grad=True,
    ),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_contractions(check):
    verify(check)


LONG = 1 << 20
A_TENTH, UNIFORM = np.full((4, LONG), 0.1, np.float32), np.random.default_rng(0).random((4, LONG), np.float32)
LONG_SUMS = {
    "product of a constant": (lambda x: x @ jnp.ones((LONG, 4)), A_TENTH, 2e-4),
    "gram matrix": (lambda x: x @ x.T, UNIFORM, 2e-5),
    "batched": (lambda x: jnp.einsum("bmk,bnk->bmn", x.reshape(2, 2, -1), x.reshape(2, 2, -1)), UNIFORM, 2e-5),
    "convolution": (
        lambda x: lax.conv(x.reshape(1, 4096, 32, 32), jnp.ones((8, 4096, 32, 32)), (1, 1), "VALID"),
        A_TENTH,
        2e-4,
    ),
    "matrix with a vector": (lambda x: x @ jnp.ones(LONG), A_TENTH, 2e-5),
    "sum": (lambda x: jnp.sum(x, 1), A_TENTH, 2e-5),
    "sum of columns": (lambda x: jnp.sum(x.reshape(-1, 3, 4)[:, :, :1], 0), A_TENTH[:, : 1 << 18], 2e-5),
    "cumulative sum": (lambda x: jnp.cumsum(x, 1)[:, -1], A_TENTH, 2e-5),
}


@pytest.mark.parametrize("name", LONG_SUMS)
def test_the_error_of_a_long_sum_does_not_grow_with_its_length(name):
    function, x, tolerance = LONG_SUMS[name]
    if name == "sum of columns":
        x = x[:, : x.shape[1] // 3 * 3]
    with jax.default_device(jax.devices(PLATFORM)[0]):
        got = np.asarray(jax.jit(function)(x), np.float64)
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        want = np.asarray(jax.jit(function)(x.astype(np.float64)))
    assert np.abs(got / want - 1).max() < tolerance
