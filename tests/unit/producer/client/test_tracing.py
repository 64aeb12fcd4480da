"""The sender's spans: which captchas get one, and how it ends."""

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from tilefleet import NotAnImage, Overloaded
from tilefleet.errors import SettingError
from tilefleet.testing import AsyncFakeFleet, FakeFleet
from tilefleet.tracing import provider


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


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "producer.client.tracing", None)
    with pytest.raises(SettingError, match=r"pip install 'tilefleet\[tracing\]'"):
        fleet(monkeypatch)
