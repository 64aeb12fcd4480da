"""What tests share: where the real data is; a real server, worker and `fleet` as users have them.

A missing part skips on a developer's machine, with a reason, and is an error in CI.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.support.running import accounts
from tilefleet.testing import EmbeddedServer, WorkerProcess

pytest_plugins = ["tilefleet.testing.plugin"]

if accounts.ON:
    accounts.install()

# Before anything imports Keras, which reads it once.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLES = REPOSITORY / "samples"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from tests.support.side_by_side import Shares

    return Shares(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        from tests.support.side_by_side import in_order

        items[:] = in_order(items)


def missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{what}: this may be missing on a developer's machine, not in CI")
    pytest.skip(what)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real captchas, tiles and legacy networks."""
    folder = Path(os.environ.get("TILEFLEET_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "captchas" / "answers.csv").is_file():
        missing(f"no real data in {folder}; TILEFLEET_DATA names the folder")
    return folder


@pytest.fixture(scope="session")
def captcha(data_folder: Path) -> bytes:
    """One real captcha, a JPEG of 13.5 kB."""
    return (data_folder / "captchas" / "000.jpg").read_bytes()


@pytest.fixture(scope="session")
def sample() -> bytes:
    """One of our own captchas."""
    return min(SAMPLES.glob("*.jpg")).read_bytes()


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """The session's server, which `worker` reads from; of a module with OWN_SERVER, one of its own,
    in which there is nothing of other tests."""
    if getattr(request.module, "OWN_SERVER", False):
        with EmbeddedServer() as own:
            yield own
    else:
        yield request.getfixturevalue("tilefleet_server")


@pytest.fixture
def redis(server: EmbeddedServer) -> Iterator[Redis]:
    """A look into that server."""
    with Redis.from_url(server.url) as redis:
        yield redis


@pytest.fixture(scope="session")
def worker(tilefleet_worker: WorkerProcess) -> WorkerProcess:
    """A worker with the built-in model, started as users start it."""
    return tilefleet_worker


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the built wheel, as a user has it."""
    from tests.support import wheel

    folder = tmp_path_factory.mktemp("wheel")
    return wheel.install(wheel.build(folder), folder / "environment")
