"""A captcha on its way: what whoever waits is told, and when it was too late."""

import asyncio

import pytest

from producer.client import pending as module
from producer.client.pending import AsyncPending
from tilefleet.answer import Answer
from tilefleet.errors import AnswerTimeout, NotAnImage, Revoked

ANSWER = Answer((), (), (1,), ((5, 5),), 0.9, "m@1")
SUCCESS = {"status": "SUCCESS", "result": ANSWER.encode()}
FAILURE = {
    "status": "FAILURE",
    "result": {"exc_type": "NotAnImage", "exc_message": ["0 bytes"]},
}
REVOKED = {"status": "REVOKED", "result": {"exc_type": "X", "exc_message": ["expired"]}}


def run(test):
    """A test in an event loop, of which futures are."""

    def ran(monkeypatch):
        asyncio.run(test(monkeypatch))

    return ran


class Line:
    """Notes what nobody waits for any more, and whether workers are told."""

    name = "redis://here"

    def __init__(self) -> None:
        self.forgotten: list[tuple[str, bool]] = []

    def forget(self, task_id: str, *, revoke: bool = False) -> None:
        self.forgotten.append((task_id, revoke))


def sent(meta: dict | None = None, *, expires: float = 60.0) -> AsyncPending:
    future = asyncio.get_running_loop().create_future()
    if meta is not None:
        future.set_result(meta)
    message = module.Message("one", "captcha", b"", expires)
    return AsyncPending(message, future, Line(), expires=expires)


def later(monkeypatch, seconds: float) -> None:
    """So much time goes by."""
    now = module.monotonic() + seconds
    monkeypatch.setattr(module, "monotonic", lambda: now)


@run
async def test_an_answer_and_an_error_are_given_as_often_as_asked_for(monkeypatch):
    answered, failed = sent(SUCCESS), sent(FAILURE)
    for _ in range(2):
        assert await answered.result(1) == ANSWER
        with pytest.raises(NotAnImage, match="0 bytes"):
            await failed.result(1)
    assert answered.outcome(1) == ANSWER
    assert isinstance(failed.outcome(1), NotAnImage)


@run
async def test_who_waits_too_short_is_told_whether_it_may_still_be_answered(monkeypatch):
    with pytest.raises(AnswerTimeout, match="it may still be answered"):
        await sent().result(0)
    late = sent(expires=60)
    later(monkeypatch, 61)
    assert "it has expired" in str(late.outcome(60))


@run
async def test_what_expires_as_the_wait_ends_is_too_late_and_not_revoked(monkeypatch):
    expired = sent(REVOKED, expires=60)
    assert isinstance(expired.outcome(60), Revoked)
    # Clocks may differ by half a second.
    with pytest.raises(Revoked):
        expired.outcomes(60)
    later(monkeypatch, 59.6)
    assert isinstance(expired.outcome(60), AnswerTimeout)
    with pytest.raises(AnswerTimeout):
        expired.outcomes(60)


@run
async def test_one_that_somebody_revokes_is_revoked(monkeypatch):
    for timeout in (30, 0.1):
        with pytest.raises(Revoked, match="expired"):
            # However short the wait was: it would have been read for a while.
            await sent(REVOKED).result(timeout)


@run
async def test_one_that_is_cancelled_is_not_read_and_stays_cancelled(monkeypatch):
    cancelled = sent()
    cancelled.cancel()
    cancelled.cancel()
    assert cancelled._wire.forgotten == [("one", True)]
    later(monkeypatch, 3600)
    assert "cancelled by its sender" in str(cancelled.outcome(30))


@run
async def test_what_is_answered_is_not_taken_back(monkeypatch):
    answered = sent(SUCCESS)
    answered.cancel()
    assert answered._wire.forgotten == []
    assert answered.ready()
    assert answered.outcome(1) == ANSWER


@run
async def test_of_a_list_each_has_its_own_outcome_and_a_failure_is_of_all(monkeypatch):
    error = {"error": {"type": "NotAnImage", "message": "0 bytes"}}
    listed = sent({"status": "SUCCESS", "result": [ANSWER.encode(), error]})
    first, second = listed.outcomes(1)
    assert first == ANSWER
    assert isinstance(second, NotAnImage)
    with pytest.raises(NotAnImage):
        sent(FAILURE).outcomes(1)
    with pytest.raises(AnswerTimeout):
        sent().outcomes(1)
