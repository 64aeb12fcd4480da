"""Every name and number that a sender and a worker must agree on.

The task is sent by name, so a sender never needs the worker's code; docs/architecture.md gives
the message and the answer.
"""

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

#: Raw bytes stay raw in msgpack; JSON carries them base64-wrapped by kombu. Pickle is refused.
SERIALIZER: Final = "msgpack"
ACCEPT: Final = ("msgpack", "json")
RESULT_SERIALIZER: Final = "json"

#: The header that says when a message was sent: Unix time, seconds. Plain Celery sends none.
SENT_AT: Final = "sent_at"

#: Seconds after which what a lost worker had claimed is another's. It has to be the same on every
#: node. A live worker begins the leases of what it holds anew, so a pass may take longer.
LEASE_S: Final = 15

#: Seconds after which a server that says nothing is away: without this it hangs a client for
#: minutes. A third of a lease, so that a worker that meets one still keeps what it holds.
TIMEOUT_S: Final = 5

#: Seconds a result waits for its reader.
RESULT_EXPIRES_S: Final = 300

#: Seconds after which a captcha that nobody waits for any more is not read, unless its sender
#: says otherwise.
EXPIRES_S: Final = 120


def encode_error(error: Exception | None) -> dict[str, Any]:
    """What stands in an answer's place in a list: which class of `tilefleet.errors`, and why."""
    return {"error": {"type": type(error).__name__, "message": str(error)}}


def celery_settings(
    *, sentinel_master: str, key_prefix: str, sentinel_user: str = "", sentinel_password: str = ""
) -> dict[str, Any]:
    """Celery's settings that have to be equal on both sides.

    `sentinel_master`: what the sentinels of a ``sentinel://`` URL call the server, and who we are
    to them. `key_prefix`: in front of every key, so that several fleets can share a database.
    """
    servers = {
        "master_name": sentinel_master,
        "global_keyprefix": key_prefix,
        "sentinel_kwargs": sentinel_options(sentinel_user, sentinel_password),
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


def sentinel_options(user: str, password: str) -> dict[str, Any]:
    """redis-py's options for connections to sentinels, which have accounts of their own."""
    return {
        "username": user or None,
        "password": password or None,
        "socket_connect_timeout": TIMEOUT_S,
        "socket_timeout": TIMEOUT_S,
    }


#: kombu's options for the Redis broker.
_TRANSPORT_OPTIONS: Final = {
    "visibility_timeout": LEASE_S,
    # Seconds between looks for leases that have ended.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    # kombu pops from its queues in this order: "captcha" sorts before "captcha.bulk".
    "queue_order_strategy": "sorted",
    "socket_connect_timeout": TIMEOUT_S,
    "socket_timeout": TIMEOUT_S,
    "socket_keepalive": True,
    # Seconds between looks whether connections that only listen still live.
    "health_check_interval": TIMEOUT_S,
}
