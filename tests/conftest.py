"""Options of all tests, and the cases that are known not to hold yet, each with what is known of the reason."""

import pytest

_CANCELLING = "a sum of thousands of values that nearly cancel: another order of f32 additions than XLA:CPU's"
_EXCESS = "f16/bf16: XLA:CPU rounds between fused ops where the device keeps f32, or the other way round"
_POOLING = (
    "DEFECT: the gradient of convolution + batch norm + max pooling is wrong (the compiled program, not the executor)"
)
_QR = "flax's orthogonal initialiser calls Qr, for which there is no kernel yet"

KNOWN_DIFFERENCES = {
    "test_contractions[to f32-bf16-eager]": _EXCESS,
    "test_contractions[to f32-f16-value]": _EXCESS,
    "test_elementwise[unary-bf16-gradient]": _EXCESS,
    "test_elementwise[positive-bf16-gradient]": _EXCESS,
    "test_elementwise[unary-f32-gradient]": "one element of 889 is 1.3e-5 relative away, near a zero of the derivative",
    "test_reductions[sum-f32-value]": _CANCELLING,
    "test_reductions[sum-f32-eager]": _CANCELLING,
    "test_reductions[statistics-f32-value]": _CANCELLING,
    "test_reductions[statistics-f32-eager]": _CANCELLING,
    "test_control_flow[scans-f32-eager]": "one result has the default integer type of the other x64 setting",
    "test_raw_modules[random bits-u64-value]": "DEFECT: rng_bit_generator of u64: 10 of 15 values differ",
    "test_linen_on_images[cnn-adam]": _POOLING,
    "test_linen_on_images[cnn-momentum]": _POOLING,
    "test_nnx_cnn": _POOLING,
    "test_losses_in_f32_are_those_of_the_cpu[train_digits_cnn.py-arguments2]": _POOLING,
    "test_linen_recurrent[lstm]": _QR,
    "test_linen_recurrent[gru]": _QR,
    "test_linen_mlp_in_bf16": "DEFECT: a program of this test is refused when it is compiled or run",
}


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the golden texts instead of comparing with them"
    )


def pytest_collection_modifyitems(items):
    for item in items:
        reason = KNOWN_DIFFERENCES.get(item.name)
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason))
