"""Only the built-in's data and the legacy importer know one layout's and vocabulary's numbers."""

import re

import pytest

from tests.conftest import REPOSITORY

#: Width and height of the built-in's captchas, the side of its tiles, and how many words it knows.
_NUMBERS = re.compile(r"(?<![\w.])(?:293|190|67|80)(?![\w.]|<< )")
_KNOWS = ("tilefleet/builtin.json", "models/builtin/", "models/legacy/")
#: What is another thing: qualities, colours, ports, sizes, the units of a drawing.
_OTHER = re.compile(
    r"_QUALITY = 80|67 units|tile\[1\] / 67|(?:\d+, ){2,3}190\)|\(190, 0, 0\)|\"http\": 80|80 << 20"
)
_KINDS = {".py", ".js", ".html", ".css"}


def files():
    for package in ("tilefleet", "models", "worker", "producer"):
        for path in sorted((REPOSITORY / package).rglob("*")):
            name = path.relative_to(REPOSITORY).as_posix()
            if path.suffix in _KINDS and not name.startswith(_KNOWS):
                yield name, path


@pytest.mark.parametrize(("name", "path"), [pytest.param(*each, id=each[0]) for each in files()])
def test_code_knows_no_layout_of_its_own(name, path):
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [
        f"{name}:{number}: {line.strip()}"
        for number, line in enumerate(lines, 1)
        if _NUMBERS.search(_OTHER.sub("", line))
    ]
    assert not found
