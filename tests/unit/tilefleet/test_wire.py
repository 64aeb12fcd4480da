"""The lanes: what waits where, for which model."""

import pytest

from tilefleet import wire


def test_what_names_a_model_has_lanes_of_that_models():
    assert wire.lane() == "captcha"
    assert wire.lane(bulk=True) == "captcha.bulk"
    assert wire.lane("mine") == "captcha@mine"
    assert wire.lane("mine", bulk=True) == "captcha.bulk@mine"


@pytest.mark.parametrize("model", ["", "mine", "a@b", "captcha", "蜂蜜", "-Q"])
@pytest.mark.parametrize("bulk", [False, True])
def test_a_lane_says_which_model_it_is_of_and_whether_anybody_waits(model, bulk):
    lane = wire.lane(model, bulk=bulk)
    assert (wire.model_of(lane), wire.is_bulk(lane), wire.is_lane(lane)) == (model, bulk, True)


@pytest.mark.parametrize("queue", ["other", "other@mine", "captchas", "captcha.bulky@x", "", "@x"])
def test_other_queues_are_no_lanes(queue):
    assert not wire.is_lane(queue)
    assert (wire.model_of(queue), wire.is_bulk(queue)) == ("", False)


@pytest.mark.parametrize("strange", [None, 7, b"captcha@mine", ["captcha"]])
def test_whatever_a_message_calls_its_queue_is_of_no_model(strange):
    assert (wire.model_of(strange), wire.is_bulk(strange)) == ("", False)


def test_the_lanes_of_models_go_with_those_of_all_workers():
    assert wire.family("captcha.bulk", ["a", "b"]) == [
        "captcha.bulk",
        "captcha.bulk@a",
        "captcha.bulk@b",
    ]
    assert wire.family("captcha@a", ["a", "b"]) == ["captcha@a"]
    assert wire.family("other", ["a", "b"]) == ["other"]


def test_where_somebody_waits_is_read_before_where_nobody_does():
    lanes = ["captcha", "captcha@mine", "captcha.bulk", "captcha.bulk@mine"]
    assert wire.lanes(["mine"]) == lanes
