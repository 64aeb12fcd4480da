"""What the server says unasked is read to its end."""

from collections import deque
from types import SimpleNamespace

from worker.transport.channel import Channel
from worker.transport.tracking import Tracking


def test_of_several_changes_none_is_left_to_keep_the_event_loop_awake():
    # Until more may be claimed nothing else reads what there is on that socket.
    tracking, words = Tracking(), deque(["captcha", "unacked", "unacked_index"])
    connection = SimpleNamespace(
        can_read=lambda timeout: bool(words),
        read_response=lambda push_request: tracking._on_change(words.popleft()),
    )
    disarmed = []
    channel = SimpleNamespace(
        client=SimpleNamespace(connection=connection),
        connection_errors=(OSError,),
        disarm=lambda: disarmed.append(len(words)),
        _tracking=tracking,
    )
    Channel.listen(channel)
    assert disarmed == [0]
