"""Every name and number that a sender and a worker must agree on.

The task is sent by name, so a sender never needs the worker's code; docs/architecture.md gives
the message and the answer.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

#: One captcha: a single argument, the image as bytes.
TASK_SOLVE: Final = "worker.solve"

#: Many captchas: a single argument, a list of images. Its result is a list of answers, or of
#: ``{"error": {"type": …, "message": …}}`` in the place of one, in the same order.
TASK_SOLVE_MANY: Final = "worker.solve_many"

#: The lanes. A worker empties the first before it looks at the second.
LANE: Final = "captcha"
BULK_LANE: Final = "captcha.bulk"
LANES: Final = (LANE, BULK_LANE)
#: Between a lane and a model: what names a model waits on lanes of that model's own, which only
#: workers that hold it read. What names none is read by any worker, with its default model.
OF_MODEL: Final = "@"

#: Raw bytes stay raw in msgpack; JSON carries them base64-wrapped by kombu. Pickle is refused.
SERIALIZER: Final = "msgpack"
ACCEPT: Final = ("msgpack", "json")
RESULT_SERIALIZER: Final = "json"

#: Bytes of an image that are sent at most: base64 makes them a third more, and servers refuse a
#: message above their `proto-max-bulk-len`, 64 MB in deploy/. Workers have a lower bound.
MOST_IMAGE_BYTES: Final = 32 << 20

#: The header that says when a message was sent: Unix time, seconds. Plain Celery sends none.
SENT_AT: Final = "sent_at"

#: A long body may be beside its message: stored under `body_key` as the serialiser made it, until
#: the message is acknowledged, which says in this header how many bytes it has, and has `BESIDE`
#: for its argument. What a claim's script takes off a list it copies and hashes, byte by byte: such
#: a message costs the server a tenth. Only for workers that fetch bodies (`report.Report.fetches`).
STORED: Final = "stored_bytes"
BESIDE: Final = "the images are beside the message"
#: Bytes that such a message has at most: a longer one is not looked through.
MOST_BESIDE_BYTES: Final = 4096

#: The lease, Celery's visibility_timeout: seconds after which what a lost worker had claimed is
#: another's. It has to be the same on every node. A live worker begins the leases of what it holds
#: anew, so a pass may take longer.
LEASE_S: Final = 15

#: Seconds after which a server that says nothing is away: without this it hangs a client for
#: minutes. A third of a lease, so that a worker that meets one still keeps what it holds.
TIMEOUT_S: Final = 5

#: Seconds a result waits for its reader.
RESULT_EXPIRES_S: Final = 300

#: Seconds after which a captcha that nobody waits for any more is not read, unless its sender
#: says otherwise.
EXPIRES_S: Final = 120

#: kombu's options for the Redis broker.
_TRANSPORT_OPTIONS: Final = {
    "visibility_timeout": LEASE_S,
    # Seconds between looks for leases that have ended.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": TIMEOUT_S,
    "socket_timeout": TIMEOUT_S,
    "socket_keepalive": True,
    # Seconds between looks whether connections that only listen still live.
    "health_check_interval": TIMEOUT_S,
}


def lane(model: str = "", *, bulk: bool = False) -> str:
    """``captcha``, or ``captcha@mine``; `model`: its name, or none."""
    base = BULK_LANE if bulk else LANE
    return f"{base}{OF_MODEL}{model}" if model else base


def lanes(models: Iterable[str]) -> list[str]:
    """All that workers which hold these models read: where somebody waits first."""
    named = ["", *models]
    return [lane(model, bulk=bulk) for bulk in (False, True) for model in named]


def family(queue: str, models: Iterable[str]) -> list[str]:
    """A lane of all workers, and with it those of these models; another queue alone."""
    named = models if queue in LANES else ()
    return [queue, *(lane(model, bulk=queue == BULK_LANE) for model in named)]


def is_lane(queue: str) -> bool:
    """Whether captchas wait there, for whichever model."""
    return queue.partition(OF_MODEL)[0] in LANES


def is_bulk(queue: object) -> bool:
    """Whether it is a lane where nobody waits for the captchas."""
    return isinstance(queue, str) and queue.partition(OF_MODEL)[0] == BULK_LANE


def model_of(queue: object) -> str:
    """The model that a lane is of; none for those of all workers, and for other queues."""
    base, _, model = queue.partition(OF_MODEL) if isinstance(queue, str) else ("", "", "")
    return model if base in LANES else ""


def body_key(task_id: str) -> str:
    """Where the body of a task's message is, if it is not in it; without the key prefix."""
    return f"tilefleet-body-{task_id}"


def encode_error(error: Exception | None) -> dict[str, Any]:
    """What stands in an answer's place in a list: which class of `tilefleet.errors`, and why."""
    return {"error": {"type": type(error).__name__, "message": str(error)}}


def celery_settings(
    *, sentinel_master: str, key_prefix: str, sentinel: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Celery's settings that have to be equal on both sides.

    `sentinel_master`: what the sentinels of a ``sentinel://`` URL call the server; `sentinel`: the
    `sentinel_options`. `key_prefix`: in front of every key, so that several fleets can share a
    database.
    """
    servers = {
        "master_name": sentinel_master,
        "global_keyprefix": key_prefix,
        "sentinel_kwargs": dict(sentinel or {}),
    }
    return {
        "task_default_queue": LANE,
        "task_serializer": SERIALIZER,
        "accept_content": list(ACCEPT),
        "result_serializer": RESULT_SERIALIZER,
        "result_accept_content": [RESULT_SERIALIZER],
        "result_expires": RESULT_EXPIRES_S,
        "broker_transport_options": {**_TRANSPORT_OPTIONS, **servers},
        "result_backend_transport_options": servers,
        # One connection to the results for all threads of a process instead of one for each.
        "result_backend_thread_safe": True,
        "redis_socket_connect_timeout": TIMEOUT_S,
        "redis_socket_timeout": TIMEOUT_S,
    }


def sentinel_options(user: str, password: str, retry: Any) -> dict[str, Any]:
    """redis-py's options for connections to sentinels, which have accounts of their own.

    `retry`: redis-py's; without one it asks a sentinel that is away ten times, for seconds, before
    the next one.
    """
    return {
        "retry": retry,
        "username": user or None,
        "password": password or None,
        "socket_connect_timeout": TIMEOUT_S,
        "socket_timeout": TIMEOUT_S,
    }
