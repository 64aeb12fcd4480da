"""Which shard reads a captcha: the same for all senders, evenly, and few move when one is lost."""

from collections import Counter

import pytest

from tilefleet.errors import SettingError
from tilefleet.settings import Settings
from tilefleet.urls import shards, without_password

NAMES = ("a:6379/0", "b:6379/0", "c:6379/0")
IMAGES = [b"%d" % number for number in range(3000)]


def firsts(names):
    return [names[shards.ranked(image, names)[0]] for image in IMAGES]


def test_every_sender_finds_the_same_whatever_the_order_of_its_list():
    assert firsts(NAMES) == firsts(NAMES[::-1])


def test_each_has_its_share():
    assert all(900 < count < 1100 for count in Counter(firsts(NAMES)).values())


def test_when_one_is_lost_only_its_own_go_elsewhere_and_to_the_next_in_their_order():
    for image, before, after in zip(IMAGES, firsts(NAMES), firsts(NAMES[:2]), strict=True):
        if before in NAMES[:2]:
            assert after == before
        else:
            assert after == NAMES[shards.ranked(image, NAMES)[1]]


def test_a_name_is_the_server_s_and_not_that_of_who_connects():
    assert shards.name("redis://user:secret@b:7/1") == "b:7/1"
    assert shards.name("redis://b;redis://a") == shards.name("redis://a;redis://b")
    assert shards.name("redis+socket:///run/x.sock?virtual_host=2") == "/run/x.sock/2"


@pytest.mark.parametrize(
    "text", ["redis://a redis://b", "redis://a,redis://b", " redis://a ,\n redis://b "]
)
def test_urls_have_spaces_commas_or_lines_between(text):
    assert Settings.from_environ({"TILEFLEET_SHARDS": text}).shards == ("redis://a", "redis://b")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("redis://a redis://u:p@a:6379/0", "a:6379/0 is there more than once"),
        ("redis://u:secret@a http://u:secret@b", "a URL such as"),
    ],
)
def test_what_is_no_list_of_shards_is_refused_without_its_passwords(text, why):
    with pytest.raises(SettingError, match=why) as refused:
        Settings.from_environ({"TILEFLEET_SHARDS": text})
    assert "secret" not in str(refused.value)
    assert "u:p@" not in str(refused.value)


def test_no_password_of_a_list_is_shown():
    text = "redis://u:secret@a/0;redis://u:secret@b/0 rediss://:secret@c,redis://:secret@d"
    assert without_password(text).count("***") == 4
    assert "secret" not in without_password(text)
    rows = Settings.from_environ({"TILEFLEET_SHARDS": text}).rows()
    shown = {variable: value for variable, value, _ in rows}
    assert shown["TILEFLEET_SHARDS"] == without_password(text).replace(",", " ")


def test_what_belongs_to_one_fleet_has_to_be_told_which():
    given = {"TILEFLEET_SHARDS": "redis://a redis://b"}
    with pytest.raises(SettingError, match="is none of TILEFLEET_SHARDS"):
        Settings.from_environ(given).check_one_fleet()
    Settings.from_environ({**given, "CELERY_BROKER_URL": "redis://u:p@b:6379/0"}).check_one_fleet()
    Settings.from_environ({}).check_one_fleet()
