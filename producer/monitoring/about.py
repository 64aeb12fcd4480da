"""``tilefleet --version``: what a report of a fault should say."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from redis.exceptions import RedisError

from producer.client.connection import connect_now, why
from producer.monitoring.deadline import within
from producer.terminal.catalogue import chosen
from tilefleet.errors import TilefleetError
from tilefleet.settings import Settings
from tilefleet.urls import without_password
from tilefleet.urls.hello import told

#: Seconds that the server may take to say what it is.
_ASKED_S: Final = 2.0


def installed(package: str) -> str:
    """Its version; ``not installed``."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def hello(client: Any) -> dict[str, str]:
    """What the server says of itself."""
    return told(client.execute_command("HELLO"))


def server_name(said: dict[str, str]) -> str:
    """``Valkey 9.1.2`` or ``Redis 8.0.1``, from what `hello` gives."""
    return f"{said.get('server', 'redis').capitalize()} {said.get('version', 'unknown')}"


def versions() -> list[tuple[str, str]]:
    """(what, which) of this installation, the server and the model; raises nothing of ours."""
    rows = [
        ("tilefleet", installed("tilefleet")),
        ("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"),
        ("Celery", f"{installed('celery')}, kombu {installed('kombu')}"),
        ("redis-py", installed("redis")),
    ]
    try:
        settings = Settings.from_environ()
    except TilefleetError as error:
        return [*rows, ("settings", str(error))]
    return [*rows, ("server", _server(settings)), ("model", chosen(settings))]


def _server(settings: Settings) -> str:
    url = settings.broker_url
    shown = without_password(url)
    client = connect_now(url, settings)
    try:
        said = within(_ASKED_S, lambda: hello(client), server=shown)
    except (TilefleetError, RedisError, OSError) as error:
        return f"none at {shown} ({why(error)})"
    finally:
        client.close()
    return f"{server_name(said)} at {shown}"
