"""The options of ``celery -A worker worker``: each works, or ends the start with one line.

They are read from the command line as the application is imported, before Celery makes a pool of
them or, with ``-D``, goes into the background: what is wrong is said where it was typed.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import click
from celery.bin.worker import worker as celery_worker

from tilefleet import wire
from tilefleet.errors import did_you_mean
from tilefleet.settings import Settings
from worker import option_values

#: Celery's commands that come after an application's name.
_COMMANDS: Final = ("worker", "flower", "inspect", "control", "status", "events")

#: Pools whose threads share the networks of one engine room, and those of processes without one.
_SHARED: Final = ("threads", "solo")
_PROCESSES: Final = ("prefork", "processes")
#: Of green threads; Celery itself ends where theirs are not installed, before it reads our code.
_GREEN: Final = ("gevent", "eventlet")

#: What a pool of threads cannot do, and what to do instead.
_NOT_SHARED: Final = {
    "autoscale": "a worker reads with as many sessions as -c says; start more workers to read more",
    "max_tasks_per_child": "it has no child processes; restart it, nothing is lost",
    "max_memory_per_child": "it has no child processes; limit the worker's memory by its container "
    "or unit (deploy/)",
    "time_limit": "a pass belongs to many captchas; have senders set expires",
    "soft_time_limit": "a pass belongs to many captchas; have senders set expires",
    "pool_start_method": "it starts no processes",
    "prefetch_multiplier": "it claims what its passes have use for; set -c and TILEFLEET_MAX_BATCH",
}
#: What no pool can do.
_NEVER: Final = {
    "disable_prefetch": "many captchas are claimed at once; set -c and TILEFLEET_MAX_BATCH",
}
#: Settings of ours that only an engine room has.
_ROOM_ONLY: Final = {"metrics": "TILEFLEET_METRICS", "health": "TILEFLEET_HEALTH"}

_WITHOUT_ROOM: Final = (
    "-P prefork: each process has networks of its own and reads one captcha at a time; no shared "
    "passes, no change of model, and not all of docs/guarantees.md: see there"
)


def command(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Celery's command in a command line, and what follows it; ("", ()) if there is none."""
    for number, (before, word) in enumerate(pairwise(arguments)):
        if word in _COMMANDS and before not in ("-A", "--app"):
            return word, arguments[number + 2 :]
    return "", ()


def _check_values(context: click.Context, given: Mapping[str, Any]) -> None:
    """Raises click's error for a value that is none of its option's."""
    for option in celery_worker.params:
        # Pools are looked up in an application, which is not there yet.
        if isinstance(option, click.Option) and option.name not in ("pool", None):
            value = given.get(option.name)
            if option.name == "concurrency" and not str(value or "").strip("0"):
                # As many as Celery finds good.
                continue
            if value is not None and not option.is_flag:
                # What others than this do with theirs needs an application, too.
                checks = option.name == "concurrency"
                (option.process_value if checks else option.type_cast_value)(context, value)


class WorkerOptions:
    """What follows ``worker``, by the names of Celery's parameters; as text."""

    def __init__(self, arguments: Sequence[str]) -> None:
        #: What Celery does not understand of it, as Celery says it; "" if it does.
        self.mistake = ""
        context = click.Context(celery_worker, info_name="worker")
        given: Mapping[str, Any] = {}
        try:
            given = celery_worker.make_parser(context).parse_args(list(arguments))[0]
            _check_values(context, given)
        except click.ClickException as error:
            self.mistake = error.format_message().rstrip(".")
        self._given = given

    @property
    def pool(self) -> str:
        """Celery cannot tell ``--pool prefork`` from no option; here it is threads by default."""
        return str(self._given.get("pool", "threads"))

    @property
    def is_named(self) -> bool:
        """Whether the worker was given a name."""
        return "hostname" in self._given

    @property
    def hostname(self) -> str | None:
        """The node's name as it was given, ``%`` forms unexpanded."""
        return self._given.get("hostname")

    @property
    def has_concurrency(self) -> bool:
        return "concurrency" in self._given

    @property
    def has_processes(self) -> bool:
        return self.pool in _PROCESSES

    def refusal(self, settings: Settings) -> str:
        """Why a worker cannot be started so, and what to use instead; "" if it can."""
        pools = (*_SHARED, *_PROCESSES)
        if self.pool not in (*pools, *_GREEN):
            hint = did_you_mean(self.pool, pools)
            return f"-P {self.pool} is not usable: there are {', '.join(pools)}{hint}"
        if self.pool in _GREEN:
            return (
                f"-P {self.pool} is not usable: reading takes processors, which green threads "
                f"share; use -P threads (the default), solo or prefork"
            )
        cannot = _NEVER if self.has_processes else {**_NEVER, **_NOT_SHARED}
        for name, advice in cannot.items():
            if name in self._given:
                return f"{self._flag(name)} is not usable with -P {self.pool}: {advice}"
        if self.has_processes:
            if self._given.get("pool_start_method") == "spawn":
                return "--pool-start-method spawn is not usable: use fork, the default"
            for name, variable in _ROOM_ONLY.items():
                if getattr(settings, name):
                    return (
                        f"{variable} is not usable with -P {self.pool}; use -P threads, the default"
                    )
        name, why = option_values.unusable(self._given)
        if why:
            return f"{self._flag(name)} {self._given[name]} is not usable: {why}"
        for queue in self._queues:
            model = wire.model_of(queue)
            if model and model not in settings.models:
                return (
                    f"-Q {queue} is not usable: this worker does not hold the model {model!r}; "
                    f"TILEFLEET_MODEL={','.join((*settings.models, model))} has it hold that too"
                )
        return ""

    def refusal_of_many(self, count: int) -> str:
        """Why `count` workers under one supervisor cannot be started so; "" if they can."""
        if self.has_processes:
            return (
                f"-P {self.pool} is not usable with tilefleet worker: it starts processes of its "
                "own; use celery -A worker worker, or leave it out"
            )
        if "detach" in self._given:
            return "--detach is not usable with tilefleet worker: use systemd (deploy/systemd)"
        for name in ("pidfile", "statedb", "logfile"):
            if count > 1 and "%" not in self._given.get(name, "%"):
                return (
                    f"{self._flag(name)} {self._given[name]} is not usable with {count} workers: "
                    "each needs a file of its own; put %n, a worker's name, into it"
                )
        return ""

    def warnings(self, models: Sequence[str]) -> list[str]:
        """What a worker that is started so, and holds these models, should say."""
        found = [_WITHOUT_ROOM] if self.has_processes else []
        lanes = wire.lanes(models)
        others = [queue for queue in self._queues if queue not in lanes]
        hint = "".join(did_you_mean(queue, lanes) for queue in others)
        given = " ".join(
            f"{flag} {self._given[name]}"
            for flag, name in (("-Q", "queues"), ("-X", "exclude_queues"))
            if self._given.get(name)
        )
        without = {each for lane in self.excluded for each in wire.family(lane, models)}
        if given and not set(self._queues or lanes) & (set(lanes) - without):
            found.append(
                f"{given}: this worker reads no captchas; the lanes are {', '.join(lanes)}{hint}"
            )
        elif hint:
            found.append(f"{given}: {', '.join(others)} is no lane of captchas{hint}")
        return found

    @property
    def excluded(self) -> list[str]:
        """Queues that are not read though they are among those of the application (-X)."""
        return self._listed("exclude_queues")

    @property
    def _queues(self) -> list[str]:
        return self._listed("queues")

    def _listed(self, option: str) -> list[str]:
        given = str(self._given.get(option) or "")
        return [queue for queue in given.replace(" ", "").split(",") if queue]

    @staticmethod
    def _flag(name: str) -> str:
        return "--" + name.replace("_", "-")
