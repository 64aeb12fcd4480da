"""A worker's Prometheus metrics, and that dashboards and alerts ask only for what there is."""

import json
import subprocess
import sys
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from producer import Client
from producer.local.ports import free_port
from producer.local.worker import WorkerProcess
from tests.conftest import REPOSITORY
from tests.support import promql
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.many import Supervised
from tilefleet import errors
from tilefleet.settings import Settings

OWN_SERVER = True

DEPLOY = REPOSITORY / "deploy"
#: Every server that Prometheus asks gives these.
OF_PROMETHEUS = {"job", "instance"}


class Page:
    """What ``/metrics`` says at one moment."""

    def __init__(self, port: int) -> None:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            self.families = list(text_string_to_metric_families(reply.read().decode()))
        self.samples = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        (value,) = [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return value

    def labels(self) -> dict[str, set[str]]:
        """The labels of each metric, by its samples' names."""
        found: dict[str, set[str]] = {}
        for sample in self.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
        return found


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def worker(server, port, tmp_path_factory):
    """One under a supervisor, whose page says what the worker's own says, and more."""
    environ = {"TILEFLEET_METRICS": str(port), "TILEFLEET_CACHE_S": "60"}
    environ["TILEFLEET_TILE_CACHE"] = "100"
    with Supervised(server.url, 1, folder=tmp_path_factory.mktemp("signs"), environ=environ) as one:
        yield one


@pytest.fixture
def fleet(server, worker):
    with Client(server.url) as client:
        yield client


def test_every_captcha_is_counted_by_its_outcome(fleet, port, sample):
    before = Page(port)
    images = [sample + bytes([number]) for number in range(10)] * 2 + [b"no image"] * 3
    outcomes = [outcome for _, outcome in fleet.outcomes(images, window=8)]
    assert sum(isinstance(outcome, errors.NotAnImage) for outcome in outcomes) == 3
    after = wait_until(lambda: (page := Page(port)).value(
        "tilefleet_worker_claimed_messages") == 0 and page)  # fmt: skip
    counted = "tilefleet_worker_captchas_total"
    grown = after.value(counted, outcome="answered") - before.value(counted, outcome="answered")
    assert grown == 20
    assert after.value(counted, outcome="NotAnImage") == 3
    read = after.value("tilefleet_worker_pass_captchas_sum") - before.value(
        "tilefleet_worker_pass_captchas_sum"
    )
    # What joined another one before its pass is answered by that pass.
    assert read + after.value("tilefleet_worker_cached_captchas_total") == 20
    for what in ("decode", "wait", "pass", "store"):
        assert after.value(f"tilefleet_worker_{what}_seconds_count") >= 10
        assert after.value(f"tilefleet_worker_{what}_seconds_sum") > 0
    assert after.value("tilefleet_worker_waiting_captchas") == 0
    assert after.value("tilefleet_worker_ready") == 1


def test_tiles_that_are_known_again_are_counted(fleet, port, sample):
    def counted():
        page = Page(port)
        tiles = "tilefleet_worker_cache_tiles_total"
        found = [page.value(tiles, found=found) for found in ("hit", "miss")]
        return (*found, page.value("tilefleet_worker_pass_captchas_sum"))

    fleet.solve(sample + b"seen", timeout=30)
    hits, misses, captchas = counted()
    fleet.solve(sample + b"seen again", timeout=30)
    wait_until(lambda: counted() == (hits + 8, misses, captchas + 1))


def test_every_metric_says_of_which_fleet_it_is(fleet, port, sample):
    fleet.solve(sample, timeout=20)
    page = Page(port)
    assert page.labels()
    assert {name for name, labels in page.labels().items() if "fleet" not in labels} == set()
    assert page.value("tilefleet_worker_ready", fleet="tilefleet") == 1


def test_names_and_units_follow_the_conventions_of_prometheus(worker, port):
    page = Page(port)
    ours = [family for family in page.families if family.name.startswith("tilefleet_")]
    assert len(ours) > 20
    for family in ours:
        assert family.name.startswith("tilefleet_worker_")
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_ms", "_milliseconds", "_count", "_total"))
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        if family.type == "histogram":
            buckets = [each for each in family.samples if each.name.endswith("_bucket")]
            values = [each.value for each in buckets]
            assert values == sorted(values)
            assert buckets[-1].labels["le"] == "+Inf"
            (count,) = [e.value for e in family.samples if e.name.endswith("_count")]
            assert count == values[-1]


@pytest.mark.parametrize(
    ("given", "address"), [("9101", "127.0.0.1:9101"), ("0.0.0.0:9101", "0.0.0.0:9101")]
)
def test_the_page_is_for_this_machine_only_unless_told_otherwise(given, address):
    assert Settings.from_environ({"TILEFLEET_METRICS": given}).metrics == address


@pytest.mark.parametrize("given", ["0", "host", "host:", "70000", "9101/metrics"])
def test_what_is_no_address_is_refused(given):
    with pytest.raises(errors.SettingError, match="TILEFLEET_METRICS"):
        Settings.from_environ({"TILEFLEET_METRICS": given})


def test_an_address_that_is_taken_stops_the_worker_with_one_line(server, worker, port):
    other = WorkerProcess(server.url, environ={**NULL, "TILEFLEET_METRICS": str(port)})
    with pytest.raises(errors.FleetError, match=f"TILEFLEET_METRICS='127.0.0.1:{port}' is not"):
        other.__enter__()


def test_a_worker_has_no_page_unless_it_is_set(server):
    script = "from worker import app; import sys; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "False\n"


# What is deployed ------------------------------------------------------------------------------


def expressions() -> list[tuple[str, str]]:
    """(where it is, expression) of everything in deploy/ that asks Prometheus."""
    found = []
    dashboard = json.loads((DEPLOY / "grafana/dashboards/tilefleet.json").read_text())
    for panel in dashboard["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
    for group in rules["groups"]:
        found += [(rule["alert"], rule["expr"]) for rule in group["rules"]]
    return found


@contextmanager
def gateway(url: str):
    """``tilefleet serve`` on a free port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "producer.cli", "serve", "--port", str(port)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "CELERY_BROKER_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        assert process.poll() is None
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return True
        except URLError:
            return False

    try:
        wait_until(answers)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def test_dashboards_and_alerts_ask_for_metrics_and_labels_that_exist(
    server, worker, fleet, port, sample
):
    # One of each kind: labels exist from the first captcha on.
    fleet.solve(sample)
    known = Page(port).labels()
    pytest.importorskip("producer.gateway.metrics", reason="the gateway has no metrics")
    with gateway(server.url) as door:
        body = f"http://127.0.0.1:{door}/v1/solve"
        with urlopen(body, data=sample, timeout=20) as reply:
            assert reply.status == 200
        # The gateway knows the fleet after its first look, the worker's rate after a busy second.
        known |= wait_until(lambda: (labels := Page(door).labels()).get("tilefleet_queue_messages")
                            and labels)  # fmt: skip
    # Told only while the fleet's rate is known.
    known.setdefault("tilefleet_queue_drain_seconds", set())
    for where, expression in expressions():
        asked = promql.metrics(expression)
        assert asked, where
        for name in asked:
            assert name in known, f"{where} asks for {name}"
        there = set().union(*(known[name] for name in asked)) | OF_PROMETHEUS
        assert promql.labels(expression) <= there, where


def test_the_check_finds_what_does_not_exist():
    expression = 'sum by (lane) (rate(a_total{x=~"b|c"}[5m])) / on (job) group_left () d_seconds'
    assert promql.metrics(expression) == {"a_total", "d_seconds"}
    assert promql.labels(expression) == {"lane", "x", "job"}


def test_alerts_say_what_is_wrong_and_panels_do_not_overlap():
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    assert all(rule["labels"]["severity"] in ("warning", "critical") for rule in alerts)
    assert all(rule["annotations"]["summary"].endswith(".") for rule in alerts)
    taken = set()
    for panel in json.loads((DEPLOY / "grafana/dashboards/tilefleet.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
