"""What the pages point to is there: links, headings, and every path in backticks; so is every page that code cites."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
FOLDERS = [".ci", ".github", "benchmarks", "compiler", "docs", "examples", "jax_ascend", "plugin", "tests"]
THERE = [p for p in ROOT.iterdir() if p.is_file()] + [p for f in FOLDERS for p in [ROOT / f, *(ROOT / f).rglob("*")]]
PATHS = ["/" + p.relative_to(ROOT).as_posix() for p in THERE if "__pycache__" not in p.parts]

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"[\w.*-]+(/[\w.*-]+)*\.(py|pyi|cc|h|md|txt|toml|yaml|yml)|({'|'.join(FOLDERS)})/[\w./*-]*")


def prose(page):
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)


def headings(page):
    titles = re.findall(r"^#+ (.*)$", prose(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for link in _LINK.findall(prose(page)):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, heading = link.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{page.name}: there is no {link}"
        assert not heading or heading in headings(linked), f"{page.name}: there is no heading {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_paths_in_backticks_exist(page):
    """A page may leave out leading folders: `ir/kernel.py` is `compiler/ir/kernel.py`."""
    named = {code for code in _CODE.findall(prose(page)) if _PATH.fullmatch(code)}
    missing = [n for n in named if not any(fnmatch(path, f"*/{n.rstrip('/')}") for path in PATHS)]
    assert not missing, f"{page.name}: there is no {', '.join(sorted(missing))}"


def test_pages_that_code_cites_exist():
    code = [p for p in THERE if p.suffix in (".py", ".cc", ".h", ".toml")]
    cited = {(p, page) for p in code for page in re.findall(r"docs/\w+\.md", p.read_text())}
    missing = [f"{p.relative_to(ROOT)}: {page}" for p, page in cited if not (ROOT / page).exists()]
    assert not missing
