"""Commands, options and Make targets: what the documents name exists, and what exists is named."""

import re

import pytest

from tests.conftest import REPOSITORY
from tests.support.commands import commands, options

PAGES = {
    str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
    for pattern in ("*.md", "docs/*.md", "models/*.md", "benchmarks/*.md")
    for path in REPOSITORY.glob(pattern)
    if path.name != "CHANGELOG.md"
}
ALL = "\n".join(PAGES.values())
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

#: Of Celery, curl, base64, redis-server, systemctl and pip; and of scripts of ours.
OTHERS = {
    *("--pool", "--loglevel", "--data-binary", "--fail", "--form", "--json", "--wrap", "--now"),
    *("--aclfile", "--messages", "--autoscale", "--purge", "--include", "--hostname"),
    *("--servers", "--minute", "--reads", "--core-hour", "--loop", "--memory", "--requests"),
    *("--networks",),
}
#: Which page has all options of a command. The others' are in their --help.
OF_PAGES = {
    "docs/gateway.md": ["serve", "keys add"],
    "docs/terminal.md": ["up", "solve", "bench", "top", "health", "doctor"],
}


def known(name: str) -> tuple[str, ...]:
    return tuple(name.split())


def test_every_command_that_is_shown_exists():
    groups = {words[0] for words in commands() if len(words) > 1}
    shown = re.findall(
        r"(?<![\w.-])tilefleet ([a-z]+)(?: ([a-z]+))?(?=[ `\n:|)])",
        ALL.replace("from tilefleet ", ""),
    )
    assert len(shown) > 50
    prose = {"is", "a", "beside"}
    assert [
        f"{first} {second}"
        for first, second in shown
        if first not in prose
        and ((first, second) if first in groups and second else (first,)) not in commands()
    ] == []


@pytest.mark.parametrize("words", [words for words in commands() if words], ids=" ".join)
def test_every_command_is_in_the_documents(words):
    assert f"tilefleet {' '.join(words)}" in ALL


def test_every_option_that_is_shown_exists():
    existing = OTHERS.union(*(options(each) for each in commands().values()))
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ALL))
    assert len(shown) > 30
    assert shown - existing == set()


@pytest.mark.parametrize(
    ("page", "name"), [(page, name) for page, names in OF_PAGES.items() for name in names]
)
def test_every_option_of_a_command_is_on_its_page(page, name):
    # Of two forms that say the opposite, the one that changes something.
    wanted = options(commands()[known(name)]) - {"--help", "--flower", "--quiet", "--verbose"}
    assert {option for option in wanted if not re.search(rf"{option}\b", PAGES[page])} == set()


def test_every_make_target_that_is_shown_exists_and_says_what_it_does():
    shown = set(re.findall(r"(?:^|[`(])make ([a-z-]+)", ALL, re.MULTILINE))
    assert {"demo", "test", "test-quick", "chaos", "train"} <= shown <= TARGETS
    described = set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE))
    assert described == TARGETS
    phony = re.search(r"^\.PHONY: (.*)", MAKEFILE.replace("\\\n", ""), re.MULTILINE)
    assert set(phony[1].split()) == TARGETS
