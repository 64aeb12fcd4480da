"""Which running workers read with which model."""

from functools import partial

from redis.exceptions import RedisError

from producer.client.connection import connect_now
from producer.monitoring.celery_app import living
from producer.monitoring.deadline import within
from tilefleet.errors import FleetUnreachable, reason
from tilefleet.settings import Settings
from tilefleet.urls import without_password

#: Seconds for the look: who lists models may have no fleet at all.
_LOOK_S = 3.0


def readers(settings: Settings) -> dict[str, list[str]]:
    """``name@hash`` of each model that is in use → node names of the workers that hold it.

    Workers tell it themselves (`tilefleet.report`). Raises FleetUnreachable.
    """
    server = without_password(settings.result_backend)
    found: dict[str, list[str]] = {}
    try:
        client = connect_now(settings.result_backend, settings)
        try:
            workers = within(_LOOK_S, partial(living, client, settings), server=server)
        finally:
            client.close()
    except (RedisError, OSError, ValueError) as error:
        raise FleetUnreachable(f"{server}: {reason(error)}") from None
    for name, report in workers.items():
        for model in report.models:
            found.setdefault(model, []).append(name)
    return found
