"""The sender's spans: which captchas get one, and how it ends."""

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from producer.client.retries import Retries
from producer.client.transport.shards import Shard, Shards
from producer.testing import transport
from producer.testing.script import Script
from producer.testing.transport import FakeTransport
from tilefleet import AnswerTimeout, NotAnImage, Overloaded, Revoked
from tilefleet.errors import FleetUnreachable, SettingError
from tilefleet.testing import AsyncFakeFleet, FakeFleet
from tilefleet.tracing import provider
from tilefleet.urls.shards import ranked


@pytest.fixture
def own(monkeypatch):
    """A program's own OpenTelemetry."""
    own = TracerProvider()
    monkeypatch.setattr(provider, "tracer", lambda _: own.get_tracer("tilefleet"))
    return own


@pytest.fixture
def spans(own):
    exporter = InMemorySpanExporter()
    own.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter.get_finished_spans


def fleet(monkeypatch, share: float = 1.0) -> FakeFleet:
    monkeypatch.setenv("TILEFLEET_TRACES", str(share))
    return FakeFleet()


def test_each_captcha_has_a_span_with_its_end(monkeypatch, spans):
    with fleet(monkeypatch) as fake:
        fake.when(b"bad", NotAnImage("html"))
        fake.solve(b"good")
        with pytest.raises(NotAnImage):
            fake.solve(b"bad")
    good, bad = spans()
    assert good.name == bad.name == "solve captcha"
    assert good.status.status_code is StatusCode.UNSET
    assert bad.status.status_code is StatusCode.ERROR
    assert (bad.status.description, bad.attributes["error.type"]) == ("html", "NotAnImage")


def test_a_share_of_them_is_traced(monkeypatch, spans):
    with fleet(monkeypatch, share=0.2) as fake:
        list(fake.map(bytes([number]) * 3 for number in range(200)))
    assert 10 < len(spans()) < 90


def test_a_program_s_span_goes_above_and_decides(monkeypatch, own, spans):
    with fleet(monkeypatch, share=0.000001) as fake:
        with own.get_tracer("program").start_as_current_span("booking") as booking:
            fake.solve(b"any")
        unseen = TracerProvider(sampler=ALWAYS_OFF).get_tracer("program")
        with unseen.start_as_current_span("not recorded"):
            fake.solve(b"any")
    call, _ = spans()
    assert call.parent == booking.get_span_context()
    assert not trace.get_current_span().get_span_context().is_valid


def test_what_is_refused_or_cancelled_says_so(monkeypatch, spans):
    monkeypatch.setenv("TILEFLEET_TRACES", "1")

    async def run() -> None:
        # Tried again once: that is the same call.
        async with AsyncFakeFleet(retries=1) as fake:
            with fake.overloaded(drain_s=0.1), pytest.raises(Overloaded):
                await fake.solve(b"any", timeout=30)
            fake.when(b"slow", NotAnImage("late"), delay_s=60)
            pending = await fake.submit(b"slow")
            pending.cancel()
            await asyncio.sleep(0)

    asyncio.run(run())
    assert [span.attributes["error.type"] for span in spans()] == ["Overloaded", "Cancelled"]


def test_the_error_is_the_one_that_is_raised(monkeypatch, spans):
    with fleet(monkeypatch) as fake:
        fake.when(b"late", NotAnImage("late"), delay_s=60)
        for bulk in (False, True):
            ((_, outcome),) = fake.outcomes([b"late"], timeout=0.05, bulk=bulk)
            assert isinstance(outcome, AnswerTimeout)
    # As Celery's backend stores that one.
    expired = {"exc_type": "TaskRevokedError", "exc_message": ["expired"]}
    monkeypatch.setattr(transport, "_meta", lambda _: {"status": "REVOKED", "result": expired})
    with fleet(monkeypatch) as fake, pytest.raises(Revoked):
        fake.solve(b"expired")
    raised = [span.attributes["error.type"] for span in spans()]
    assert raised == ["AnswerTimeout", "AnswerTimeout", "Revoked"]
    assert "no answer within 0.05 s" in spans()[0].status.description


def test_of_a_list_it_says_how_many_failed(monkeypatch, spans):
    with fleet(monkeypatch) as fake:
        fake.when(b"bad", NotAnImage("html"))
        list(fake.outcomes([b"good", b"bad", b"good too", b"bad"], bulk=True))
    (span,) = spans()
    assert span.attributes["tilefleet.failed"] == 2
    assert span.attributes["tilefleet.model"]
    assert span.status.status_code is StatusCode.UNSET


class Two(AsyncFakeFleet):
    """Two servers, one of which is unreachable."""

    def _connect(self) -> Shards:
        up, down = Script(), Script()
        down.when(lambda _: True, FleetUnreachable("away"))
        lines = [FakeTransport(script, Retries.of(0)) for script in (down, up)]
        each = [Shard(line, name) for line, name in zip(lines, "ab", strict=True)]
        return Shards(each, tracing=self._tracing)


@pytest.mark.parametrize("share", [1.0, 0.000001])
def test_what_goes_to_one_server_after_the_other_is_one_trace(monkeypatch, spans, share):
    monkeypatch.setenv("TILEFLEET_TRACES", str(share))
    # Of the one that is away, by its bytes.
    image = next(b"%d" % number for number in range(99) if ranked(b"%d" % number, "ab")[0] == 0)

    async def run() -> None:
        async with Two() as fake:
            await fake.solve(image)
            await (await fake.submit(image)).result()

    asyncio.run(run())
    calls = [span for span in spans() if span.name == "call"]
    assert len(calls) == (2 if share == 1 else 0)
    for call in calls:
        tries = [each for each in spans() if each.parent == call.context]
        assert [each.attributes.get("error.type") for each in tries] == ["FleetUnreachable", None]
    assert len(spans()) == 3 * len(calls)


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "producer.client.tracing", None)
    with pytest.raises(SettingError, match=r"pip install 'tilefleet\[tracing\]'"):
        fleet(monkeypatch)
