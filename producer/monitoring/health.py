"""``tilefleet health``: is the worker, or the gateway, all right? Exit code 0 says yes.

Cheap, as it is asked every few seconds: two files, or one request; neither Celery nor Redis nor a
network is loaded. `tilefleet.health` says what the files are, `worker.monitoring.health`
writes them.
"""

import http.client
from dataclasses import dataclass
from pathlib import Path
from time import time
from urllib.parse import urlsplit

from tilefleet import health
from tilefleet.errors import SettingError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found."""

    good: bool
    why: str
    #: Of the worker that is ready.
    pid: int | None = None


def of_worker(folder: Path, *, ready: bool = True, stale_s: float = health.STALE_S) -> Finding:
    """By the files of the worker that has `folder`: whether it lives, and takes captchas.

    `stale_s`: how old its heartbeat may be, seconds.
    """
    heartbeat, sign = folder / health.HEARTBEAT, folder / health.READY
    try:
        age_s = time() - heartbeat.stat().st_mtime
    except OSError as error:
        return Finding(False, f"no worker: {heartbeat}: {error.strerror}")
    if age_s > stale_s:
        why = f"nothing has moved for {age_s:.0f} s, and {stale_s:g} s are allowed ({heartbeat})"
        return Finding(False, why)
    if not ready:
        return Finding(True, f"alive {max(age_s, 0):.1f} s ago")
    try:
        about = sign.read_text(errors="replace").strip()
    except OSError as error:
        return Finding(False, f"alive, but takes no captchas: {sign}: {error.strerror}")
    _, _, rest = about.partition(" ")
    pid = rest.partition(" ")[0]
    return Finding(True, about, int(pid) if pid.isdecimal() else None)


def of_gateway(url: str, *, ready: bool, timeout_s: float) -> Finding:
    """By one request: ``/readyz``, or ``/healthz`` if it only has to live."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(f"{url!r} is no address of a gateway, such as http://127.0.0.1:8000")
    path = parts.path.rstrip("/") + ("/readyz" if ready else "/healthz")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname, parts.port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read(2000).decode(errors="replace").strip()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Finding(False, f"{parts.scheme}://{parts.netloc}{path}: {error}")
    return Finding(response.status == 200, f"{response.status} {' '.join(body.split())}")


def folder_of(setting: str) -> Path:
    """The folder to look into; raises SettingError if none is set."""
    if not setting:
        raise SettingError(
            "where the worker shows that it lives is not known: set "
            "TILEFLEET_HEALTH to a folder, for it and here; or give --gateway URL"
        )
    return Path(setting)
