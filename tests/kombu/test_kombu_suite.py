"""kombu's tests of its Redis transport pass with our classes, but for the listed exceptions."""

import json
import os
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from producer.local.server import EmbeddedServer, find_binary
from tests.conftest import REPOSITORY, missing
from tests.kombu.exceptions import EXCEPTIONS, LEFT_OUT
from tilefleet.errors import FleetUnreachable

FOLDER = REPOSITORY / "build" / "kombu"
UNIT = ["t/unit/transport/test_redis.py"]
SERVER = ["t/integration/test_redis.py", "t/integration/test_redis_brpop_qos.py"]
#: The tests with a server sleep most of the time: so many runs of them side by side.
SHARES = 5


class Run(NamedTuple):
    """What one or several runs of pytest have reported."""

    collected: list[str]
    outcomes: dict[str, str]
    output: str


def fetch(release: str) -> Path:
    """kombu's tests, without kombu: what is tested is what is installed."""
    folder = FOLDER / f"kombu-{release}"
    if folder.is_dir():
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=FOLDER) as scratch:
        download(release, Path(scratch))
        with tarfile.open(next(Path(scratch).glob("kombu-*.tar.gz"))) as archive:
            wanted = (f"{folder.name}/t/", f"{folder.name}/setup.cfg")
            members = [each for each in archive if each.name.startswith(wanted)]
            archive.extractall(scratch, members, filter="data")
        # Whole or not at all.
        (Path(scratch) / folder.name).rename(folder)
    return folder


def download(release: str, folder: Path) -> None:
    """The source archive; pip asks its build for metadata, here or with a setuptools of its own."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--retries", "1", "--no-deps", "--no-binary", ":all:", f"kombu=={release}"]
    command += ["--timeout", "15", "--dest", str(folder)]
    for options in (["--no-build-isolation"], []):
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        if done.returncode == 0:
            return
    missing(f"kombu's tests cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")


def start(tests: Path, files: list[str], report: Path, **variables: str) -> subprocess.Popen[bytes]:
    """kombu's configuration and conftest, none of ours, and no plugins but ours."""
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    environment |= {
        "PYTHONPATH": str(REPOSITORY),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "KOMBU_REPORT": str(report),
        **variables,
    }
    command = [sys.executable, "-m", "pytest", "-p", "tests.kombu.subclass_plugin"]
    command += ["-p", "no:cacheprovider", "-c", "setup.cfg", "--rootdir", "."]
    command += ["-q", "--tb=short", "--disable-warnings", *files]
    with report.with_suffix(".txt").open("wb") as output:
        return subprocess.Popen(
            command, cwd=tests, env=environment, stdout=output, stderr=subprocess.STDOUT
        )


def result(reports: list[Path]) -> Run:
    collected: list[str] = []
    outcomes: dict[str, str] = {}
    for report in filter(Path.is_file, reports):
        part = json.loads(report.read_text())
        collected = part["collected"]
        outcomes |= part["outcomes"]
    output = "\n".join(report.with_suffix(".txt").read_text() for report in reports)
    return Run(collected, outcomes, output)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """All of them side by side; those that need a server have one each."""
    tests = fetch(version("kombu"))
    folder = tmp_path_factory.mktemp("kombu")
    unit = folder / "unit.json"
    server = [folder / f"server{share}.json" for share in range(SHARES)]
    with ExitStack() as stack:
        processes = [start(tests, UNIT, unit, KOMBU_SHARE="0/1")]
        stack.callback(processes[0].kill)
        for share, report in enumerate(server):
            variables = {
                "REDIS_HOST": "127.0.0.1",
                "REDIS_6379_TCP": str(stack.enter_context(a_server()).port),
                "KOMBU_SHARE": f"{share}/{SHARES}",
            }
            processes.append(start(tests, SERVER, report, **variables))
            stack.callback(processes[-1].kill)
        for process in processes:
            process.wait(timeout=120)
    return {"unit": result([unit]), "server": result(server)}


def a_server() -> EmbeddedServer:
    try:
        find_binary()
    except FleetUnreachable as error:
        missing(str(error))
    return EmbeddedServer()


@pytest.mark.parametrize(("part", "at_least"), [("unit", 290), ("server", 100)])
def test_what_applies_of_kombus_tests_passes(runs, part, at_least):
    run = runs[part]
    expected = set(run.collected) - LEFT_OUT
    failed = sorted(test for test in expected if run.outcomes.get(test) != "passed")
    assert not failed, run.output
    assert len(run.outcomes) == len(expected) >= at_least, run.output


def test_every_exception_names_one_of_kombus_tests(runs):
    existing = {test for run in runs.values() for test in run.collected}
    assert not sorted(LEFT_OUT - existing)


def test_no_exception_is_listed_twice():
    assert len(LEFT_OUT) == sum(map(len, EXCEPTIONS.values()))
