"""Captchas in the worker, without a message."""

from types import SimpleNamespace

from worker.engine_room.job import Delivery, Job


def job(data: object, *, wanted: bool = True, **options) -> Job:
    """A captcha in a delivery of its own; not `wanted`: revoked or expired."""
    request = SimpleNamespace(id=f"id of {data!r}", dropped=lambda: not wanted)
    return Job(data, Delivery(request), **options)
