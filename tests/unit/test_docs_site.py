"""The documentation as one site: built strictly, complete, and nothing in it from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

import tilefleet
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


class Loaded(HTMLParser):
    """What a browser loads with a page, and where its links go."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") != "canonical":
            self.loaded.append(given["href"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Loaded(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def here(page: Path, address: str) -> Path:
    return (page.parent / address.partition("#")[0].partition("?")[0]).resolve()


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for page, each in pages.items():
        # The page for what is not there is shown under any address.
        if page.name != "404.html":
            assert [one for one in each.loaded if not here(page, one).is_file()] == [], page
        assert not re.search(r'(?:src|@import)\s*=?\s*["\']?(?:https?:)?//', page.read_text())
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\([\"']?([^)\"']+)", sheet.read_text()):
            assert address.startswith("data:") or here(sheet, address).is_file(), address


def test_every_link_inside_goes_somewhere(pages):
    broken = []
    for page, each in pages.items():
        for link in each.links:
            if re.match(r"(https?|mailto):", link) or page.name == "404.html":
                continue
            target = here(page, link) if link.partition("#")[0] else page
            _, _, anchor = link.partition("#")
            if target.is_dir():
                target /= "index.html"
            known = pages[target].ids if target in pages else set()
            if not target.is_file() or (anchor and anchor not in known):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_every_page_of_the_documents_is_in_it(site):
    there = {path.relative_to(REPOSITORY / "docs") for path in (REPOSITORY / "docs").rglob("*.md")}
    assert {path for path in there if not (site / path).with_suffix(".html").is_file()} == set()
    navigation = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())["nav"]
    assert {str(path) for path in there} <= set(re.findall(r"[\w/-]+\.md", str(navigation)))


def test_every_public_name_is_in_the_reference(site):
    text = "".join(path.read_text(encoding="utf-8") for path in (site / "api").glob("*.html"))
    named = set(re.findall(r'id="[\w.]+\.(\w+)"', text))
    assert set(tilefleet.__all__) - named == set()
    assert {"FakeFleet", "AsyncFakeFleet", "AnswerFactory", "EmbeddedServer"} <= named
