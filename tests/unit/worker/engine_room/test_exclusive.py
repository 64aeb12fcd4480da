"""Side by side, or alone."""

from threading import Event, Thread

from worker.engine_room.exclusive import SharedExclusiveLock


def running(function):
    thread = Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_many_share_and_one_that_is_alone_waits_for_them_and_keeps_others_out():
    lock, entered, go_on, order = SharedExclusiveLock(), Event(), Event(), []

    def exclusive():
        with lock.exclusive():
            order.append("alone")

    def late():
        with lock.shared():
            order.append("late")

    with lock.shared():
        with lock.shared():
            thread = running(exclusive)
            # It wants to be alone: who comes now has to wait.
            while not lock._exclusive:
                entered.wait(0.001)
            after = running(late)
            go_on.wait(0.05)
            assert order == []
        assert order == []
    thread.join(5)
    after.join(5)
    assert order == ["alone", "late"]


def test_one_that_hangs_is_not_waited_for_for_ever():
    lock = SharedExclusiveLock()
    with lock.shared(), lock.exclusive(patience_s=0.05):
        pass
    with lock.shared():
        pass
