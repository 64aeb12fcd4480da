"""The README says what is so: its settings, its commands, its code and its output."""

import ast
import re
from dataclasses import fields

from click.testing import CliRunner

from producer.cli.main import main
from tests.conftest import REPOSITORY
from tilefleet.settings import Settings

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_settings_table_is_complete():
    listed = re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)
    assert listed == [setting.metadata["variable"] for setting in fields(Settings)]


def test_python_blocks_are_python():
    assert blocks("python")
    for block in blocks("python"):
        ast.parse(block)


def test_the_output_that_is_shown_is_the_real_one(monkeypatch, tmp_path):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("TILEFLEET_STORE", str(tmp_path))
    (console,) = blocks("console")
    command, _, rest = console.partition("\n")
    assert command == "$ tilefleet solve --local samples/002.jpg"
    shown = rest.split("$ tilefleet", maxsplit=1)[0]
    result = CliRunner().invoke(main, command.split()[2:])
    assert result.stdout == shown


def commands(text: str) -> list[str]:
    """What stands between fences, and the first cell of every table of commands or settings."""
    fenced = re.findall(r"```.*?```", text, re.DOTALL)
    return fenced + re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)


def test_the_chinese_readme_keeps_step():
    chinese = (REPOSITORY / "README.zh.md").read_text(encoding="utf-8")
    assert commands(chinese) == commands(README)
    assert re.findall(r"\]\((.*?)\)", chinese)[1:] == re.findall(r"\]\((.*?)\)", README)[1:]
    levels = [re.findall(r"^#+ ", text, re.MULTILINE) for text in (chinese, README)]
    assert levels[0] == levels[1]
    # The same figures, in the same order.
    figures = [re.findall(r"\d[\d,.]*\d", text) for text in (chinese, README)]
    assert set(figures[0]) == set(figures[1])
