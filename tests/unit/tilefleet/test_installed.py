"""The wheel as a user has it: types, programs with modules named as ours, commands beside them."""

import os
import re
import subprocess

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

BOT = """
import {name}
from tilefleet import AsyncClient, Client, FleetUnreachable

assert {name}.MINE
with Client("redis://127.0.0.1:1/0") as fleet:
    try:
        fleet.solve(b"any", timeout=5)
    except FleetUnreachable as error:
        print(type(error).__module__)

from tilefleet.testing import FakeFleet, plugin

assert isinstance(FakeFleet(), Client)
assert plugin.EmbeddedServer().port == 0
"""


def run(python, *arguments, cwd, **environ):
    return subprocess.run(
        [python, *arguments],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_it_is_the_wheel_that_is_tested(installed, tmp_path):
    done = run(installed, "-c", "import tilefleet; print(tilefleet.__file__)", cwd=tmp_path)
    assert done.stdout.startswith(str(installed.parent.parent)), done.stderr


def test_there_are_captchas_for_bench_in_it(installed, tmp_path):
    script = "from producer.bench.run import _pictures; print(len(_pictures(())))"
    assert run(installed, "-c", script, cwd=tmp_path).stdout == "4\n"


@pytest.mark.parametrize("name", ["models", "worker", "producer", "utils"])
def test_a_bot_may_have_a_module_of_that_name_beside_it(installed, name, tmp_path):
    for other in (name, "wire", "errors"):
        (tmp_path / f"{other}.py").write_text("MINE = True\nprint('loaded once')\n")
    (tmp_path / "bot.py").write_text(BOT.format(name=name))
    done = run(installed, tmp_path / "bot.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["loaded once", "tilefleet.errors", ""], done.stderr


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("models", ["celery", "-A", "worker", "worker"]),
        ("models", ["celery", "-A", "tilefleet", "inspect", "ping"]),
        ("worker", ["celery", "-A", "tilefleet", "worker"]),
        ("worker", ["celery", "-A", "tilefleet", "flower"]),
    ],
)
def test_a_file_that_is_in_the_way_of_a_command_is_named_in_one_line(
    installed, name, command, tmp_path
):
    mine = tmp_path / f"{name}.py"
    mine.write_text("")
    done = run(installed, "-m", *command, cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == (
        f"tilefleet: {mine} hides tilefleet's package {name!r}: rename it, or start this elsewhere"
    )


def examples():
    """Python blocks of the README and of docs/clients.md, but for the one without this package."""
    for page in ("README.md", "docs/clients.md"):
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            if "from celery" not in block:
                yield block


def test_the_examples_of_the_documents_are_typed_strictly(installed, tmp_path):
    files = []
    for number, block in enumerate(examples()):
        files.append(f"example_{number}.py")
        (tmp_path / files[-1]).write_text(block, encoding="utf-8")
    assert len(files) == 5
    options = ["--strict", f"--python-executable={installed}", "--config-file="]
    # By this environment's mypy: the user's own finds the wheel's types by his Python.
    done = run(installed, "-m", "mypy", *options, *files, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "wrong.py").write_text(
        "from tilefleet import Client\nClient().solve(5)\nx: int = Client().submit('a').result()\n"
    )
    done = run(installed, "-m", "mypy", *options, "wrong.py", cwd=tmp_path)
    assert "Found 2 errors" in done.stdout, done.stdout + done.stderr
