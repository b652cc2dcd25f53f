"""The page of an estimate: what it holds, and that a browser shows it without a word of complaint."""

import json
import re
import shutil

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from playwright.sync_api import Error, sync_playwright

from jax_ascend import estimate, estimate_program
from jax_ascend.advice import losses
from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, command


def shape(*dims, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(dims, dtype)


def step(x, w):
    with jax.named_scope("<b>scope</b>"):
        y = jax.nn.gelu(x @ w)
    y = lax.fori_loop(0, 9, lambda i, y: jnp.tanh(y @ y), y)
    return jnp.sort(y.reshape(-1)), y + 1


@pytest.fixture(scope="module")
def found():
    return estimate(step, shape(512, 512), shape(512, 512))


def data_of(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.S)
    return json.loads(text)


@pytest.fixture(scope="module")
def page_file(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    found.report(path)
    return path


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as p:
        try:
            browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium: install one, or run `playwright install chromium`: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open a file; what the page says on the console fails the test."""
    said, pages = [], []

    def open_file(path, **options):
        page = browser.new_page(viewport={"width": 1400, "height": 900}, **options)
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request",
            lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
        )
        page.goto(path.as_uri())
        page.wait_for_function("document.querySelectorAll('#table tbody tr').length > 0")
        return page

    yield open_file
    for page in pages:
        page.wait_for_timeout(50)
        page.close()
    assert said == []


def painted(page, canvas):
    """How many pixels of a canvas are not empty."""
    return page.evaluate(
        """(id) => { const c = document.getElementById(id), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }""",
        canvas,
    )


def test_it_holds_what_the_estimate_says(found, page_file):
    page = page_file.read_text()
    data = data_of(page)
    assert sum(k["seconds"] for k in data["kernels"]) == pytest.approx(found.seconds)
    e = data["events"]
    times = sum(
        n * (d + s) for n, d, s, k in zip(e["times"], e["dispatch"], e["seconds"], e["kernel"], strict=True) if k >= 0
    )
    assert times == pytest.approx(found.seconds, rel=1e-5)
    assert data["code"][found.kernels[0].line] == "y = jax.nn.gelu(x @ w)"
    assert data["memory"]["top"] >= data["meta"]["hbm_peak"] == found.memory.peak[1]
    boxes = data["memory"]["boxes"]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart = a["at"] + a["bytes"] <= b["at"] or b["at"] + b["bytes"] <= a["at"]
            assert apart or a["end"] <= b["start"] or b["end"] <= a["start"]


def test_it_is_one_file_that_asks_for_nothing(page_file):
    page = page_file.read_text()
    outside = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"'`)]*", page))
    assert {o for o in outside if "w3.org" not in o} == set()
    assert not re.search(r"<(?:link|script|img)[^>]+(?:src|href)=\"(?!data:)", page)


def test_names_of_users_are_text(found, page_file):
    assert "<b>scope" not in page_file.read_text()
    program = found.program
    program.name = "</script><script>alert(1)</script>$TITLE"
    text = estimate_program(program)
    from jax_ascend.report import of_estimate, report_page

    page = report_page(of_estimate(text, {}))
    assert page.count("<script") == 2 and data_of(page)["meta"]["program"] == program.name
    program.name = "jit_step"


def test_a_browser_shows_it(found, page_file, open_page):
    page = open_page(page_file)
    assert page.inner_text("#title") == "jit_step"
    rows = page.locator("#table tbody tr")
    assert rows.count() == len(found.kernels)
    assert page.locator("#loss-list li").count() == 3
    for canvas in ("lanes", "buffers"):
        assert painted(page, canvas) > 1000
    with_flops = sum(k.flops > 0 for k in found.kernels)
    assert page.locator("#roof circle").count() == with_flops
    assert "b>scope" in page.inner_text("#table"), "markup in a scope is shown as it is"


def test_it_says_what_another_device_would_change(tmp_path, open_page):
    found = estimate(lambda x, w: (x * 2 + 1, w @ w), shape(1 << 26), shape(2048, 2048, dtype=jnp.bfloat16))
    add, product = (next(i for i, r in enumerate(found.kernels) if r.core == core) for core in ("aiv", "aic"))
    other = found.what_if(hbm_bandwidth=2)
    assert other.target.hbm_bandwidth == 2 * found.target.hbm_bandwidth
    assert found.kernels[add].bound == "HBM" and 1.3 < found.kernels[add].seconds / other.kernels[add].seconds < 2
    assert [r.name for r in other.kernels] == [r.name for r in found.kernels]
    slower = found.what_if(hbm_bandwidth=0.5, clock=0.5)
    assert slower.kernels[product].seconds > 1.8 * found.kernels[product].seconds
    for wrong in ({"name": 2}, {"nothing": 2}, {"clock": 0}, {"clock": float("nan")}):
        with pytest.raises(ValueError, match=r"\[what_if .* expected a positive factor"):
            found.what_if(**wrong)
    found.report(tmp_path / "report.html", what_if={"hbm_bandwidth": 2, "launch_dispatch": 0.5})
    page = open_page(tmp_path / "report.html")
    said = page.locator("p.what-if").all_inner_texts()
    assert (
        len(said) == 2 and said[0].startswith("With 2 × hbm_bandwidth it takes") and found.kernels[add].name in said[0]
    )
    column = page.locator("#table th").all_inner_texts().index("2 × hbm_bandwidth")
    cells = page.locator(f"#table tbody tr td:nth-child({column + 1})").all_inner_texts()
    change = 1 - other.kernels[add].seconds / found.kernels[add].seconds
    assert f"−{100 * change:.1f} %" in cells


def test_the_table_sorts_filters_and_groups(found, page_file, open_page):
    page = open_page(page_file)
    first = "#table tbody tr:first-child td.name"
    slowest = found.by("kernel")[0].name
    assert page.inner_text(first) == slowest
    page.click("#table th:has-text('time')")
    assert page.inner_text(first) == found.by("kernel")[-1].name
    page.fill("#filter", "AICPU")
    assert page.locator("#table tbody tr").count() == 1 and page.inner_text(first) == "sort"
    page.fill("#filter", "there is no such thing")
    assert page.locator("#table tbody tr").count() == 0
    page.fill("#filter", "")
    page.click("button:has-text('by line')")
    assert page.locator("#table tbody tr").count() == len(found.by("line"))


def test_a_click_shows_a_kernel_everywhere(page_file, open_page):
    page = open_page(page_file)
    before = page.locator("#lanes").screenshot()
    page.click("#table tbody tr:nth-child(2)")
    name = page.inner_text("#table tbody tr.on td.name")
    assert page.inner_text("#detail h3 >> nth=0") == name
    assert "test_report.py:" in page.inner_text("#detail")
    page.wait_for_timeout(100)
    assert page.locator("#lanes").screenshot() != before
    page.click("#detail button")
    assert page.locator("#detail").is_hidden()
    page.click("#table tbody tr:nth-child(1)")
    page.keyboard.press("Escape")
    assert page.locator("#detail").is_hidden()


def test_the_timeline_zooms_pans_and_tells(page_file, open_page):
    page = open_page(page_file)
    canvas = page.locator("#lanes")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    lane = page.evaluate("lanes.lanes.findIndex((l) => l.name === 'kernels')")
    middle = """(() => { const s = lanes.lanes.find((l) => l.name === 'kernels').slices.toSorted((a, b) => b[1] - b[0] - a[1] + a[0])[0];
        return lanes.x((s[0] + s[1]) / 2); })()"""
    at = box["x"] + page.evaluate(middle), box["y"] + 22 + 19 * (lane + 0.5)
    page.mouse.move(*at)
    page.wait_for_function("!document.getElementById('tip').hidden")
    assert "kernels" in page.inner_text("#tip")
    shots = [canvas.screenshot()]
    span = "lanes.to - lanes.from"
    whole = page.evaluate(span)
    for _ in range(5):
        page.mouse.wheel(0, -100)
    page.wait_for_function(f"{span} < {whole / 2}")
    page.wait_for_timeout(100)
    shots.append(canvas.screenshot())
    start = page.evaluate("lanes.from")
    page.mouse.down()
    page.mouse.move(at[0] - 200, at[1], steps=4)
    page.mouse.up()
    assert page.evaluate("lanes.from") > start
    page.wait_for_timeout(100)
    shots.append(canvas.screenshot())
    assert len(set(shots)) == 3
    canvas.focus()
    page.keyboard.press("0")
    assert page.evaluate(span) == whole
    box = canvas.bounding_box()
    page.mouse.dblclick(box["x"] + page.evaluate(middle), box["y"] + 22 + 19 * (lane + 0.5))
    assert page.evaluate(span) < whole


def test_it_is_dark_where_the_system_is(page_file, open_page):
    page = open_page(page_file, color_scheme="dark")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", colour))) < 64


def many(kernels):
    """A program of so many different kernels, each launched once."""
    main, made = Function("main"), []
    x = main.slot("parameter", 0, 4096)
    y = main.slot("result", 0, 4096)
    for i in range(kernels):
        b = KernelBuilder(f"kernel_{i}", "aiv", (1,))
        a, c = b.argument(DType.f32, 1024), b.argument(DType.f32, 1024, writes=True)
        t = b.tile(Loc.vec, DType.f32, 1, 1024, address=0)
        b.tload(t, b.view(a, 0, (1, 1024), (0, 1)))
        b.set_flag("MTE2", "V", 0)
        b.wait_flag("MTE2", "V", 0)
        b.tadds(t, t, float(i))
        b.set_flag("V", "MTE3", 0)
        b.wait_flag("V", "MTE3", 0)
        b.tstore(b.view(c, 0, (1, 1024), (0, 1)), t)
        made.append(b.kernel)
        main.commands.append(command("launch", i, [x, y]))
    type = TensorType((1024,), DType.f32)
    return Program("many", "ascend910b", [type], [type], [-1], [main], made)


def test_ten_thousand_kernels(tmp_path, open_page):
    found = estimate_program(many(10_000))
    path = tmp_path / "many.html"
    found.report(path)
    assert path.stat().st_size < 10e6
    page = open_page(path)
    assert page.locator("#table tbody tr").count() == 200
    assert "10000 of 10000" in page.inner_text("#count")
    page.click("#more")
    assert page.locator("#table tbody tr").count() == 1200
    page.fill("#filter", "kernel_9999")
    assert page.locator("#table tbody tr").count() == 1
    page.click("#table tbody tr")
    assert painted(page, "lanes") > 1000


def test_programs_that_do_nothing(tmp_path, open_page, browser):
    path = tmp_path / "nothing.html"
    estimate(lambda: ()).report(path)
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_timeout(200)
    assert said == [] and "Nothing is executed" in page.inner_text("#losses")
    page.close()


def test_losses_are_the_largest_and_say_what_helps(found):
    told = losses(found.kernels, found.target, found.seconds)
    assert len(told) == 3 and [l.seconds for l in told] == sorted((l.seconds for l in told), reverse=True)
    sort = next(l for l in told if l.title.startswith("sort"))
    assert "AICPU" in sort.text and found.kernels[sort.kernel].name == "sort"
    small = estimate(lambda x: jnp.sort(x + 1), shape(8))
    small = losses(small.kernels, small.target, small.seconds)
    assert small[0].kernel == -1 and "2 launches" in small[0].title
    assert all(l.seconds < found.seconds for l in told)
    product = estimate(jnp.dot, shape(4096, 4096), shape(4096, 4096))
    assert any(
        l.text.startswith("The cube units multiply") for l in losses(product.kernels, product.target, product.seconds)
    )
