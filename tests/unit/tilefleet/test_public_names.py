"""A program that has modules of its own beside it, called as ours are."""

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("name", ["models", "worker", "producer", "utils", "wire", "errors"])
def test_a_bot_may_have_a_module_of_that_name_beside_it(name, tmp_path):
    (tmp_path / f"{name}.py").write_text("MINE = True\nprint('loaded once')\n")
    (tmp_path / "bot.py").write_text(BOT.format(name=name))
    done = subprocess.run(
        [sys.executable, tmp_path / "bot.py"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split("\n") == ["loaded once", "tilefleet.errors", ""], done.stderr
