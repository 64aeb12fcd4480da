"""Who hears of each request cannot make it fail."""

from worker.intake.consumer import Listeners


def broken(request):
    raise NotImplementedError


def test_a_listener_that_fails_is_logged_and_the_others_hear(caplog):
    heard = []
    listeners = Listeners()
    for listen in (broken, heard.append):
        listeners.add(listen)
    for listen in listeners:
        listen("worker.solve[1]")
    assert heard == ["worker.solve[1]"]
    assert "cannot hear of worker.solve[1]" in caplog.text


def test_one_that_is_added_again_hears_once():
    listeners = Listeners()
    for _ in range(3):
        listeners.add(broken)
    assert len(listeners) == 1
