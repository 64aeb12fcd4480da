"""What a server says of itself when it is greeted (``HELLO``), which every account may do."""

from typing import Any


def told(reply: Any) -> dict[str, str]:
    """Its reply by names, as text: ``server``, ``version``, ``mode`` …"""
    # The older protocol has a flat list.
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=False)
    return {_text(name): _text(value) for name, value in pairs}


def is_cluster(reply: Any) -> bool:
    """Whether it is a node of a Redis Cluster."""
    return told(reply).get("mode") == "cluster"


def refusal(server: str) -> str:
    """What to say of one; `server`: its URL without the password."""
    return (
        f"{server} is a node of a Redis Cluster, which cannot take a queue's scripts and "
        "subscriptions: use servers of their own, and name them all in TILEFLEET_SHARDS"
    )


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
