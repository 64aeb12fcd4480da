"""A Celery application for those who look at the fleet: it knows names, and none of the tasks."""

from typing import Any

from celery import Celery

from tilefleet import report, wire
from tilefleet.report import Report
from tilefleet.settings import Settings


def application(name: str, settings: Settings) -> Celery:
    """One that is nobody's default."""
    app = Celery(
        name,
        broker=settings.broker_url,
        backend=settings.result_backend,
        set_as_current=False,
    )
    app.conf.update(
        wire.celery_settings(
            sentinel_master=settings.sentinel_master, key_prefix=settings.key_prefix
        )
    )
    return app


def living(app: Celery, settings: Settings) -> dict[str, Report]:
    """What the workers that have started told last, by their node names; raises what redis-py
    raises."""
    client: Any = app.backend.client
    pipeline = client.pipeline(transaction=False)
    now, lines = pipeline.time().hgetall(settings.key_prefix + report.KEY).execute()
    return {
        name.decode(errors="replace"): each
        for name, line in sorted(lines.items())
        if (each := report.decode(now[0], line)) is not None and each.model
    }
