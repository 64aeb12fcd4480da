"""What the server says unasked is read to its end; not all of it is something to wake up for."""

from collections import deque
from types import SimpleNamespace

import pytest

from worker.transport.channel import Channel
from worker.transport.tracking import Tracking


class Connection:
    """Says these things once they are listened to."""

    def __init__(self, *words: list[bytes] | None) -> None:
        self._words = deque(words)
        self._sock = self
        self._parser = self

    def set_invalidation_push_handler(self, handler):
        self._handler = handler

    def send_command(self, *command, check_health):
        pass

    def can_read(self, timeout):
        return bool(self._words)

    def read_response(self, push_request=False):
        return self._handler([b"invalidate", self._words.popleft()]) if push_request else b"OK"


def told(*words: list[bytes] | None) -> bool:
    """Whether a worker with no room looks at its queues as soon as it has some."""
    tracking, connection, disarmed = Tracking(), Connection(*words), []
    tracking.ask(connection, ["unacked", "unacked_index"])
    channel = SimpleNamespace(
        client=SimpleNamespace(connection=connection),
        connection_errors=(OSError,),
        disarm=lambda: disarmed.append(True),
        _tracking=tracking,
    )
    Channel.listen(channel)
    # Until more may be claimed nothing else reads that socket: the event loop would turn and turn.
    assert not connection.can_read(timeout=0)
    return bool(disarmed)


@pytest.mark.parametrize("words", [([b"captcha"], [b"unacked"]), ([b"unacked", b"captcha"],)])
def test_of_several_changes_none_is_left_to_keep_the_event_loop_awake(words):
    assert told(*words)


def test_that_everything_has_gone_is_a_change():
    assert told(None)


def test_what_others_claim_is_nothing_to_wake_up_for():
    assert not told([b"unacked"], [b"unacked_index"])
