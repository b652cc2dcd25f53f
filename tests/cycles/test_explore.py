"""The explorer's panes: each line leads to the user's lines, and a click lights up what shares them."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from test_report import browser, open_page  # noqa: F401 (fixtures)

from jax_ascend.cli import main
from jax_ascend.cli.progress import Progress
from jax_ascend.compiler.pipeline import PASSES
from jax_ascend.explore import ExploredStages, explore_data, explore_page
from jax_ascend.programs import program_of


def inner(x, w):
    return jnp.tanh(x @ w) / 3


def model(x, w):
    for _ in range(2):
        x = inner(x, w)
    return lax.fori_loop(0, 5, lambda i, x: jnp.sort(x.reshape(-1)).reshape(x.shape) + i, x)


ARGUMENTS = [jax.ShapeDtypeStruct((128, 128), jnp.float32)] * 2


@pytest.fixture(scope="module")
def explored():
    stages = ExploredStages(Progress(""))
    return program_of(model, ARGUMENTS, stages=stages), stages


@pytest.fixture(scope="module")
def data(explored):
    return explore_data(*explored)


def places_of(data, *lines):
    return {i for i, (file, line) in enumerate(data["places"]) if file == __file__ and line in lines}


FIRST = inner.__code__.co_firstlineno
PRODUCT, CALL, SORT = FIRST + 1, FIRST + 6, FIRST + 7


def test_every_pass_has_a_pane_with_its_time(data):
    names = [p["name"] for p in data["panes"]]
    assert names == ["StableHLO", "graph as imported", *(p.name.replace("_", " ") for p in PASSES)]
    assert all(p["seconds"] >= 0 for p in data["panes"][1:])
    assert any(not p["changed"] for p in data["panes"]), "some pass has nothing to do"
    graphs = data["panes"][: names.index("fuse regions") + 1]
    assert all("lines" in p for p in graphs if p["changed"])


def test_lines_lead_to_the_lines_they_come_from(data):
    wanted = places_of(data, PRODUCT)
    for name, op in (
        ("StableHLO", "stablehlo.dot_general"),
        ("graph as imported", "= dot("),
        ("fuse regions", "= dot("),
    ):
        pane = next(p for p in data["panes"] if p["name"] == name)
        products = [places for text, places, _ in pane["lines"] if op in text]
        assert products and all(wanted & set(places) for places in products), name
    callers = places_of(data, CALL)
    graph = next(p for p in data["panes"] if p["name"] == "graph as imported")
    assert any(callers & set(places) for text, places, _ in graph["lines"] if "tanh" in text)
    packages = [name for name, _ in data["places"] if "jax_ascend" in name]
    assert not packages, "no frame of this package is the user's"


def test_kernels_and_costs_lead_there_too(data):
    matmul = [k for k in data["kernels"] if "matmul" in k["name"]]
    assert matmul and all(places_of(data, PRODUCT) & set(k["places"]) for k in matmul)
    sort = next(k for k in data["kernels"] if k["name"] == "sort")
    assert places_of(data, SORT) & set(sort["places"]) and sort["lines"] == []
    assert sum(data["cost"][p] for p in places_of(data, SORT)) > 0
    assert "tload" in data["manual"] and "pto.tload" in data["manual"]["tload"]
    assert len(data["events"]) == sum(1 for _ in data["events"]) > 3


def test_differences_apply(data):
    """What is kept and what is new is the text that the pass left."""
    from jax_ascend.explore import _difference

    before = [("a %1", None), ("b %2", None), ("c %3", None)]
    after = [("a %1", None), ("c %2", None), ("d %3", None)]
    marks = _difference(before, after)
    assert [(m, text) for m, (text, _) in marks] == [("", "a %1"), ("-", "b %2"), ("", "c %2"), ("+", "d %3")]
    for pane in data["panes"]:
        assert {mark for _, _, mark in pane.get("lines", [])} <= {"", "+", "-"}


def test_a_click_lights_up_all_panes(explored, tmp_path, browser, open_page):  # noqa: F811
    path = tmp_path / "explore.html"
    path.write_text(explore_page(*explored))
    assert not re.search(r"(?:src|href)=\"(?!data:)", path.read_text())
    page = browser.new_page(viewport={"width": 1500, "height": 900})
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('#source-code div').length > 10")
    page.click(f"#source-code div.at:has(span.number:text-is('{PRODUCT}'))")
    for pane in ("source-code", "stage-code", "kernel-code", "stages"):
        assert page.locator(f"#{pane} .lit").count() > 0, pane
    assert "dot_general" in "".join(page.locator("#stage-code .lit").all_inner_texts())
    page.locator("#kernel-code div:has-text('pto.tload')").first.hover()
    assert "tload" in page.inner_text("#tip")
    page.keyboard.press("Escape")
    assert page.locator(".lit").count() == 0
    changing = page.evaluate("D.panes.findIndex((p) => p.lines && p.lines.some((l) => l[2]))")
    page.locator("#stages li").nth(changing).click()
    assert page.locator("#stage-code div.new, #stage-code div.gone").count() > 0
    folded = page.locator("#stage-code div").count()
    page.click("#fold")
    assert page.locator("#stage-code div").count() > folded
    assert said == []
    page.close()


def test_the_command(tmp_path, capsys):
    module = tmp_path / "explored_module_of_mine.py"
    module.write_text("import jax.numpy as jnp\n\ndef f(x):\n    return jnp.sin(x) + 1\n")
    out = tmp_path / "out.html"
    assert main(["explore", f"{module}:f", "--shapes", "f32[8]", "-o", str(out)]) == 0
    (text,) = re.findall(r'id="data">(.*?)</script>', out.read_text(), flags=re.S)
    assert json.loads(text)["files"][str(module)][3] == "    return jnp.sin(x) + 1"
    assert main(["explore", f"{module}:f", "--shapes", "f32[8]", "-o", "/no/such/folder/x.html"]) == 1
    assert "[--output /no/such/folder/x.html] cannot be written" in capsys.readouterr().err


def get(address, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_is_served_and_a_reload_compiles_anew(tmp_path):
    helper, module = tmp_path / "helper_of_mine.py", tmp_path / "served_module_of_mine.py"
    helper.write_text("import jax.numpy as jnp\n\ndef g(x):\n    return jnp.sin(x)\n")
    module.write_text("from helper_of_mine import g\n\ndef f(x):\n    return g(x) + 1\n")
    command = [
        sys.executable,
        "-P",
        "-m",
        "jax_ascend",
        "explore",
        f"{module}:f",
        "--shapes",
        "f32[8]",
        "--serve",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = re.search(r"http://localhost:\d+/", server.stdout.readline())[0]
        status, page = get(address)
        assert status == 200 and "jnp.sin(x)" in page and "stablehlo.sine" in page
        helper.write_text(helper.read_text().replace("sin", "tanh"))
        assert "stablehlo.tanh" in get(address)[1]
        module.write_text("def f(x):\n    raise ValueError('<mine>')\n")
        status, page = get(address)
        assert status == 500 and "ValueError: &lt;mine&gt;" in page
        assert get(f"{address}etc/passwd")[0] == 404
        assert get(address, Host="elsewhere.example:80")[0] == 403
        port = address.split(":")[-1].strip("/")
        taken = subprocess.run([*command[:-1], port], capture_output=True, text=True)
        assert taken.returncode == 1 and f"[--port {port}] cannot be had" in taken.stderr
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


def test_a_launch_leads_to_its_own_lines(data):
    kernel = next(i for i, k in enumerate(data["kernels"]) if "tanh" in k["name"])
    (own,) = {tuple(places) for _, _, number, places in data["events"] if number == kernel}
    assert set(own) <= set(data["kernels"][kernel]["places"]) and own


def test_a_program_that_is_compiled_already_is_refused(tmp_path, capsys):
    path = tmp_path / "program"
    path.write_bytes(program_of(lambda x: x + 1, [ARGUMENTS[0]]).encode())
    assert main(["explore", str(path), "-o", str(tmp_path / "x.html")]) == 1
    assert "is compiled already" in capsys.readouterr().err
