"""Several servers behind one client: who reads what, and what happens when one is away."""

import asyncio
import subprocess
import sys
from contextlib import ExitStack
from time import monotonic

import pytest
from redis import Redis

from producer import AsyncClient, Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from producer.monitoring.watch import Watch
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.servers import FragileServer, stopped
from tilefleet import wire
from tilefleet.errors import FleetError, FleetUnreachable, SettingError
from tilefleet.settings import Settings
from tilefleet.urls import shards

IMAGES = [b"captcha %d" % number for number in range(60)]


@pytest.fixture
def three():
    with ExitStack() as stack:
        yield [stack.enter_context(FragileServer()) for _ in range(3)]


@pytest.fixture
def patient(monkeypatch):
    """No server is left out for being slow, on a machine with other work."""
    monkeypatch.setattr("producer.client.transport.shards._ANSWER_S", 60.0)


def urls(servers) -> list[str]:
    return [server.url for server in servers]


def homes(servers) -> list[list[bytes]]:
    """The captchas of each server, by the rule."""
    names = [shards.name(server.url) for server in servers]
    found = [[] for _ in servers]
    for image in IMAGES:
        found[shards.ranked(image, names)[0]].append(image)
    return found


def waiting(server) -> int:
    with Redis.from_url(server.url) as redis:
        return redis.llen(wire.LANE) + redis.llen(wire.BULK_LANE)


@pytest.mark.parametrize("bulk", [False, True])
def test_each_captcha_is_read_by_the_workers_of_its_own_shard(three, bulk, patient):
    with ExitStack() as stack:
        for server in three:
            stack.enter_context(
                WorkerProcess(server.url, environ={**NULL, "TILEFLEET_CACHE_S": "60"})
            )
        fleet = stack.enter_context(Client(shards=urls(three)))
        other = stack.enter_context(Client(shards=urls(three[::-1])))
        for client in (fleet, other):
            answers = list(client.map(IMAGES, bulk=bulk, timeout=90))
            assert [image for image, _ in answers] == IMAGES
        # The second client's were known where they went: each was read once.
        for server, home in zip(three, homes(three), strict=True):
            assert 0 < len(home) < len(IMAGES)
            wait_until(lambda: counted(server) == (len(home), len(home)))  # noqa: B023


def counted(server) -> tuple[int, int]:
    """Captchas that passes answered, and that needed none."""
    with Watch(Settings(broker_url=server.url)) as watch:
        (report,) = watch.look().workers.values()
        return report.figures.captchas, report.figures.joined


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_shard_that_is_down_is_left_out_within_two_seconds_and_comes_back(three, how):
    async def play() -> None:
        async with AsyncClient(shards=urls(three)) as fleet:
            first, others = three[0], three[1:]
            for image in IMAGES:
                await fleet.submit(image)
            assert [waiting(server) for server in three] == [len(home) for home in homes(three)]
            home = homes(three)[0]
            if how == "killed":
                first.kill()
                await self_heals(fleet, others, home)
                first.restart()
            else:
                with stopped(first.pid):
                    await self_heals(fleet, others, home)
            before = waiting(first)
            deadline = monotonic() + 15
            while waiting(first) == before:
                # Its captchas go there again.
                await fleet.submit(home[0])
                assert monotonic() < deadline
                await asyncio.sleep(0.2)

    async def self_heals(fleet, others, home) -> None:
        before = sum(map(waiting, others))
        began = monotonic()
        for image in home[:5]:
            await fleet.submit(image)
        assert monotonic() - began < 3, "two seconds until it is left out, and then at once"
        began = monotonic()
        for image in home[5:]:
            await fleet.submit(image)
        assert monotonic() - began < 1
        assert sum(map(waiting, others)) == before + len(home)

    asyncio.run(play())


def test_by_the_rule_retry_what_is_waited_for_is_read_by_the_next(three):
    async def play() -> None:
        # The first one's captchas wait: it has no worker.
        with ExitStack() as stack:
            for server in three[1:]:
                stack.enter_context(WorkerProcess(server.url, environ=NULL))
            async with AsyncClient(shards=urls(three)) as fleet:
                solving = [asyncio.create_task(fleet.solve(image, 30)) for image in IMAGES]
                while sum(task.done() for task in solving) < len(IMAGES) - len(homes(three)[0]):
                    await asyncio.sleep(0.1)
                assert waiting(three[0]) == len(homes(three)[0])
                three[0].kill()
                began = monotonic()
                answers = await asyncio.gather(*solving)
                assert monotonic() - began < 10
                assert {answer.model for answer in answers} == {"null"}

    asyncio.run(play())


def test_by_the_rule_refuse_only_the_captchas_of_a_shard_that_is_down_fail(three, monkeypatch):
    monkeypatch.setenv("TILEFLEET_SHARD_DOWN", "refuse")
    with ExitStack() as stack:
        for server in three[1:]:
            stack.enter_context(WorkerProcess(server.url, environ=NULL))
        fleet = stack.enter_context(Client(shards=urls(three)))
        fleet.submit(IMAGES[0])
        three[0].kill()

        def refused():
            with pytest.raises(FleetUnreachable) as error:
                fleet.submit(homes(three)[0][0])
            return "TILEFLEET_SHARD_DOWN=refuse" in str(error.value)

        wait_until(refused, 3)
        assert all(fleet.solve(image, 20) for home in homes(three)[1:] for image in home[:5])
        with pytest.raises(FleetUnreachable):
            fleet.solve(homes(three)[0][1], 20)


def test_what_waits_and_who_works_is_that_of_all(three, patient):
    async def play() -> None:
        async with AsyncClient(shards=urls(three)) as fleet:
            for image in IMAGES:
                await fleet.submit(image)
            with ExitStack() as stack:
                for server in three:
                    stack.enter_context(
                        WorkerProcess(server.url, "-Q", wire.BULK_LANE, environ=NULL)
                    )
                seen = await fleet.look()
                assert seen.waiting(wire.LANE) == len(IMAGES)
                assert seen.fleet.workers == 3

    asyncio.run(play())


def test_with_all_of_them_down_it_says_which(three):
    with Client(shards=urls(three)) as fleet:
        fleet.submit(b"any")
        for server in three:
            server.kill()
        with pytest.raises(FleetUnreachable) as refused:
            fleet.solve(b"any", 20)
        assert all(str(server.port) in str(refused.value) for server in three)


def test_the_settings_name_them_and_a_worker_has_to_be_told_its_own(three, monkeypatch, patient):
    monkeypatch.setenv("TILEFLEET_SHARDS", " ".join(urls(three)))
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.delenv("CELERY_RESULT_BACKEND", raising=False)
    with Client() as fleet:
        for image in IMAGES:
            fleet.submit(image)
    assert [waiting(server) for server in three] == [len(home) for home in homes(three)]
    elsewhere = WorkerProcess("redis://127.0.0.1:1/0", environ=NULL)
    with pytest.raises(FleetError, match="is none of TILEFLEET_SHARDS"):
        elsewhere.__enter__()
    with WorkerProcess(three[0].url, environ=NULL):
        wait_until(lambda: waiting(three[0]) == 0)
    top = subprocess.run(
        [sys.executable, "-m", "producer.cli", "top", "--once"], capture_output=True, text=True
    )
    assert top.returncode == 1
    assert "is none of TILEFLEET_SHARDS" in top.stderr


def test_results_elsewhere_are_refused(three):
    with pytest.raises(SettingError, match="not usable with shards"):
        Client(result_backend="redis://elsewhere", shards=urls(three))


def test_a_redis_cluster_is_refused_with_what_to_use_instead(tmp_path):
    with EmbeddedServer("--cluster-enabled", "yes", "--dir", str(tmp_path)) as server:
        with pytest.raises(FleetError, match=r"Redis Cluster.*TILEFLEET_SHARDS") as refused:
            WorkerProcess(server.url, environ=NULL).__enter__()
        assert "Traceback" not in str(refused.value)
        with (
            Client(server.url) as fleet,
            pytest.raises(FleetUnreachable, match=r"Redis Cluster.*TILEFLEET_SHARDS"),
        ):
            fleet.submit(b"any")
