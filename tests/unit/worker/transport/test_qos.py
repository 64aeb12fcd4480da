"""What is held without a server: how much of it counts, whatever becomes of each."""

from types import SimpleNamespace

import pytest

from worker.transport.qos import QoS


@pytest.fixture
def qos(monkeypatch) -> QoS:
    """Holds one message that counts, and four that were claimed on top."""
    channel = SimpleNamespace(
        do_restore=False,
        connection=SimpleNamespace(cycle=SimpleNamespace(in_event_loop=True)),
        _get_message_priority=lambda envelope, reverse: 0,
        _q_for_pri=lambda queue, priority: queue,
    )
    monkeypatch.setattr(QoS, "restore", lambda self, tags, **options: len(tags))
    made = QoS(channel, prefetch_count=2)
    tops = [f"top {number}" for number in range(4)]
    made.on_top.update(tops)
    for tag in ("counts", *tops):
        made.hold(tag, 1)
    return made


def test_what_came_on_top_leaves_room_for_others(qos):
    assert qos.held_count == 1
    assert qos.can_consume()
    qos.hold("counts, too", 1)
    assert not qos.can_consume()


def test_however_a_message_is_let_go_it_is_on_top_no_more(qos):
    qos.ack("top 0")
    qos.reject("top 1")
    qos.reject("top 2", requeue=True)
    qos.park(SimpleNamespace(delivery_tag="top 3", properties={}), due=0.0)
    assert not qos.on_top
    assert (qos.held_count, qos.held_bytes) == (1, 1)
    qos.ack("counts")
    assert qos.held_count == 0


def test_nothing_is_on_top_once_all_is_given_back(qos):
    qos.restore_unacked()
    assert not qos.on_top
    assert (qos.held_count, qos.held_bytes) == (0, 0)
