"""The units: commands that exist, and that systemd takes them."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deployment import DEPLOY, MARGIN_S, check_command, check_settings, units


@pytest.mark.parametrize("name", ["tilefleet-worker@", "tilefleet-gateway@", "tilefleet-flower@"])
def test_a_unit_runs_a_command_that_exists_as_a_user_of_its_own(name):
    text = (DEPLOY / f"systemd/{name}.service").read_text()
    service = units()[name]["Service"]
    check_command(shlex.split(service["ExecStart"]))
    assert service["User"] == "tilefleet"
    assert service["ProtectSystem"] == "strict"
    instance = "1" if "worker" in name else "8000"
    environ = dict(re.findall(r"^Environment=(\w+)=(.*)$", text.replace("%i", instance), re.M))
    settings = check_settings(environ)
    if "worker" in name:
        assert settings.metrics == "127.0.0.1:9101"
        assert int(service["TimeoutStopSec"]) >= settings.shutdown_s + MARGIN_S


def test_a_unit_gives_away_little():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for path in (DEPLOY / "systemd").glob("*.service"):
        # Of 0 to 10, times ten; from 3 on it is called medium.
        done = subprocess.run(
            ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=29", path],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout[-200:] + done.stderr
        assert "Overall exposure level" in done.stdout


def test_systemd_takes_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for path in (DEPLOY / "systemd").glob("*.service"):
        here = path.read_text().replace("/opt/tilefleet/bin/", f"{Path(sys.executable).parent}/")
        (tmp_path / path.name).write_text(here)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.glob("*.service"))],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert done.returncode == 0, done.stderr
    assert "tilefleet" not in done.stderr
