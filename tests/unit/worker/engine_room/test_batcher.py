"""The batcher: everything that waits, oldest first, up to the cap, and never a timer."""

from threading import Event, Thread, current_thread
from time import sleep

from tests.support.running.fleet import wait_until
from worker.engine_room.batcher import Batcher


def in_thread(function, *args):
    results = []
    thread = Thread(target=lambda: results.append(function(*args)), daemon=True)
    thread.start()
    return thread, results


def test_a_taker_gets_all_that_waits_oldest_first():
    batcher = Batcher()
    batcher.put([1])
    batcher.put([2, 3])
    assert batcher.take(10) == [1, 2, 3]
    assert len(batcher) == 0


def test_a_taker_gets_no_more_than_its_cap():
    batcher = Batcher()
    batcher.put(range(5))
    assert batcher.take(3) == [0, 1, 2]
    assert batcher.take(3) == [3, 4]


def test_a_waiting_taker_gets_a_single_item_at_once():
    batcher = Batcher()
    thread, results = in_thread(batcher.take, 10)
    batcher.put(["only"])
    thread.join(5)
    assert results == [["only"]]


def test_what_one_taker_leaves_another_gets():
    batcher = Batcher()
    takers = [in_thread(batcher.take, 2) for _ in range(2)]
    batcher.put([1, 2, 3, 4])
    for thread, _ in takers:
        thread.join(5)
    assert sorted(results[0] for _, results in takers) == [[1, 2], [3, 4]]


def test_closing_lets_every_waiting_taker_go():
    batcher = Batcher()
    takers = [in_thread(batcher.take, 2) for _ in range(3)]
    batcher.close()
    for thread, results in takers:
        thread.join(5)
        assert results == [[]]


def test_what_waits_at_closing_is_still_given_out():
    batcher = Batcher()
    batcher.put([1])
    batcher.close()
    batcher.put([2])
    assert batcher.take(1) == [1]
    assert batcher.take(1) == [2]
    assert batcher.take(1) == []


def test_no_item_is_lost_or_given_twice_between_threads():
    batcher: Batcher[int] = Batcher()
    taken: list[list[int]] = []

    def take_all():
        while batch := batcher.take(7):
            taken.append(batch)

    takers = [Thread(target=take_all) for _ in range(4)]
    putters = [
        Thread(target=lambda s=s: [batcher.put([i]) for i in range(s, 4000, 4)]) for s in range(4)
    ]
    for thread in takers + putters:
        thread.start()
    for thread in putters:
        thread.join(30)
    batcher.close()
    for thread in takers:
        thread.join(30)
    assert sorted(item for batch in taken for item in batch) == list(range(4000))
    assert max(len(batch) for batch in taken) <= 7


def test_what_nobody_waits_for_is_taken_when_no_others_wait():
    batcher = Batcher()
    batcher.put(["bulk 1", "bulk 2"], bulk=True)
    batcher.put(["urgent"])
    assert batcher.take(2) == ["urgent", "bulk 1"]
    assert batcher.take(2) == ["bulk 2"]


def test_only_an_idle_taker_is_offered_anything():
    batcher = Batcher()
    assert not batcher.offer("nobody is there")
    thread, results = in_thread(batcher.take, 10)
    wait_until(lambda: batcher.offer("idle"))
    thread.join(5)
    assert results == [["idle"]]
    assert not batcher.offer("busy")
    assert len(batcher) == 0


def test_a_taker_is_offered_nothing_while_others_wait_for_it():
    batcher = Batcher()
    thread, results = in_thread(batcher.take, 10, lambda bulk: bulk)
    batcher.put(["may not be taken"])
    assert not batcher.offer("later")
    batcher.put(["may"], bulk=True)
    thread.join(5)
    assert results == [["may"]]


def test_who_does_not_wait_wakes_nobody_for_what_it_leaves():
    batcher, looks = Batcher(), []
    batcher.put([1, 2, 3])

    def never(bulk: bool) -> bool:
        looks.append(bulk)
        return False

    thread, results = in_thread(batcher.take, 10, never)
    wait_until(lambda: batcher._idle)
    assert batcher.take(1, wait=False) == [1]
    sleep(0.05)
    assert len(looks) == 1
    batcher.clear()
    batcher.close()
    thread.join(5)
    assert results == [[]]


def test_what_is_forgotten_is_not_given_out():
    batcher = Batcher()
    batcher.put([1])
    batcher.put([2], bulk=True)
    batcher.clear()
    batcher.close()
    assert batcher.take(5) == []


def by_letter() -> Batcher[str]:
    return Batcher(lambda item: item[0])


def test_a_batch_is_of_one_group_and_the_group_that_has_waited_longest_is_next():
    batcher = by_letter()
    batcher.put(["a1", "b1", "a2", "c1", "b2"])
    assert [batcher.take(10) for _ in range(3)] == [["a1", "a2"], ["b1", "b2"], ["c1"]]


def test_no_group_waits_for_all_of_another():
    batcher = by_letter()
    batcher.put(["a1", "a2", "a3", "b1"])
    batcher.put(["a4", "a5"])
    assert [batcher.take(2) for _ in range(4)] == [["a1", "a2"], ["a3", "a4"], ["b1"], ["a5"]]


def test_what_nobody_waits_for_never_makes_others_of_another_group_wait():
    batcher = by_letter()
    batcher.put(["a bulk", "b bulk"], bulk=True)
    batcher.put(["b1", "a1"])
    assert [batcher.take(4) for _ in range(3)] == [["b1"], ["a1", "a bulk"], ["b bulk"]]


def test_each_group_has_its_own_cap():
    batcher = by_letter()
    batcher.put(["a1", "a2", "b1", "b2"])
    caps = {"a": 1, "b": 2}
    batches = [batcher.take(lambda item: caps[item[0]]) for _ in range(3)]
    assert batches == [["a1"], ["a2"], ["b1", "b2"]]


def test_the_oldest_of_all_groups_are_told():
    batcher = by_letter()
    batcher.put(["b1", "a1"])
    batcher.put(["c bulk"], bulk=True)
    assert batcher.heads() == ["b1", "c bulk"]
    assert (batcher.count(bulk=False), batcher.count(bulk=True)) == (2, 3)


def test_nobody_is_woken_for_what_he_may_not_take():
    batcher, asked, allowed = Batcher(), [], Event()

    def may(bulk: bool) -> bool:
        asked.append(current_thread())
        return allowed.is_set()

    batcher.put(["waits"])
    thread, results = in_thread(batcher.take, 8, may)
    wait_until(lambda: batcher._idle)
    looks = asked.count(thread)
    batcher.put(["too"])
    # Who puts it asks; the other one sleeps on.
    assert current_thread() in asked
    allowed.set()
    batcher.look_again()
    thread.join(5)
    assert results == [["waits", "too"]]
    assert asked.count(thread) == looks + 1
