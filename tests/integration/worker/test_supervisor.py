"""Several workers under one supervisor: names, signals, restarts, one page, one sign, memory."""

import os
import signal
from pathlib import Path
from socket import gethostname
from time import sleep
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from producer import Client
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.monitoring.health import of_worker
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.many import Supervised
from tilefleet import report, wire


@pytest.fixture
def server():
    with EmbeddedServer() as server:
        yield server


def names(redis) -> set[str]:
    """What is not the machine's: ``tilefleet@HOST-1`` → ``tilefleet-1``."""
    found = {name.decode() for name in redis.hkeys(report.KEY)}
    return {name.replace(f"@{gethostname()}", "") for name in found}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def figure(port: int, name: str, **labels: str) -> float:
    """The sum of what the page says under this name with these labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        families = list(text_string_to_metric_families(reply.read().decode()))
    found = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert found, name
    return sum(found)


def test_each_has_a_name_and_all_have_one_page_and_one_sign(server, redis, tmp_path):
    port = free_port()
    environ = {**NULL, "TILEFLEET_METRICS": str(port), "TILEFLEET_LOG": "json"}
    with Supervised(server.url, 3, folder=tmp_path, environ=environ) as workers:
        assert of_worker(tmp_path).why.endswith(" 3 of 3 workers")
        assert names(redis) == {"tilefleet-1", "tilefleet-2", "tilefleet-3"}
        with Client(server.url) as fleet:
            answers = [answer for _, answer in fleet.map([b"%d" % each for each in range(60)])]
            assert len(answers) == 60
        counted = "tilefleet_worker_captchas_total"
        wait_until(lambda: figure(port, counted, outcome="answered") == 60)
        ready = [figure(port, "tilefleet_worker_ready", process=each) for each in "123"]
        assert ready == [1, 1, 1]
        assert figure(port, "tilefleet_worker_processes", state="wanted") == 3
        assert figure(port, "tilefleet_worker_processes", state="told") == 3
        assert figure(port, "tilefleet_worker_restarts_total") == 0
        # Each worker's, and that of the page.
        assert len(workers.children()) == 4
    assert workers.process.returncode == 0
    assert not any(tmp_path.iterdir())
    assert not of_worker(tmp_path).good


def test_one_that_is_killed_is_started_again_and_loses_nothing(server, redis, tmp_path):
    environ = {**NULL, "TILEFLEET_LEASE_S": "1"}
    with (
        Supervised(server.url, 2, "-c", "1", folder=tmp_path, environ=environ) as workers,
        Client(server.url) as fleet,
    ):
        before = workers.children()
        pending = [fleet.submit(b"%d" % each) for each in range(100)]
        os.kill(before[0], signal.SIGKILL)
        assert len([each.result(60) for each in pending]) == 100
        wait_until(lambda: len(workers.children()) == 2 and before[0] not in workers.children())
        assert of_worker(tmp_path).good, "the other one takes captchas all the time"
        wait_until(lambda: of_worker(tmp_path).why.endswith(" 2 of 2 workers"))
        assert names(redis) == {"tilefleet-1", "tilefleet-2"}
        assert "was ended by signal 9; it is started again in 1 s" in workers.log
    assert workers.process.returncode == 0


def test_told_to_end_they_finish_what_they_claimed(server, redis, sample, tmp_path):
    with Client(server.url) as fleet:
        with Supervised(server.url, 2, "-c", "1", folder=tmp_path) as workers:
            pending = [fleet.submit(sample + b"%d" % each) for each in range(100)]
            assert workers.stop() == 0
        assert workers.log.count("Warm shutdown") == 2
        ready = [each for each in pending if each.ready()]
        assert len(ready) + redis.llen(wire.LANE) == 100
        assert redis.hlen("unacked") == 0


def test_the_end_from_a_terminal_is_passed_on_once(server, tmp_path):
    with Supervised(server.url, 2, folder=tmp_path, environ=NULL) as workers:
        # As a terminal does: to the whole group in front.
        os.killpg(workers.process.pid, signal.SIGINT)
        # Celery's own code for an end by this signal.
        assert workers.process.wait(30) == 1
        assert workers.log.count("Warm shutdown") == 2
        assert "Cold" not in workers.log


def test_a_soft_shutdown_is_passed_on(server, tmp_path):
    options = ("--", "worker_soft_shutdown_timeout=1", "worker_enable_soft_shutdown_on_idle=True")
    with Supervised(server.url, 2, *options, folder=tmp_path, environ=NULL) as workers:
        workers.process.send_signal(signal.SIGQUIT)
        workers.process.wait(30)
        assert workers.log.count("Initiating Soft Shutdown") == 2


def test_told_to_renew_they_are_started_anew_one_after_the_other(server, redis, tmp_path):
    with Supervised(server.url, 2, folder=tmp_path, environ=NULL) as workers:
        before = set(workers.children())
        workers.process.send_signal(signal.SIGHUP)

        def renewed():
            assert of_worker(tmp_path).good, workers.log
            return len(workers.children()) == 2 and not before & set(workers.children())

        wait_until(renewed)
        wait_until(lambda: of_worker(tmp_path).why.endswith(" 2 of 2 workers"))
    assert workers.process.returncode == 0


def test_without_their_supervisor_they_end_in_order(server, tmp_path):
    with Supervised(server.url, 2, folder=tmp_path, environ=NULL) as workers:
        children = workers.children()
        workers.process.kill()
        wait_until(lambda: not any(map(alive, children)))
        assert workers.log.count("Warm shutdown") == 2


@pytest.mark.parametrize(
    ("options", "environ", "why"),
    [
        ((), {"TILEFLEET_MODEL": "nothing"}, "no model called 'nothing'"),
        ((), {"TILEFLEET_ENGINE": "gpu"}, "TILEFLEET_ENGINE='gpu' is not usable"),
        (("-P", "prefork"), {}, "-P prefork is not usable with tilefleet worker"),
        (("--autoscale", "3,1"), {}, "--autoscale is not usable"),
        (("--statedb", "state"), {}, "each needs a file of its own"),
    ],
    ids=["no model", "no setting", "a pool of processes", "autoscale", "one file for several"],
)
def test_what_cannot_work_is_said_once_before_anything_runs(
    server, tmp_path, options, environ, why
):
    workers = Supervised(server.url, 2, *options, folder=tmp_path / "health", environ=environ)
    workers.start()
    assert workers.process.wait(60) == 1
    workers.stop()
    assert why in workers.log
    assert len(workers.log.splitlines()) == 1, workers.log


def test_workers_that_never_come_up_end_all(server, tmp_path):
    options = ("--include", "tests.support.no_such_module")
    workers = Supervised(server.url, 2, *options, folder=tmp_path, environ=NULL)
    workers.start()
    assert workers.process.wait(60) == 1
    workers.stop()
    assert "has never been ready: all end" in workers.log


def test_a_second_worker_takes_less_than_60_megabytes(server, sample, tmp_path):
    with (
        Supervised(server.url, 2, "-c", "1", folder=tmp_path) as workers,
        Client(server.url) as fleet,
    ):
        images = [sample + b"%d" % each for each in range(200)]
        assert len(list(fleet.map(images))) == 200
        sleep(1)
        children = workers.children()
        maps = [Path(f"/proc/{pid}/maps").read_text() for pid in children]
        # The model is in memory once.
        assert all("memfd:tiles.tflite" in each for each in maps)
        inodes = {line.split()[4] for each in maps for line in each.splitlines()
                  if "memfd:tiles.tflite" in line}  # fmt: skip
        assert len(inodes) == 1
        for pid in children:
            # What it shares with the others is a part of this.
            assert proportional(pid) < 60e6


def proportional(pid: int) -> float:
    """Bytes of memory, those that are shared divided by who shares them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith("Pss:")]
    return int(kilobytes) * 1024
