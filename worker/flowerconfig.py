"""What Flower does where nobody says otherwise: ``celery -A worker flower`` runs this file.

Precedence: an option on Flower's command line, then its own variable (``FLOWER_PORT``,
``FLOWER_BASIC_AUTH``, …), then the default here. ``--conf FILE`` takes another file instead.

Whoever may open Flower may stop workers, so it is never without a password: one of its own making,
printed at the start, if none is set. ``FLOWER_BASIC_AUTH_FILE`` names a file with ``user:password``
lines, for secrets that are mounted.
"""

import os
import secrets
import sys
from pathlib import Path

from tornado.options import options


def _state_folder() -> Path:
    """Where the state of a user's programs lives (XDG), for this user only."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "tilefleet"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _users() -> list[str]:
    """``user:password`` of each who may in."""
    if file := os.environ.get("FLOWER_BASIC_AUTH_FILE"):
        try:
            text = Path(file).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            sys.exit(f"tilefleet: FLOWER_BASIC_AUTH_FILE={file!r} cannot be read: {error}")
        users = [line.strip() for line in text.splitlines() if ":" in line]
        if not users:
            sys.exit(f"tilefleet: FLOWER_BASIC_AUTH_FILE={file!r} has no line user:password")
        return users
    password = secrets.token_urlsafe(12)
    print(
        f"Flower: user flower, password {password} (of its own making, for this run; "
        "FLOWER_BASIC_AUTH=user:password sets one)",
        file=sys.stderr,
        flush=True,
    )
    return [f"flower:{password}"]


_defaults = {
    "address": "127.0.0.1",
    # What was asked, what came of it, when, and by whom.
    "tasks_columns": "name,state,args,result,exception,received,started,runtime,worker,uuid",
    # Three events a captcha, so some seconds of a busy fleet, hours of a calm one.
    "max_tasks": 20_000,
    # Our workers send events unasked: Flower need not tell them every few seconds.
    "enable_events": False,
    # Workers come and go with the load.
    "purge_offline_workers": 300,
    "inspect_timeout": 3000.0,
    # A restart keeps what it saw. Flower's own format (shelve), in a folder of this user's.
    "persistent": True,
    "state_save_interval": 300_000,
    # From a millisecond: Flower's own buckets begin at five.
    "task_runtime_metric_buckets": [
        *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
        float("inf"),
    ],
}
_free = {
    name: value for name, value in _defaults.items() if f"FLOWER_{name.upper()}" not in os.environ
}
# Tornado takes a file's names for options: what it finds here goes before the environment.
globals().update(_free)
if _free.get("persistent") and not os.environ.get("FLOWER_DB"):
    db = str(_state_folder() / "flower")
# A variable that is there and empty is one that nobody has set.
if not any(options.basic_auth or ()) and not options.auth:
    basic_auth = _users()
