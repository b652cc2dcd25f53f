"""Sorts by any comparator and select_and_scatter with any selection and combination, against NumPy and XLA:CPU."""

import jax
import ml_dtypes
import numpy as np
import pytest
from case import case, checks, verify
from jax import lax
from raw_module import stablehlo

I1 = "-> tensor<i1>"


def sort(comparator, rows, columns, dimension=1, k="i32", v="f32", stable=True, before=""):
    """A sort of tensors a (k) and b (v) together by a body of a0, a1, b0, b1 that ends in %p."""
    a, b = f"tensor<{rows}x{columns}x{k}>", f"tensor<{rows}x{columns}x{v}>"
    k, v = f"tensor<{k}>", f"tensor<{v}>"
    body = f"""{before}
        %r:2 = "stablehlo.sort"(%a, %b) ({{ ^bb0(%a0: {k}, %a1: {k}, %b0: {v}, %b1: {v}):
          {comparator}
          stablehlo.return %p : tensor<i1> }}) {{dimension = {dimension} : i64, is_stable = {str(stable).lower()}}}
          : ({a}, {b}) -> ({a}, {b})
        return %r#0, %r#1 : {a}, {b}"""
    return stablehlo(f"(%a: {a}, %b: {b}) -> ({a}, {b})", body)


F = "(tensor<f32>, tensor<f32>)"
PARITY = f"""%two = stablehlo.constant dense<2> : tensor<i32>
    %m0 = stablehlo.remainder %a0, %two : tensor<i32>
    %m1 = stablehlo.remainder %a1, %two : tensor<i32>
    %p = stablehlo.compare LT, %m0, %m1 : (tensor<i32>, tensor<i32>) {I1}"""
SUM = f"""%c0 = stablehlo.convert %a0 : (tensor<i32>) -> tensor<f32>
    %c1 = stablehlo.convert %a1 : (tensor<i32>) -> tensor<f32>
    %s0 = stablehlo.add %b0, %c0 : tensor<f32>
    %s1 = stablehlo.add %b1, %c1 : tensor<f32>
    %p = stablehlo.compare GT, %s0, %s1 : {F} {I1}"""
LEXICOGRAPHIC = f"""%e = stablehlo.compare EQ, %a0, %a1 : (tensor<i32>, tensor<i32>) {I1}
    %l = stablehlo.compare LT, %a0, %a1 : (tensor<i32>, tensor<i32>) {I1}
    %g = stablehlo.compare GT, %b0, %b1 : {F} {I1}
    %p = stablehlo.select %e, %g, %l : tensor<i1>, tensor<i1>"""
NAN_FIRST = f"""%n0 = stablehlo.compare NE, %b0, %b0 : {F} {I1}
    %n1 = stablehlo.compare NE, %b1, %b1 : {F} {I1}
    %not = stablehlo.not %n1 : tensor<i1>
    %f = stablehlo.and %n0, %not : tensor<i1>
    %l = stablehlo.compare LT, %b0, %b1 : {F} {I1}
    %p = stablehlo.or %f, %l : tensor<i1>"""
CAPTURED = f"""%d0 = stablehlo.subtract %b0, %center : tensor<f32>
    %d1 = stablehlo.subtract %b1, %center : tensor<f32>
    %m0 = stablehlo.multiply %d0, %d0 : tensor<f32>
    %m1 = stablehlo.multiply %d1, %d1 : tensor<f32>
    %e = stablehlo.compare EQ, %m0, %m1 : {F} {I1}
    %i = stablehlo.compare GT, %a0, %a1 : (tensor<i32>, tensor<i32>) {I1}
    %l = stablehlo.compare LT, %m0, %m1 : {F} {I1}
    %p = stablehlo.select %e, %i, %l : tensor<i1>, tensor<i1>"""
CENTER = "%center = stablehlo.constant dense<0.25> : tensor<f32>"
SIZES = [(3, 1), (2, 2), (5, 7), (1, 33), (4, 64), (2, 300)]

CASES = [
    *(case(f"sum {r}x{c}", sort(SUM, r, c), f"i32[{r},{c}]", f"f32[{r},{c}]") for r, c in SIZES),
    *(case(f"lexicographic {r}x{c}", sort(LEXICOGRAPHIC, r, c, 0), f"i32[{r},{c}] 0..3", f"f32[{r},{c}]") for r, c in SIZES),
    case("parity keeps the order", sort(PARITY, 3, 50), "i32[3,50] 0..99", "f32[3,50]"),
    case("a captured constant", sort(CAPTURED, 3, 21, before=CENTER), "i32[3,21]", "f32[3,21]"),
    case("no rows", sort(SUM, 0, 5), "i32[0,5]", "f32[0,5]"),
    case("no columns", sort(SUM, 5, 0), "i32[5,0]", "f32[5,0]"),
]  # fmt: skip

GE = f"%p = stablehlo.compare GE, %x, %y : {F} {I1}"
LARGEST = f"""%0 = stablehlo.abs %x : tensor<f32>
    %1 = stablehlo.abs %y : tensor<f32>
    %p = stablehlo.compare GE, %0, %1 : {F} {I1}"""
NEVER = "%p = stablehlo.constant dense<false> : tensor<i1>"
ADD = "%q = stablehlo.add %x, %y : tensor<f32>"
SUBTRACT = "%q = stablehlo.subtract %x, %y : tensor<f32>"
HALVE = """%h = stablehlo.constant dense<0.5> : tensor<f32>
    %m = stablehlo.multiply %x, %h : tensor<f32>
    %q = stablehlo.add %m, %y : tensor<f32>"""
PADDED = "window_dimensions = array<i64: 3, 3>, window_strides = array<i64: 2, 2>, padding = dense<[[1,0],[0,1]]> : tensor<2x2xi64>"
APART = "window_dimensions = array<i64: 2, 2>, window_strides = array<i64: 2, 2>"
OUTSIDE = "window_dimensions = array<i64: 2, 2>, window_strides = array<i64: 2, 2>, padding = dense<[[2,0],[0,2]]> : tensor<2x2xi64>"


def scatter(select, combine, window, shape=(3, 4), initial=0.5):
    x, s = "tensor<6x8xf32>", f"tensor<{shape[0]}x{shape[1]}xf32>"
    body = f"""%i = stablehlo.constant dense<{initial}> : tensor<f32>
        %r = "stablehlo.select_and_scatter"(%a, %s, %i) ({{ ^bb0(%x: tensor<f32>, %y: tensor<f32>):
          {select}
          stablehlo.return %p : tensor<i1> }}, {{ ^bb0(%x: tensor<f32>, %y: tensor<f32>):
          {combine}
          stablehlo.return %q : tensor<f32> }}) {{{window}}} : ({x}, {s}, tensor<f32>) -> {x}
        return %r : {x}"""
    return stablehlo(f"(%a: {x}, %s: {s}) -> ({x})", body)


CASES += [
    case(f"{select} {combine} {window}", scatter(*bodies, text), "f32[6,8]", "f32[3,4]")
    for window, text in (("apart", APART), ("padded", PADDED))
    for select, combine, bodies in (
        ("largest", "add", (LARGEST, ADD)),
        ("largest", "subtract", (LARGEST, SUBTRACT)),
        ("greater", "subtract", (GE, SUBTRACT)),
        ("never", "halve", (NEVER, HALVE)),
        ("largest", "halve", (LARGEST, HALVE)),
    )
]


@pytest.mark.parametrize("check", [c for c in checks(CASES) if c.mode != "eager"], ids=str)
def test_general_bodies(check):
    verify(check)


@pytest.mark.parametrize("combine", [ADD, SUBTRACT])
def test_a_window_in_the_padding_chooses_nothing(device, combine):
    """Its source element is dropped."""
    x = np.arange(48, dtype=np.float32).reshape(6, 8)
    s = np.arange(1, 21, dtype=np.float32).reshape(4, 5)
    with jax.default_device(device):
        (y,) = jax.jit(scatter(GE, combine, OUTSIDE, (4, 5)))(x, s)
    sign = 1 if combine == ADD else -1
    expected = np.full((6, 8), 0.5, np.float32)
    expected[1::2, 1::2] += sign * s[1:, :4]
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, np.float64, np.int8, np.uint64, np.complex64, np.bool_]
)
def test_what_is_sorted_along_has_any_type(device, dtype):
    names = {"float16": "f16", "bfloat16": "bf16", "float64": "f64", "int8": "i8", "uint64": "ui64", "bool": "i1"}
    name = names.get(np.dtype(dtype).name, "complex<f32>")
    rng = np.random.default_rng(0)
    keys, values = rng.integers(0, 30, (2, 19)).astype(np.int32), rng.integers(0, 2, (2, 19)).astype(dtype)
    with jax.enable_x64(True), jax.default_device(device):
        k, v = run(sort(PARITY, 2, 19, v=name), keys, values)
    order = np.argsort(keys % 2, axis=1, kind="stable")
    np.testing.assert_array_equal(k, np.take_along_axis(keys, order, 1))
    np.testing.assert_array_equal(v.astype(np.complex64), np.take_along_axis(values, order, 1).astype(np.complex64))


def run(function, *arrays):
    return [np.asarray(r) for r in jax.jit(function)(*arrays)]


def test_nan_where_the_comparator_puts_it(device):
    x = np.array([[3, np.nan, -1, np.inf, np.nan, -np.inf, 0.0, -0.0]], np.float32)
    with jax.default_device(device):
        index, y = run(sort(NAN_FIRST, 1, 8), np.arange(8, dtype=np.int32)[None], x)
    assert index.tolist() == [[1, 4, 5, 2, 6, 7, 0, 3]]
    np.testing.assert_array_equal(y, x[0][index])


@pytest.mark.parametrize("answer", ["true", "false"])
def test_a_comparator_that_decides_nothing_keeps_the_order(device, answer):
    x = np.arange(11, dtype=np.int32)[None]
    with jax.default_device(device):
        index, _ = run(sort(f"%p = stablehlo.constant dense<{answer}> : tensor<i1>", 1, 11), x, x.astype(np.float32))
    assert index.tolist() == x.tolist()


def test_many_elements(device):
    keys = np.random.default_rng(1).integers(-1000, 1000, (1, 5000)).astype(np.int32)
    values = np.random.default_rng(2).integers(-1000, 1000, (1, 5000)).astype(np.float32)
    with jax.default_device(device):
        k, v = run(sort(SUM, 1, 5000), keys, values)
    order = np.argsort(-(keys + values), axis=1, kind="stable")
    np.testing.assert_array_equal(k, np.take_along_axis(keys, order, 1))
    np.testing.assert_array_equal(v, np.take_along_axis(values, order, 1))


def test_a_comparator_that_is_not_elementwise_is_refused(device):
    comparator = """%x = stablehlo.dynamic_slice %a, %a0, %a1, sizes = [1, 1]
          : (tensor<2x3xi32>, tensor<i32>, tensor<i32>) -> tensor<1x1xi32>
        %y = stablehlo.reshape %x : (tensor<1x1xi32>) -> tensor<i32>
        %p = stablehlo.compare LT, %y, %a1 : (tensor<i32>, tensor<i32>) -> tensor<i1>"""
    refusal = pytest.raises(jax.errors.JaxRuntimeError, match="in a comparator body; expected elementwise ops")
    with refusal, jax.default_device(device):
        run(sort(comparator, 2, 3), np.zeros((2, 3), np.int32), np.zeros((2, 3), np.float32))


# --- control flow in bodies: XLA:CPU runs some, and aborts in its fusion passes on others ---


def gcd(a, b):
    """Euclid's algorithm: a loop that ends after another number of steps for each pair."""
    return lax.while_loop(lambda c: c[1] != 0, lambda c: (c[1], lax.rem(*c)), (lax.abs(a), lax.abs(b)))[0]


def gcds(x, axis=None):
    return np.gcd.reduce(x, axis=axis)


def larger(a, b):
    return lax.cond(a[1] > b[1], lambda: a, lambda: b)


def guarded(a, b):
    """A gcd by subtraction, which would never end for the elements that another branch is for."""

    def step(c):
        return lax.cond(c[0] > c[1], lambda: (c[0] - c[1], c[1]), lambda: (c[0], c[1] - c[0]))

    def ends():
        return lax.while_loop(lambda c: c[0] != c[1], step, (a, b))[0]

    return lax.cond(a <= 0, lambda: b, lambda: lax.cond(b <= 0, lambda: a, ends))


NUMBERS = np.random.default_rng(5).integers(1, 60, (6, 18)).astype(np.int32) * 6


@pytest.mark.parametrize("body", [gcd, guarded])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_loops_in_a_reducer(device, body, axes):
    with jax.default_device(device):
        (y,) = run(lambda x: [lax.reduce(x, np.int32(0), body, axes)], NUMBERS)
    np.testing.assert_array_equal(y, gcds(NUMBERS, axes if len(axes) == 1 else None))


def test_loops_in_a_reducer_of_nothing(device):
    with jax.default_device(device):
        (y,) = run(lambda x: [lax.reduce(x, np.int32(7), gcd, (1,))], np.zeros((3, 0), np.int32))
    assert y.tolist() == [7, 7, 7]


def test_branches_in_a_reducer_of_pairs(device):
    x, f = NUMBERS, np.random.default_rng(1).normal(size=NUMBERS.shape).astype(np.float32)
    start = np.int32(-1), np.float32(-np.inf)
    with jax.default_device(device):
        index, value = run(lambda x, f: lax.reduce((x, f), start, larger, (1,)), x, f)
    np.testing.assert_array_equal(value, f.max(1))
    np.testing.assert_array_equal(index, np.take_along_axis(x, f.argmax(1)[:, None], 1)[:, 0])


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 9])
def test_a_choice_among_several_in_map(device, index):
    """An index out of range takes the last."""
    body = """%r = "stablehlo.map"(%i, %x) ({ ^bb0(%j: tensor<i32>, %y: tensor<f32>):
          %q = "stablehlo.case"(%j) ({ %u = stablehlo.negate %y : tensor<f32>
            stablehlo.return %u : tensor<f32> }, { %u = stablehlo.add %y, %y : tensor<f32>
            stablehlo.return %u : tensor<f32> }, { stablehlo.return %y : tensor<f32> }) : (tensor<i32>) -> tensor<f32>
          stablehlo.return %q : tensor<f32> }) {dimensions = array<i64: 0>} : (tensor<5xi32>, tensor<5xf32>) -> tensor<5xf32>
        return %r : tensor<5xf32>"""
    function = stablehlo("(%i: tensor<5xi32>, %x: tensor<5xf32>) -> (tensor<5xf32>)", body)
    x, i = np.arange(1, 6, dtype=np.float32), np.array([0, 1, 2, index, index], np.int32)
    with jax.default_device(device):
        (y,) = run(function, i, x)
    factor = np.array([-1, 2, 1], np.float32)
    np.testing.assert_array_equal(y, x * factor[np.where((i < 0) | (i > 2), 2, i)])


def test_loops_in_a_window(device):
    with jax.default_device(device):
        (y,) = run(lambda x: [lax.reduce_window(x, np.int32(0), guarded, (2, 3), (1, 2), "SAME")], NUMBERS)
    padded = np.pad(NUMBERS, ((0, 1), (0, 1)))
    want = [[gcds(padded[i : i + 2, j : j + 3]) for j in range(0, 18, 2)] for i in range(6)]
    np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("columns", [1, 8, 21])
def test_branches_and_loops_in_a_comparator(device, columns):
    """By the number of steps that Collatz's sequence takes to 1, then by the other: it never ends at 0."""
    steps = """%s{n}, %k{n} = stablehlo.while(%v = %a{n}, %k = %none) : tensor<i32>, tensor<i32>
        cond { %g = stablehlo.compare NE, %v, %one : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %g : tensor<i1> }
        do { %r = stablehlo.remainder %v, %two : tensor<i32>
          %h = "stablehlo.case"(%r) ({ %d = stablehlo.divide %v, %two : tensor<i32>
            stablehlo.return %d : tensor<i32> }, { %t = stablehlo.multiply %v, %three : tensor<i32>
            %u = stablehlo.add %t, %one : tensor<i32>
            stablehlo.return %u : tensor<i32> }) : (tensor<i32>) -> tensor<i32>
          %n = stablehlo.add %k, %one : tensor<i32>
          stablehlo.return %h, %n : tensor<i32>, tensor<i32> }"""
    comparator = f"""{steps.replace("{n}", "0")}
        {steps.replace("{n}", "1")}
        %e = stablehlo.compare EQ, %k0, %k1 : (tensor<i32>, tensor<i32>) -> tensor<i1>
        %p = "stablehlo.if"(%e) ({{ %l = stablehlo.compare GT, %b0, %b1 : {F} {I1}
          stablehlo.return %l : tensor<i1> }}, {{ %l = stablehlo.compare LT, %k0, %k1 : (tensor<i32>, tensor<i32>) {I1}
          stablehlo.return %l : tensor<i1> }}) : (tensor<i1>) -> tensor<i1>"""
    words = ("none", "one", "two", "three")
    before = "\n".join(f"%{word} = stablehlo.constant dense<{i}> : tensor<i32>" for i, word in enumerate(words))
    draw = np.random.default_rng(3)
    a, b = draw.integers(1, 30, (2, columns)).astype(np.int32), draw.normal(size=(2, columns)).astype(np.float32)
    with jax.default_device(device):
        got, _ = run(sort(comparator, 2, columns, before=before), a, b)

    def collatz(n):
        return 0 if n == 1 else 1 + collatz(n // 2 if n % 2 == 0 else 3 * n + 1)

    want = [
        [k for k, _ in sorted(zip(x, y, strict=True), key=lambda p: (collatz(p[0]), -p[1]))]
        for x, y in zip(a.tolist(), b, strict=True)
    ]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("unique", [False, True])
def test_loops_in_a_scatter(device, unique):
    index = np.array([4, 1, 4, 0] if not unique else [4, 1, 3, 0], np.int32)
    body = f"""%r = "stablehlo.scatter"(%x, %i, %u) ({{ ^bb0(%a: tensor<i32>, %b: tensor<i32>):
          %g, %z = stablehlo.while(%v = %a, %w = %b) : tensor<i32>, tensor<i32>
            cond {{ %zero = stablehlo.constant dense<0> : tensor<i32>
              %p = stablehlo.compare NE, %w, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
              stablehlo.return %p : tensor<i1> }}
            do {{ %m = stablehlo.remainder %v, %w : tensor<i32>
              stablehlo.return %w, %m : tensor<i32>, tensor<i32> }}
          stablehlo.return %g : tensor<i32> }}) {{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [1],
            inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>,
            unique_indices = {str(unique).lower()}}} : (tensor<6x18xi32>, tensor<4x1xi32>, tensor<4x18xi32>) -> tensor<6x18xi32>
        return %r : tensor<6x18xi32>"""
    function = stablehlo(
        "(%x: tensor<6x18xi32>, %i: tensor<4x1xi32>, %u: tensor<4x18xi32>) -> (tensor<6x18xi32>)", body
    )
    update = NUMBERS[::-1][:4] * 2
    with jax.default_device(device):
        (y,) = run(function, NUMBERS, index[:, None], update)
    want = NUMBERS.copy()
    for at, row in zip(index, update, strict=True):
        want[at] = np.gcd(want[at], row)
    np.testing.assert_array_equal(y, want)


SUBTRACTING = """%q, %last = stablehlo.while(%v = %x, %w = %y) : tensor<f32>, tensor<f32>
      cond { %g = stablehlo.compare NE, %v, %w : (tensor<f32>, tensor<f32>) -> tensor<i1>
        stablehlo.return %g : tensor<i1> }
      do { %bigger = stablehlo.compare GT, %v, %w : (tensor<f32>, tensor<f32>) -> tensor<i1>
        %d:2 = "stablehlo.if"(%bigger) ({ %e = stablehlo.subtract %v, %w : tensor<f32>
          stablehlo.return %e, %w : tensor<f32>, tensor<f32> }, { %e = stablehlo.subtract %w, %v : tensor<f32>
          stablehlo.return %v, %e : tensor<f32>, tensor<f32> }) : (tensor<i1>) -> (tensor<f32>, tensor<f32>)
        stablehlo.return %d#0, %d#1 : tensor<f32>, tensor<f32> }"""


@pytest.mark.parametrize("window", [APART, PADDED])
def test_loops_in_select_and_scatter(device, window):
    """A gcd by subtraction: it would never end for the zeros of the padding, nor where no window is."""
    x, s = np.arange(48, dtype=np.float32).reshape(6, 8), np.arange(6, 18, dtype=np.float32).reshape(3, 4) * 2
    looped = (
        SUBTRACTING.replace("%q,", "%gcd,")
        + f"""
        %some = stablehlo.compare GT, %gcd, %zero : {F} {I1}
        %more = stablehlo.compare GE, %x, %y : {F} {I1}
        %p = stablehlo.and %some, %more : tensor<i1>"""
    )
    looped = "%zero = stablehlo.constant dense<0.0> : tensor<f32>\n" + looped
    with jax.default_device(device):
        (y,) = run(scatter(looped, SUBTRACTING, window, initial=4.0), x + 1, s)
        (chosen,) = run(scatter(GE, ADD, window, initial=0.0), x + 1, np.ones_like(s))
        (rows,) = run(scatter(GE, ADD, window, initial=0.0), x + 1, s)
    assert chosen.max() == 1  # windows do not share what they choose: the last of each is the largest
    np.testing.assert_array_equal(y, np.where(chosen > 0, np.gcd(4, rows.astype(int)), 4))
