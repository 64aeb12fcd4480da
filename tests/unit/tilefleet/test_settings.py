"""Settings are read once and say what is wrong with them."""

from contextlib import suppress
from pathlib import Path

import pytest

from tilefleet import values
from tilefleet.errors import SettingError
from tilefleet.settings import Settings, unknown_variables
from tilefleet.urls import without_password


def test_nothing_set_gives_the_defaults():
    settings = Settings.from_environ({})
    assert settings.model == "builtin"
    assert settings.engine == "auto"
    assert settings.broker_url == settings.result_backend == "redis://127.0.0.1:6379/0"


def test_answers_are_stored_in_the_broker_unless_said_otherwise():
    assert Settings.from_environ({"CELERY_BROKER_URL": "redis://a/1"}).result_backend == (
        "redis://a/1"
    )
    both = {"CELERY_BROKER_URL": "redis://a/1", "CELERY_RESULT_BACKEND": "redis://b/2"}
    assert Settings.from_environ(both).result_backend == "redis://b/2"


def test_values_are_parsed():
    environ = {"TILEFLEET_MAX_BATCH": "16", "TILEFLEET_STORE": "/models"}
    settings = Settings.from_environ(environ)
    assert settings.max_batch == 16
    assert settings.store == Path("/models")


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("TILEFLEET_ENGINE", "gpu", "one of auto, litert, keras, null"),
        ("TILEFLEET_MAX_BATCH", "many", "a whole number from 0 to 4096"),
        ("TILEFLEET_MAX_BATCH", "-1", "a whole number from 0 to 4096"),
        ("TILEFLEET_MAX_BYTES", "1", "a whole number from 1024"),
        ("TILEFLEET_MODEL", "../etc", "no slash"),
        ("TILEFLEET_MODEL", "builtin,", "a name"),
        ("TILEFLEET_MODEL", "mine,builtin, mine", "mine is there twice"),
        ("TILEFLEET_MODEL", "a\x06b", "a name"),
        ("CELERY_BROKER_URL", "localhost", "redis://host"),
        ("CELERY_BROKER_URL", "amqp://host", "redis, rediss"),
        ("CELERY_BROKER_URL", "redis://host/x", "a database's number"),
        ("CELERY_RESULT_BACKEND", "host", "redis://host"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable, value, wanted):
    with pytest.raises(SettingError) as caught:
        Settings.from_environ({variable: value})
    assert variable in str(caught.value)
    assert repr(value) in str(caught.value)
    assert wanted in str(caught.value)


def test_a_misspelt_variable_is_pointed_out():
    environ = {"TILEFLEET_MODLE": "x", "TILEFLEET_DATA": "y", "TILEFLEET_MODEL": "z"}
    assert unknown_variables(environ) == [
        "TILEFLEET_MODLE is not a setting; did you mean TILEFLEET_MODEL?"
    ]


def test_passwords_are_not_shown():
    assert without_password("redis://me:secret@host:1/2") == "redis://me:***@host:1/2"
    assert without_password("redis://host:1/2") == "redis://host:1/2"


def test_what_is_shown_in_the_place_of_a_password_is_three_stars_and_nothing_of_it():
    for url in (
        "redis://:{}@host",
        "redis://me:{}@host:1/2",
        "redis://host/0?password={}",
        "rediss://host/0?db=1&ssl_password={}&x=1",
        "redis://me:{0}@a/0;redis://me:{0}@b/0",
    ):
        assert without_password(url.format("s3cr3t")) == url.format("***")


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:secret@host:1/2",
        "redis://:secret@host",
        "redis://me:sec@secret@host",
        "redis://host/0?password=secret",
        "rediss://host/0?db=1&ssl_password=secret&x=1",
        "redis://me:secret@a/0;redis://me:secret@b/0",
        "redis://me:secret@a;sentinel://me:secret@b?password=secret",
        "me:secret@host:6379",
        "reds//me:secret@host",
    ],
)
def test_no_spelling_of_a_password_is_shown(url):
    assert "secret" not in without_password(url)
    with suppress(SettingError):
        settings = Settings.from_environ({"CELERY_BROKER_URL": url})
        assert "secret" not in str(settings.rows())


def test_a_refused_url_is_named_without_its_password():
    with pytest.raises(SettingError, match="CELERY_BROKER_URL") as caught:
        Settings.from_environ({"CELERY_BROKER_URL": "reds://me:secret@host"})
    assert "secret" not in str(caught.value)
    assert "host" in str(caught.value)


def test_what_holds_a_password_may_be_in_a_file(tmp_path):
    file = tmp_path / "broker"
    file.write_text("redis://me:secret@host/1\n")
    environ = {"CELERY_BROKER_URL_FILE": str(file)}
    settings = Settings.from_environ(environ)
    assert settings.broker_url == settings.result_backend == "redis://me:secret@host/1"
    assert Settings.from_environ({**environ, "CELERY_BROKER_URL": "redis://a/0"}).broker_url == (
        "redis://a/0"
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingError, match=r"CELERY_BROKER_URL_FILE=.*No such file"):
        Settings.from_environ({"CELERY_BROKER_URL_FILE": str(tmp_path / "none")})


def test_a_password_of_sentinels_is_not_shown_and_may_be_in_a_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret\n")
    environ = {"TILEFLEET_SENTINEL_PASSWORD_FILE": str(file)}
    settings = Settings.from_environ(environ)
    assert settings.sentinel_password == "secret"
    assert "secret" not in str(settings.rows())
    assert unknown_variables(environ) == []


def test_several_models_have_commas_between_them_and_the_first_is_the_default():
    settings = Settings.from_environ({"TILEFLEET_MODEL": "builtin, mine"})
    assert settings.models == ("builtin", "mine")
    assert settings.model == "builtin"
    assert ("TILEFLEET_MODEL", "builtin,mine") in {row[:2] for row in settings.rows()}


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (values.address, "host:0"),
        (values.address, "65536"),
        (values.share, "1.01"),
        (values.share, "-0.1"),
        (values.share, "nan"),
        (values.name, ".hidden"),
        (values.name, "a/b"),
    ],
)
def test_what_is_just_outside_is_refused(parse, text):
    with pytest.raises(ValueError, match=r"number from|a port|a name"):
        parse(text)


def test_only_what_holds_a_password_may_be_in_a_file(tmp_path):
    file = tmp_path / "value"
    file.write_text("7")
    given = Settings.from_environ({"TILEFLEET_MAX_BATCH_FILE": str(file)})
    assert given.max_batch == Settings().max_batch


def test_variables_and_files_may_be_written_by_windows_and_home_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "url").write_bytes(b"\xef\xbb\xbfredis://host.example:6379/1\r\n")
    given = Settings.from_environ(
        {
            "CELERY_BROKER_URL_FILE": "~/url\r",
            "TILEFLEET_ENGINE": "litert\r",
            "TILEFLEET_KEY_PREFIX": "mine\r\n",
            "TILEFLEET_STORE": "~/models",
            "TILEFLEET_KEYS": "~/keys.json\r",
        }
    )
    assert given.broker_url == "redis://host.example:6379/1"
    assert (given.engine, given.key_prefix) == ("litert", "mine")
    assert given.store == tmp_path / "models"
    assert given.keys == str(tmp_path / "keys.json")
