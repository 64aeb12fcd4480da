"""A Celery application for those who look at the fleet: it knows names, and none of the tasks."""

from typing import Any

from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

from tilefleet import report, wire
from tilefleet.report import Report
from tilefleet.settings import Settings
from tilefleet.urls import for_celery


def application(name: str, settings: Settings) -> Celery:
    """One that is nobody's default; raises SettingError if it is not known whose fleet it is."""
    settings.check_one_fleet()
    url = for_celery(settings.broker_url)
    app = Celery(
        name,
        broker=url,
        # What is stored is looked at without Celery: `living`.
        backend="disabled://",
        set_as_current=False,
    )
    app.conf.update(
        # Celery prefers its variable to the application's URL, and to that these two.
        broker_read_url=url,
        broker_write_url=url,
        **wire.celery_settings(
            sentinel_master=settings.sentinel_master,
            key_prefix=settings.key_prefix,
            sentinel=wire.sentinel_options(
                settings.sentinel_user, settings.sentinel_password, Retry(NoBackoff(), 0)
            ),
        ),
    )
    return app


def living(client: Any, settings: Settings) -> dict[str, Report]:
    """What the workers that have started told last, by their node names; raises what redis-py
    raises.

    `client`: of the server that has the results.
    """
    pipeline = client.pipeline(transaction=False)
    now, lines = pipeline.time().hgetall(settings.key_prefix + report.KEY).execute()
    return {
        name.decode(errors="replace"): each
        for name, line in sorted(lines.items())
        if (each := report.decode(now[0], line)) is not None and each.model
    }
