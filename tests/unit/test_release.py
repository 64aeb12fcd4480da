"""Versions and extras: each is in one place, and what names them says the same."""

import re
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import distributions, metadata, requires

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
INSTALLED = {canonicalize_name(each.metadata["Name"]) for each in distributions()}
RELEASES = (REPOSITORY / "docs/releases.md").read_text(encoding="utf-8")


def tracked(*patterns: str) -> dict[str, str]:
    """The text of files that git has, or will have."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout.split()
    return {
        name: (REPOSITORY / name).read_text(encoding="utf-8")
        for name in listed
        if (REPOSITORY / name).is_file()
    }


def test_every_extra_that_is_named_anywhere_exists():
    pattern = re.compile(r"(?:tilefleet|['\"]\.|\.whl)\[([a-z,]+)\]")
    named = {
        extra
        for text in tracked("*.md", "*.py", "*.toml", "deploy", "Makefile", ".ci").values()
        for group in pattern.findall(text)
        for extra in group.split(",")
    }
    assert {"worker", "gateway", "demo", "tracing", "sentry", "metrics"} <= named
    assert named - EXTRAS.keys() == set()


def test_every_extra_is_explained():
    explained = {
        extra
        for cell in re.findall(r"^\| (`[^|]*`) \|", RELEASES, re.MULTILINE)
        for extra in re.findall(r"`([a-z]+)`", cell)
    }
    assert EXTRAS.keys() - explained == {"dev"}


@pytest.mark.parametrize("extra", ["all", "worker", "gateway", "client", "cli", "otel"])
def test_people_find_an_extra_under_the_name_that_they_try(extra):
    assert extra in EXTRAS


def test_all_has_what_runs_a_fleet_and_not_what_trains():
    def of(extra: str) -> set[str]:
        found = set()
        for line in EXTRAS[extra]:
            if inner := re.fullmatch(r"tilefleet\[(.*)\]", line):
                found |= {name for each in inner[1].split(",") for name in of(each)}
            else:
                found.add(re.match(r"[\w-]+", line)[0])
        return found

    everything = of("all")
    for extra in EXTRAS.keys() - {"tensorflow", "gpu", "train", "bench", "digits", "dev"}:
        assert of(extra) <= everything, extra
    assert everything.isdisjoint({"tensorflow", "tensorflow-cpu", "keras", "pytest", "ruff"})


def test_the_version_is_said_in_one_place_and_what_else_needs_it_says_the_same():
    version = PROJECT["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    names = r"""(?:newTag|appVersion|^version|"default"): ["']?(\d+\.\d+\.\d+)"""
    said = {
        (name, found)
        for name, text in tracked("deploy").items()
        for found in re.findall(names, text, re.MULTILINE)
    }
    assert said
    assert {each for each in said if each[1] != version} == set()


def test_the_changelog_is_in_order_and_ahead_of_no_version():
    headings = re.findall(
        r"^## (.*)", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    released = headings[1:] if headings[0] == "Unreleased" else headings
    numbers = []
    for heading in released:
        assert re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", heading), heading
        numbers.append([*map(int, heading.split()[0].split("."))])
    assert numbers == sorted(numbers, reverse=True)
    assert all(number <= [*map(int, PROJECT["version"].split("."))] for number in numbers)


def test_the_supported_versions_are_those_that_pip_accepts():
    rows = dict(re.findall(r"^\| (Python|Celery|kombu|redis-py) \| ([^|]*) \|", RELEASES, re.M))
    pythons = [
        line.rpartition(" ")[2]
        for line in PROJECT["classifiers"]
        if re.search(r"Python :: 3\.\d+", line)
    ]
    assert rows["Python"] == ", ".join(pythons)
    wanted = {re.match(r"[\w-]+", line)[0]: line for line in PROJECT["dependencies"]}
    for name, row in (("celery", "Celery"), ("kombu", "kombu"), ("redis", "redis-py")):
        assert f">={rows[row]}," in wanted[name]


def pinned() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def needed(package: str, extras: Iterable[str], seen: set[tuple[str, str]]) -> set[str]:
    """Names of what that package needs with these extras, and what that needs, as installed."""
    names: set[str] = set()
    for extra in ("", *extras):
        if (package, extra) in seen:
            continue
        seen.add((package, extra))
        for each in map(Requirement, requires(package) or ()):
            name = canonicalize_name(each.name)
            wanted = each.marker is None or each.marker.evaluate({"extra": extra})
            if wanted and name in INSTALLED:
                names |= {name} | needed(name, each.extras, seen)
    return names


def test_all_that_is_installed_is_pinned_to_what_every_supported_python_takes():
    # An environment comes with its pip.
    names = needed("tilefleet", EXTRAS, set()) - {"tilefleet", "pip"}
    assert len(names) > 50
    assert names - pinned().keys() == set()
    for name in names:
        takes = SpecifierSet(metadata(name).get("Requires-Python", ""))
        # Distributions have the first ones of a minor version: Debian 12 has 3.11.2.
        assert all(takes.contains(f"3.{minor}.0") for minor in (11, 12, 13)), name
