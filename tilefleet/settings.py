"""The settings, read once at the edge of a process.

Precedence: a command's own option, then the environment, then a file that the environment names
(`CELERY_BROKER_URL_FILE`), then the default here. Celery's things keep Celery's variables
(`CELERY_BROKER_URL`, `CELERY_RESULT_BACKEND`); ours are `TILEFLEET_*`.
Inner objects never read the environment: they take plain keyword arguments.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from tilefleet import values, wire
from tilefleet.errors import SettingError, did_you_mean
from tilefleet.urls import SCHEMES, parse, without_password
from tilefleet.urls.shards import name as shard_name
from tilefleet.urls.shards import split as split_shards

ENGINES: Final = ("auto", "litert", "keras", "null")
DEFAULT_BROKER: Final = "redis://127.0.0.1:6379/0"

#: Where a server that is not the default one is named, the first that is set.
SERVER_VARIABLES: Final = ("CELERY_BROKER_URL", "CELERY_BROKER_URL_FILE")

#: What is a password, and what holds one: may be given as a file's name in a variable with _FILE
#: at its end.
_SECRETS: Final = ("TILEFLEET_SENTINEL_PASSWORD",)
_IN_FILES: Final = (
    *("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "TILEFLEET_SHARDS"),
    *_SECRETS,
)

#: Bytes of such a file, at most.
_MOST_SECRET: Final = 1 << 16

#: Variables with our prefix that are read elsewhere: where tests find the real data.
_OTHER_VARIABLES: Final = frozenset({"TILEFLEET_DATA"})


def _broker_url(text: str) -> str:
    parse(text)
    return text


def _backend_url(text: str) -> str:
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise ValueError("a URL such as redis://host:6379/0")
    if scheme.strip().lower() in SCHEMES:
        parse(text)
    # Any other backend of Celery's is its own affair.
    return text


def default_store() -> Path:
    """Where imported and trained models live: the XDG data folder of the user."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "tilefleet" / "models"


def _setting(variable: str, parse: Callable[[str], Any], what: str, default: Any) -> Any:
    metadata = {"variable": variable, "parse": parse, "what": what}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; build one with `from_environ`."""

    broker_url: str = _setting(
        "CELERY_BROKER_URL", _broker_url, "the Redis server that holds the queues", DEFAULT_BROKER
    )
    shards: tuple[str, ...] = _setting(
        "TILEFLEET_SHARDS",
        split_shards,
        "several servers for senders instead, each with workers and answers of its own",
        (),
    )
    shard_down: str = _setting(
        "TILEFLEET_SHARD_DOWN",
        values.one_of("retry", "refuse"),
        "captchas whose shard is down: retry (the next one reads them), or refuse",
        "retry",
    )
    result_backend: str = _setting(
        "CELERY_RESULT_BACKEND", _backend_url, "where answers are stored; the broker if not set", ""
    )
    sentinel_master: str = _setting(
        "TILEFLEET_SENTINEL_MASTER",
        str,
        "what the sentinels of a sentinel:// URL call the server",
        "mymaster",
    )
    sentinel_user: str = _setting(
        "TILEFLEET_SENTINEL_USER", str, "the account at the sentinels; none: the default one", ""
    )
    sentinel_password: str = _setting(
        "TILEFLEET_SENTINEL_PASSWORD",
        str,
        "its password, where sentinels ask for one; the server's is in the URL",
        "",
    )
    key_prefix: str = _setting(
        "TILEFLEET_KEY_PREFIX", str, "in front of every key, for fleets that share a database", ""
    )
    fleet: str = _setting(
        "TILEFLEET_FLEET",
        values.name,
        "what metrics and events call the fleet, where several are watched together",
        "tilefleet",
    )
    transport: str = _setting(
        "TILEFLEET_TRANSPORT",
        values.one_of("batch", "stock"),
        "how workers claim messages: batch (many at once, none lost), or stock (kombu's own)",
        "batch",
    )
    short_way: int = _setting(
        "TILEFLEET_SHORT_WAY",
        values.whole(0, 1),
        "plain captchas go from the claim to the engine room at once; 0: all go Celery's way",
        1,
    )
    lease_s: int = _setting(
        "TILEFLEET_LEASE_S",
        values.whole(1, 3600),
        "seconds after which another worker takes over what a lost one had claimed; the same "
        "on every node",
        wire.LEASE_S,
    )
    models: tuple[str, ...] = _setting(
        "TILEFLEET_MODEL",
        values.names,
        "which model of the store reads; several with commas between them, and the first reads "
        "what names none",
        ("builtin",),
    )
    engine: str = _setting(
        "TILEFLEET_ENGINE",
        values.one_of(*ENGINES),
        "what runs it: auto, litert, keras, or null (answers without looking)",
        "auto",
    )
    precision: str = _setting(
        "TILEFLEET_PRECISION",
        values.one_of("auto", "float32", "int8"),
        "what the litert engine computes in, of a model that has both: auto (the faster here)",
        "auto",
    )
    second_look: str = _setting(
        "TILEFLEET_SECOND_LOOK",
        values.name,
        "model of the store that reads what the first one is unsure of; none: it answers alone",
        "",
    )
    store: Path = _setting(
        "TILEFLEET_STORE", values.path, "folder of imported and trained models", default_store
    )
    processes: int = _setting(
        "TILEFLEET_PROCESSES",
        values.whole(0, 1024),
        "workers that tilefleet worker runs here; 0: one for each core, one in all on a GPU",
        0,
    )
    gpu_memory_mb: int = _setting(
        "TILEFLEET_GPU_MEMORY_MB",
        values.whole(0, 10_000_000),
        "most memory that a worker takes of a GPU, MiB; 0: what it needs, as it needs it",
        0,
    )
    max_batch: int = _setting(
        "TILEFLEET_MAX_BATCH",
        values.whole(0, 4096),
        "most captchas in one pass; 0: the engine's own",
        0,
    )
    max_bytes: int = _setting(
        "TILEFLEET_MAX_BYTES", values.whole(1024, 1 << 30), "largest image accepted, bytes", 2 << 20
    )
    max_list: int = _setting(
        "TILEFLEET_MAX_LIST", values.whole(1, 4096), "most captchas in one worker.solve_many", 256
    )
    max_waiting: int = _setting(
        "TILEFLEET_MAX_WAITING",
        values.whole(1, 10_000_000),
        "most captchas that may wait on the lane captcha, per worker; senders are refused above",
        1000,
    )
    max_waiting_bulk: int = _setting(
        "TILEFLEET_MAX_WAITING_BULK",
        values.whole(1, 10_000_000),
        "the same for captcha.bulk, in messages",
        20_000,
    )
    cache_s: int = _setting(
        "TILEFLEET_CACHE_S",
        values.whole(0, 3600),
        "seconds for which an answer is kept for captchas with the same bytes; 0: not at all",
        0,
    )
    result_once: int = _setting(
        "TILEFLEET_RESULT_ONCE",
        values.whole(0, 300),
        "seconds for which an answer is still stored once a sender has heard it; 0: as any other",
        0,
    )
    tile_cache: int = _setting(
        "TILEFLEET_TILE_CACHE",
        values.whole(0, 50_000),
        "pictures of tiles that the litert engine knows again without its network; 0: none",
        0,
    )
    events: float = _setting(
        "TILEFLEET_EVENTS",
        values.share,
        "share of captchas whose events are sent to Flower and other monitors, 0 to 1",
        1.0,
    )
    traces: float = _setting(
        "TILEFLEET_TRACES",
        values.share,
        "share of captchas whose way is traced with OpenTelemetry, 0 to 1; senders choose, workers "
        "and gateways go on with what they chose; 0: nothing is traced",
        0.0,
    )
    metrics: str = _setting(
        "TILEFLEET_METRICS",
        values.address,
        "[host:]port where workers have their Prometheus metrics; none: they have none",
        "",
    )
    log: str = _setting(
        "TILEFLEET_LOG",
        values.one_of("text", "json"),
        "how workers and the gateway write their log: text, or json (an object a line)",
        "text",
    )
    health: str = _setting(
        "TILEFLEET_HEALTH",
        values.file,
        "folder where one worker shows that it is ready and alive (tilefleet health); none: "
        "it does not",
        "",
    )
    shutdown_s: int = _setting(
        "TILEFLEET_SHUTDOWN_S",
        values.whole(1, 3600),
        "seconds a stopping worker or gateway may take to finish what it accepted",
        20,
    )

    keys: str = _setting(
        "TILEFLEET_KEYS",
        values.file,
        "the gateway's file of API keys (tilefleet keys add); none: it asks for no key",
        "",
    )
    cors: str = _setting(
        "TILEFLEET_CORS",
        values.origins,
        "origins, with commas between them, whose pages may ask the gateway from a browser",
        "",
    )
    hosts: str = _setting(
        "TILEFLEET_HOSTS",
        values.hosts,
        "names, with commas between them, under which the gateway may be asked without a key, "
        "beside addresses and names without a dot; none: any, except on loopback",
        "",
    )
    proxies: str = _setting(
        "TILEFLEET_PROXIES",
        values.networks,
        "addresses and networks of proxies that the gateway believes whom they ask for "
        "(X-Forwarded-For, Forwarded); none: nobody",
        "127.0.0.0/8,::1/128",
    )
    prefix: str = _setting(
        "TILEFLEET_PREFIX",
        values.prefix,
        "path in front of the gateway's own, for a proxy that leaves it there",
        "",
    )

    def __post_init__(self) -> None:
        if not self.result_backend:
            object.__setattr__(self, "result_backend", self.broker_url)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read and validate; raises SettingError with the variable, its value and what it takes."""
        environ = os.environ if environ is None else environ
        given: dict[str, Any] = {}
        for setting in fields(cls):
            variable = setting.metadata["variable"]
            text = environ.get(variable, "") or _from_file(variable, environ)
            # A file of variables that was written by Windows.
            text = text.rstrip("\r\n")
            if not text:
                continue
            try:
                given[setting.name] = setting.metadata["parse"](text)
            except ValueError as error:
                shown = "***" if variable in _SECRETS else without_password(text)
                raise SettingError(f"{variable}={shown!r} is not usable: give {error}") from None
        return cls(**given)

    @property
    def model(self) -> str:
        """The one that reads what names none."""
        return self.models[0]

    def check_one_fleet(self) -> None:
        """For what belongs to one fleet, or looks at one; raises SettingError if it may be another.

        With shards, `CELERY_BROKER_URL` has to name one of them.
        """
        if self.shards and shard_name(self.broker_url) not in map(shard_name, self.shards):
            raise SettingError(
                f"CELERY_BROKER_URL={without_password(self.broker_url)!r} is none of "
                "TILEFLEET_SHARDS: workers, and commands that look at them, belong to one shard; "
                "set it to that one"
            )

    def rows(self) -> list[tuple[str, str, str]]:
        """(variable, value, meaning) of each setting, for people; a password is not shown."""
        rows = []
        for setting in fields(self):
            variable, value = setting.metadata["variable"], getattr(self, setting.name)
            # As they are given.
            between = "," if setting.name == "models" else " "
            value = between.join(value) if isinstance(value, tuple) else str(value)
            shown = value and "***" if variable in _SECRETS else without_password(value)
            rows.append((variable, shown, setting.metadata["what"]))
        return rows


def _from_file(variable: str, environ: Mapping[str, str]) -> str:
    """What holds a password may be in a file instead, as container platforms mount secrets."""
    file = environ.get(f"{variable}_FILE", "") if variable in _IN_FILES else ""
    if not file:
        return ""
    try:
        # A pipe is one way to give it: what a shell makes of <(…).
        with values.path(file.rstrip("\r\n")).open("rb") as opened:
            found = opened.read(_MOST_SECRET + 1)
        if len(found) > _MOST_SECRET:
            raise ValueError(f"it has more than {_MOST_SECRET:,} bytes")
        return found.decode("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        raise SettingError(f"{variable}_FILE={file!r} cannot be read: {error}") from None


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """One line for each TILEFLEET_* variable that no setting reads, with the nearest name."""
    environ = os.environ if environ is None else environ
    known = {setting.metadata["variable"] for setting in fields(Settings)} | _OTHER_VARIABLES
    known |= {f"{variable}_FILE" for variable in _IN_FILES}
    return [
        f"{variable} is not a setting{did_you_mean(variable, known)}"
        for variable in sorted(environ)
        if variable.startswith("TILEFLEET_") and variable not in known
    ]
