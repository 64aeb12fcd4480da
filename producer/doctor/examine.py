"""The whole road, in the order in which a captcha goes it."""

from collections.abc import Iterator

from redis.exceptions import RedisError

from producer.doctor import fleet, here, server
from producer.doctor.check import FAIL, SKIP, Check
from producer.doctor.server import Server
from tilefleet.errors import FleetUnreachable
from tilefleet.settings import Settings


def examine(*, gateway: str | None, timeout_s: float, model: str | None) -> Iterator[Check]:
    """A check at a time, always the same ones; `gateway`: a URL, the usual one if not given.

    `timeout_s`: how long an answer is waited for, seconds; `model`: the name of the one that reads,
    None: each worker's default.
    """
    yield here.python()
    yield here.extras()
    check, settings = here.settings()
    yield check
    if settings is None:
        for name in ("model", *server.NAMES, "workers", "reads with", "answer"):
            yield Check(name, SKIP, "not looked at: the settings come first")
    else:
        yield here.model(settings)
        yield from _servers(settings, timeout_s, model)
    yield fleet.gateway(gateway)


def _servers(settings: Settings, timeout_s: float, model: str | None) -> Iterator[Check]:
    queues = Server(settings.broker_url, settings)
    results = queues
    if settings.result_backend != settings.broker_url:
        results = Server(settings.result_backend, settings)
    try:
        reached = queues.reach()
        yield reached
        if reached.state == FAIL:
            for name in (*server.NAMES[1:], "workers", "reads with", "answer"):
                yield Check(name, SKIP, "not looked at: the server comes first")
            return
        yield from queues.look()
        if results is not queues:
            yield from _of_results(results)
        yield from _fleet(results, timeout_s, model)
    finally:
        queues.close()
        results.close()


def _of_results(results: Server) -> Iterator[Check]:
    """The same of a server that has the results alone, under names of its own."""
    reached = results.reach()
    yield Check("results", reached.state, reached.found, reached.hint)
    if reached.state != FAIL:
        for each in results.look():
            if each.name in ("eviction", "memory"):
                yield Check("results", each.state, f"{each.name}: {each.found}", each.hint)


def _fleet(results: Server, timeout_s: float, model: str | None) -> Iterator[Check]:
    try:
        found, living = fleet.workers(*results.fleet())
    except (FleetUnreachable, RedisError, OSError) as error:
        found, living = Check("workers", FAIL, str(error)), {}
    yield found
    yield fleet.models(living)
    yield fleet.answer(living, timeout_s=timeout_s, model=model)
