"""What to do about an error, for the end of the line that tells it."""

import os
from typing import Final

from tilefleet.errors import FleetUnreachable, Overloaded, TilefleetError
from tilefleet.settings import SERVER_VARIABLES

#: What a server, redis-py or the system says, in small letters, and what helps.
_SERVER_SAYS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (
        ("wrongpass", "invalid username-password", "noauth", "authentication required"),
        "give its user and password in CELERY_BROKER_URL (redis://user:password@host:6379/0), or "
        "the name of a file with that URL in CELERY_BROKER_URL_FILE",
    ),
    (
        ("oom ", "maxmemory"),
        "its memory is full: raise its maxmemory, or start more workers to empty the queues "
        "(tilefleet top shows them)",
    ),
    (
        ("noperm", "no permissions", "can't access"),
        "this account may not do that: deploy/redis/users.acl has the rights that each side needs",
    ),
    (("readonly", "read only replica"), "this is a replica: name the server that is written to"),
    (
        ("name or service not known", "nodename nor servname", "name resolution"),
        "is the host in CELERY_BROKER_URL spelt right?",
    ),
    (
        ("wrong version number", "certificate", "ssl"),
        "rediss:// is for servers with TLS, redis:// for those without",
    ),
)


def with_advice(error: TilefleetError) -> str:
    """The error's text, and what to do about it if that is not in it already."""
    text, advice = str(error), ""
    if isinstance(error, FleetUnreachable):
        advice = _reach(text.lower())
    elif isinstance(error, Overloaded):
        advice = "send later, or start more workers (tilefleet top shows them)"
    return f"{text}; {advice}" if advice else text


def _reach(text: str) -> str:
    if "pip install" in text:
        return ""
    if text.startswith("rediss://") and "nothing accepted" in text:
        # A server without TLS waits for the rest of a command that never comes.
        return "does that server speak TLS? rediss:// is for those that do, redis:// for others"
    for says, advice in _SERVER_SAYS:
        if any(each in text for each in says):
            return advice
    named = next((name for name in SERVER_VARIABLES if os.environ.get(name)), "")
    if named:
        return (
            f"is {named} right, and does that server run? With it unset, tilefleet up starts one; "
            "tilefleet doctor looks further"
        )
    return (
        "start a server, a worker and a gateway here with tilefleet up, or name your server in "
        "CELERY_BROKER_URL"
    )
