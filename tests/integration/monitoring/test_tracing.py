"""One trace of a captcha: the program's span, the call, and what took how long in the worker."""

import os
import subprocess
import sys

import pytest

from producer import Client
from tests.support.running.collector import collector
from tests.support.running.fleet import NULL, another_app, solve, wait_until
from tests.support.running.gateway import gateway
from tilefleet import NotAnImage
from tilefleet.testing import EmbeddedServer, WorkerProcess

OWN_SERVER = True

PARTS = {"queue", "wait", "decode", "pass", "store"}
#: What a gateway or a program's own span sends.
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

PROGRAM = """
import sys
from tilefleet import Client, TilefleetError

with Client() as fleet:
    for path in sys.argv[1:]:
        try:
            fleet.solve(path, timeout=60)
        except TilefleetError as error:
            print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def traces():
    with collector() as traces:
        yield traces


@pytest.fixture(scope="module")
def worker(server, traces):
    with WorkerProcess(server.url, environ={"TILEFLEET_ENGINE": "litert", **traces.environ}) as one:
        yield one


def program(server, *files, environ):
    """What a program prints that sends these."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, files)],
        env={**os.environ, "CELERY_BROKER_URL": server.url, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def complete(traces, name, count=1):
    """The traces that have a span of that name, once they have the worker's too."""

    def look():
        found = {span.trace for span in traces.spans if span.name == name}
        done = [traces.trace(each) for each in found]
        done = [each for each in done if "process captcha" in each]
        return done if len(done) >= count else None

    return wait_until(look)


def test_a_captcha_s_way_is_one_trace_from_the_call_to_the_parts(
    server, worker, traces, tmp_path, sample
):
    traces.spans.clear()
    (tmp_path / "good.jpg").write_bytes(sample)
    assert program(server, tmp_path / "good.jpg", environ=traces.environ) == ""
    (spans,) = complete(traces, "solve captcha")
    call, process = spans["solve captcha"], spans["process captcha"]
    assert call.parent == ""
    assert call.service == "tilefleet-client"
    assert process.parent == call.id
    assert process.service == "tilefleet-worker"
    assert spans.keys() == {"solve captcha", "process captcha", *PARTS}
    for part in PARTS:
        assert spans[part].parent == process.id
        assert spans[part].started <= spans[part].ended
    assert spans["wait"].started <= spans["decode"].started
    assert spans["decode"].ended <= spans["pass"].started
    assert spans["wait"].ended <= spans["pass"].ended <= spans["store"].ended
    assert not any(span.failed for span in spans.values())
    assert process.attributes["messaging.message.id"] == call.attributes["messaging.message.id"]
    assert process.attributes["tilefleet.pass_size"] == 1
    assert process.attributes["tilefleet.model"].startswith("builtin@")


def test_what_fails_is_seen_in_its_trace_without_its_picture(server, worker, traces, tmp_path):
    traces.spans.clear()
    (tmp_path / "bad.jpg").write_bytes(b"no picture at all")
    assert program(server, tmp_path / "bad.jpg", environ=traces.environ) == "NotAnImage\n"
    (spans,) = complete(traces, "solve captcha")
    for name in ("solve captcha", "process captcha"):
        assert spans[name].failed
        assert spans[name].attributes["error.type"] == "NotAnImage"
    assert "pass" not in spans
    assert "no picture at all" not in str(traces.spans)


def test_a_list_is_one_span_with_the_parts_of_all(server, worker, traces, monkeypatch, sample):
    traces.spans.clear()
    from opentelemetry import trace as api

    from tilefleet.tracing import provider

    for name, value in traces.environ.items():
        monkeypatch.setenv(name, value)
    assert isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)
    with Client(server.url) as fleet:
        # So long that it is beside its message.
        bad = b"no picture" * 10_000
        *_, (_, error) = fleet.outcomes([sample, sample + b"\0", bad], bulk=True)
        assert isinstance(error, NotAnImage)
    provider.close()
    spans = wait_until(
        lambda: (
            {span.name: span for span in traces.spans if span.trace == traces.spans[0].trace}.keys()
            >= {"solve captcha.bulk", "process captcha.bulk", *PARTS}
            and [*traces.spans]
        )
    )
    assert len(spans) == 2 + len(PARTS)
    for span in spans:
        assert span.attributes.get("tilefleet.failed") == (1 if "captcha" in span.name else None)


def test_a_request_with_a_traceparent_goes_on_with_it(server, worker, traces, sample):
    traces.spans.clear()
    # Of what is not chosen by whoever asks, next to nothing.
    environ = {**traces.environ, "TILEFLEET_TRACES": "0.000001"}
    with gateway(server.url, environ=environ) as http:
        for flags in ("01", "00"):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}
            assert http.post("/v1/solve", content=sample, headers=headers).status_code == 200
        (spans,) = complete(traces, "solve captcha")
    assert spans["solve captcha"].service == "tilefleet-gateway"
    assert spans["solve captcha"].trace == TRACE
    assert spans["solve captcha"].parent == PARENT
    assert [span.name for span in traces.spans].count("process captcha") == 1


def test_another_celery_application_is_followed_by_its_header_alone(server, worker, traces, sample):
    traces.spans.clear()
    with another_app(server.url) as app:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        solve(app, sample).apply_async(headers=headers).get(timeout=20)
        for header in ("nonsense", f"00-{TRACE}-{PARENT}-00", 5, None):
            solve(app, sample).apply_async(headers={"traceparent": header}).get(timeout=20)
    (span,) = wait_until(lambda: [each for each in traces.spans if each.name == "process captcha"])
    assert (span.trace, span.parent) == (TRACE, PARENT)


def test_nothing_is_traced_or_loaded_unless_it_is_asked_for(server, worker, traces, tmp_path):
    traces.spans.clear()
    script = (
        "import sys; from tilefleet import Client\n"
        "with Client() as fleet:\n    fleet.submit(b'any')\n"
        # redis-py loads what else is installed of OpenTelemetry.
        "ours = ('tilefleet.tracing', 'producer.client.tracing', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "CELERY_BROKER_URL": server.url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "[]\n", done.stderr
    assert traces.spans == []


def test_a_collector_that_is_away_costs_no_captcha_and_half_a_minute_at_no_end(server, tmp_path):
    environ = {
        **NULL,
        "TILEFLEET_TRACES": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    with EmbeddedServer() as own, WorkerProcess(own.url, environ=environ, stop_s=20) as one:
        (tmp_path / "any.jpg").write_bytes(b"any")
        assert program(own, tmp_path / "any.jpg", environ=environ) == ""
        assert one.stop() == 0


def test_several_workers_under_one_supervisor_trace_and_need_no_library_where_nothing_is_traced(
    traces, tmp_path, sample
):
    traces.spans.clear()
    (tmp_path / "good.jpg").write_bytes(sample)
    with EmbeddedServer() as own:
        environ = {**os.environ, **NULL, **traces.environ, "CELERY_BROKER_URL": own.url}
        command = [sys.executable, "-m", "producer.cli", "worker", "-n", "2"]
        process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
        try:
            program(own, tmp_path / "good.jpg", environ=traces.environ)
            (spans,) = complete(traces, "solve captcha")
            assert spans["process captcha"].parent == spans["solve captcha"].id
        finally:
            process.terminate()
            process.wait(30)
    script = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from worker.supervisor.preload import preload; from tilefleet.settings import Settings\n"
        "preload(Settings(engine='null')); assert 'worker.monitoring.tracing' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
