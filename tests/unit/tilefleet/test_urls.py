"""Every form of URL that Celery takes: one table, and everybody reads it alike."""

import asyncio

import pytest
from celery import Celery
from kombu import Connection

from producer.client import connection
from tests.support.data.urls import FORMS
from tilefleet import wire
from tilefleet.settings import Settings
from tilefleet.urls import Server, are_alike, for_celery, parse, without_password

#: What is no such URL, and what the error has to say.
REFUSED = {
    "host": "of redis, rediss",
    "amqp://host": "of redis, rediss",
    "redis://host/x": "number",
    "redis://host:port/0": "redis://host:6379",
    "redis://host:99999": "range",
    "redis://[::1/0": "IPv6",
    "redis://host/0?foo=1": "foo",
    "redis://host?ssl_ca_certs=/ca.pem": "rediss://",
    "rediss://host?ssl_cert_reqs=perhaps": "required, optional or none",
    "redis+socket://": "whole path",
    "redis+socket://host/run/redis.sock": "whole path",
    "redis://a;sentinel://b": "of one kind",
    "redis+socket:///a.sock;redis+socket:///b.sock": "one socket",
    "redis://a;": "of redis, rediss",
}


def place(server: Server):
    return server.path or (server.host, server.port)


@pytest.mark.parametrize("url", FORMS)
def test_we_read_it(url):
    where, user, password, database = FORMS[url]
    servers = parse(url)
    assert list(map(place, servers)) == where
    for server in servers:
        assert (server.user, server.password, server.database) == (user, password, database)
    # What Celery is given says the same again.
    assert parse(for_celery(url, results=True)) == servers
    for said, read in zip(parse(for_celery(url)), servers, strict=True):
        assert (said.account, said.tls, place(said)) == (read.account, read.tls, place(read))


@pytest.mark.parametrize("url", FORMS)
def test_our_own_connections_go_there(url):
    where, user, password, database = FORMS[url]
    now = connection.connect_now(url, Settings()).connection_pool
    later = connection.connect(url, Settings(), socket_timeout=1).connection_pool
    for pool in (now, later):
        options = pool.connection_kwargs
        if url.startswith("sentinel"):
            sentinels = [each.connection_pool for each in pool.sentinel_manager.sentinels]
            found = [
                (each.connection_kwargs["host"], each.connection_kwargs["port"])
                for each in sentinels
            ]
            assert found == where
            accounts = [options]
        else:
            accounts = list(options["places"])
            assert [
                each["path"] if "path" in each else (each["host"], each["port"])
                for each in accounts
            ] == where
        for each in accounts:
            found = (each["username"] or "", each["password"] or "", each["db"])
            assert found == (user, password, database)


@pytest.mark.parametrize("url", FORMS)
def test_kombu_and_celerys_results_go_there_too(url):
    where, user, password, database = FORMS[url]
    with Connection(for_celery(url)) as broker:
        channel = broker.transport.Channel
        options = channel._connparams(_Unconnected(channel, broker))
    assert (options.get("path") or (options["host"], options["port"])) == where[0]
    assert (options["username"] or "", options["password"] or "") == (user, password)
    assert options["db"] == database
    text = for_celery(url, results=True)
    if ";" in text and not text.startswith("sentinel"):
        text = f"worker.results.backend:SeveralBackend+{text}"
    app = Celery(broker="memory://", backend=text, set_as_current=False)
    app.conf.update(wire.celery_settings(sentinel_master="m", key_prefix=""))
    options = app.backend.connparams
    each = options.get("places") or options.get("hosts") or [options]
    assert [one.get("path") or (one["host"], one["port"]) for one in each] == where
    assert (options.get("username") or "", options.get("password") or "") == (user, password)
    assert options["db"] == database
    # Whatever asks first, it makes its connections so.
    assert app.backend.client.connection_pool.make_connection()


class _Unconnected:
    """What kombu's `Channel._connparams` looks at, without the connection that a channel makes."""

    def __init__(self, channel, broker):
        self._channel = channel
        self.connection = broker.transport
        self._registered = False

    def __getattr__(self, name):
        found = getattr(self._channel, name)
        return found.__get__(self) if callable(found) and not isinstance(found, type) else found


@pytest.mark.parametrize(
    ("another", "alike"),
    [
        ("redis://host/1", True),
        ("redis://me:pw@host:6379/0?client_name=me", True),
        ("redis://host:7000/0", False),
        ("redis://host/0;redis://b/0", False),
        ("rpc://", False),
    ],
)
def test_one_server_has_one_clock_whichever_database_it_is(another, alike):
    assert are_alike("redis://host", another) is alike


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_none_is_refused_and_says_why(url):
    with pytest.raises(ValueError, match=REFUSED[url]):
        parse(url)


@pytest.mark.parametrize("password", ["sec#ret", "sec/ret", "sec?ret", "sec ret", "[sec"])
def test_a_password_that_is_not_escaped_is_not_shown_in_the_error(password):
    said = ""
    try:
        parse(f"redis://me:{password}@host/0")
    except ValueError as error:
        said = str(error)
    assert "sec" not in said


def test_certificates_are_verified_unless_the_url_says_otherwise():
    assert for_celery("rediss://a/0") == "rediss://a:6379/0?ssl_cert_reqs=required"
    assert parse("rediss://a/0?ssl_cert_reqs=CERT_NONE")[0].tls == {"ssl_cert_reqs": "none"}
    options = "ssl_ca_certs=%2Fmy+ca.pem&ssl_check_hostname=0"
    assert parse(f"rediss://a?{options}")[0].tls == {
        "ssl_ca_certs": "/my ca.pem",
        "ssl_check_hostname": False,
        "ssl_cert_reqs": "required",
    }


def test_sentinels_have_an_account_of_their_own():
    settings = Settings(sentinel_user="watcher", sentinel_password="other")
    pool = connection.connect_now("sentinel://me:secret@a", settings).connection_pool
    (sentinel,) = pool.sentinel_manager.sentinels
    found = sentinel.connection_pool.connection_kwargs
    assert (found["username"], found["password"]) == ("watcher", "other")
    options = wire.celery_settings(
        sentinel_master="m",
        key_prefix="",
        sentinel=wire.sentinel_options("watcher", "other", None),
    )
    for transport in ("broker_transport_options", "result_backend_transport_options"):
        assert options[transport]["sentinel_kwargs"]["password"] == "other"


def test_of_several_servers_the_first_that_answers_is_kept():
    async def once():
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"redis://127.0.0.1:1/0;redis://127.0.0.1:{port}/0"
        pool = connection.connect(url, Settings(), socket_timeout=1).connection_pool
        made = pool.make_connection()
        await made._connect()
        assert pool.connection_kwargs["places"][0]["port"] == made.port == port
        made._writer.close()
        await made._writer.wait_closed()
        made._reader = made._writer = None
        server.close()
        await asyncio.sleep(0.05)

    asyncio.run(once())


@pytest.mark.parametrize("name", ["password", "sentinel_password", "Password"])
def test_a_password_in_the_query_is_not_shown_either(name):
    url = f"redis://here:6379/0?{name}=secret&db=1"
    assert without_password(url) == f"redis://here:6379/0?{name}=***&db=1"
