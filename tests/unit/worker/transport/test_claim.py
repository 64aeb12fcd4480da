"""A claim: what it asks the server, and what the reply means."""

from worker.transport.claim import MOST_BYTES, SHARE, Claim

LISTS = [("captcha", "captcha"), ("captcha", "captcha\x06\x163"), ("captcha.bulk", "captcha.bulk")]
NOW = b"1764500000.000001"


def claim(**changed) -> Claim:
    options = {
        "few": 2,
        "most": 3,
        "most_of_rest": 1,
        "on_top": 5,
        "tags": ["t1", "t2"],
        "prefix": "mine:",
        "before_first": 7,
    }
    return Claim.make(("unacked", "unacked_index"), LISTS, **{**options, **changed})


def test_keys_are_those_of_what_is_claimed_and_the_lists_in_their_order():
    assert claim().keys == ["unacked", "unacked_index", *(key for _, key in LISTS)]


def test_arguments_are_how_much_of_what_and_what_is_acknowledged():
    prefix, before, most, of_rest, few, most_bytes, on_top, share, *rest = claim().arguments
    assert (prefix, before, most, of_rest, few, most_bytes) == ("mine:", 7, 3, 1, 2, MOST_BYTES)
    assert (on_top, share) == (5, SHARE)
    records, tags = rest[: len(LISTS)], rest[len(LISTS) :]
    # The end of each record, as kombu writes one: [message, exchange, routing key].
    assert records == [', "", "captcha"]', ', "", "captcha"]', ', "", "captcha.bulk"]']
    assert tags == ["t1", "t2"]
    assert claim().acknowledged == 2


def test_a_reply_is_messages_with_their_queues_and_tags_of_ours():
    found = list(claim().read([NOW, 1, b"one", 3, b"two"]))
    assert [tuple(each) for each in found] == [
        ("captcha", "mine:8", b"one", False),
        ("captcha.bulk", "mine:9", b"two", False),
    ]


def test_what_came_on_top_of_a_long_list_is_known_and_not_counted():
    reply = [NOW, 1, b"one", -1, b"two", -1, b"three"]
    assert [each.on_top for each in claim().read(reply)] == [False, True, True]
    assert [each.queue for each in claim().read(reply)] == ["captcha"] * 3
    assert claim(most=2).has_all(reply)
    assert not claim(most=1).has_all(reply)


def test_only_a_reply_with_fewer_than_asked_for_says_that_nothing_is_left():
    assert claim().has_all([NOW])
    assert claim().has_all([NOW, 1, b"one", 3, b"two"])
    assert not claim().has_all([NOW, 1, b"one", 1, b"two", 3, b"three"])
    # One more: the script stopped because of their size.
    assert not claim().has_all([NOW, 1, b"one", 0])
