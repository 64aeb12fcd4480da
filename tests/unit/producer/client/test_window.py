"""Which captchas are on their way, and whose answers come next."""

from concurrent.futures import Future

from producer.client.window import Window


def filled(*, ordered, size=4, together=1):
    sent = {}

    def send(group):
        return sent.setdefault(tuple(group), Future())

    window = Window(range(6), size, together=together, ordered=ordered)
    assert window.fill(send)
    return window, send, sent


def test_no_more_are_on_their_way_than_the_window_holds():
    window, send, sent = filled(ordered=True)
    assert [*sent] == [(0,), (1,), (2,), (3,)]
    window.take()
    window.fill(send)
    assert [*sent][4:] == [(4,)]


def test_groups_count_by_their_captchas():
    _, _, sent = filled(ordered=True, together=2)
    assert [*sent] == [(0, 1), (2, 3)]


def test_in_order_the_oldest_comes_next_whatever_is_done():
    window, _, sent = filled(ordered=True)
    sent[2,].set_result([])
    assert not window.awaited()
    assert window.take()[0] == [0]


def test_in_any_order_what_is_done_comes_next_and_the_rest_keeps_its_place():
    window, _, sent = filled(ordered=False)
    assert window.awaited() == [*sent.values()]
    sent[2,].set_result([])
    assert window.take()[0] == [2]
    sent[0,].set_result([])
    assert not window.awaited()
    assert [window.take()[0] for _ in range(3)] == [[0], [1], [3]]


def test_it_ends_when_nothing_is_left():
    window, send, _ = filled(ordered=True, size=6)
    for _ in range(6):
        window.take()
    assert not window.fill(send)
    assert window.left() == []
