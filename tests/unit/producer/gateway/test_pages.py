"""What a browser's page of elsewhere could send to a gateway that asks for no key."""

import pytest
from starlette.exceptions import HTTPException

from producer.gateway.visitors.pages import Pages

LOOPBACK, ELSEWHERE = ("127.0.0.1", 8000), ("192.0.2.1", 8000)


def allowed(pages=None, *, method="POST", server=LOOPBACK, **headers):
    fields = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    scope = {"type": "http", "method": method, "server": server, "headers": fields}
    try:
        (pages or Pages([], [])).check(scope)
    except HTTPException as error:
        return error.status_code != 403
    return True


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8000", "127.0.0.1", "127.5.5.5:1", "192.0.2.1:80", "[::1]:8000", "[::1]"),
        *("localhost", "LocalHost:8000", "localhost.", "a.localhost:8000", "gateway:8000", "a"),
    ],
)
def test_addresses_and_names_that_nobody_elsewhere_can_have_are_ours(host):
    for server in (LOOPBACK, ("::1", 8000), ELSEWHERE):
        assert allowed(server=server, host=host)
        assert allowed(server=server, host=host, method="GET")


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"),
        *(
            "evil.example.",
            "evil@localhost",
            "localhost/",
            "",
            ":8000",
            "a b",
            "[::1",
            "127.0.0.1:x",
        ),
        *("xn--e1afmkfd.example", "EVIL.EXAMPLE"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_other_names_are_not_asked_for_on_loopback(host, method):
    assert not allowed(host=host, method=method)
    assert not allowed(host=["127.0.0.1", host], method=method)
    assert not allowed(host=host, method=method, sec_fetch_site="same-origin")
    # What others reach has names that it does not know.
    assert allowed(host=host, method=method, server=ELSEWHERE)


def test_names_that_are_given_are_the_only_ones_anywhere():
    pages = Pages(["captchas.example"], ["https://bot.example:444"])
    for server in (LOOPBACK, ELSEWHERE):
        assert allowed(pages, server=server, host="Captchas.Example:443")
        assert allowed(pages, server=server, host="192.0.2.1")
        assert allowed(pages, server=server, host="bot.example")
        assert not allowed(pages, server=server, host="other.example")
        assert not allowed(pages, server=server, host="a.captchas.example")


def test_who_has_no_browser_sends_no_names():
    assert allowed()
    assert allowed(server=None)
    assert allowed(host="127.0.0.1:8000")


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://evil.example:8000", "null", "", "http://127.0.0.1"),
        *("http://127.0.0.1:8001", "http://localhost:8000", "https://127.0.0.1:8000", "evil"),
        *("http://127.0.0.1:8000@evil.example", "http://127.0.0.1:8000.evil.example", "file://"),
    ],
)
def test_pages_of_elsewhere_may_not_post(origin):
    refused = {"host": "127.0.0.1:8000", "origin": origin}
    if origin == "https://127.0.0.1:8000":
        # The scheme behind a proxy is not known.
        assert allowed(**refused)
        return
    assert not allowed(**refused)
    assert not allowed(**refused, sec_fetch_site="cross-site")
    assert not allowed(**refused, sec_fetch_site=["cross-site", "same-origin"])
    assert not allowed(**refused, server=ELSEWHERE)
    # Without a word of CORS they cannot read what they GET, nor send what is asked for first.
    assert allowed(**refused, method="GET")
    assert allowed(**refused, method="OPTIONS")


@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        ("http://127.0.0.1:8000", {"host": "127.0.0.1:8000"}),
        ("http://localhost", {"host": "localhost"}),
        ("http://localhost", {"host": "localhost:80"}),
        ("https://[::1]:8443", {"host": "[::1]:8443"}),
        ("https://gw", {"host": "gw"}),
        # Through proxies that put their own name there, and one that says so.
        ("https://gw.example", {"host": "127.0.0.1:8000", "x_forwarded_host": "gw.example"}),
        ("https://gw.example", {"host": "127.0.0.1:8000", "sec_fetch_site": "same-origin"}),
        ("chrome-extension://abcdef", {"host": "127.0.0.1:8000"}),
    ],
)
def test_its_own_pages_may(origin, headers):
    assert allowed(origin=origin, **headers)


def test_pages_that_are_named_may():
    pages = Pages(["gw.example"], ["https://bot.example"])
    assert allowed(pages, host="127.0.0.1:8000", origin="https://bot.example")
    assert allowed(pages, host="127.0.0.1:8000", origin="https://gw.example")
    assert not allowed(pages, host="127.0.0.1:8000", origin="http://bot.example")
    assert not allowed(pages, host="127.0.0.1:8000", origin="https://a.bot.example")


def test_what_a_page_of_elsewhere_asks_is_refused_where_it_hides_its_origin():
    for site in ("cross-site", "same-site", ["same-origin", "cross-site"], "anything"):
        assert not allowed(host="127.0.0.1", sec_fetch_site=site)
        assert allowed(host="127.0.0.1", sec_fetch_site=site, method="GET")
    for site in ("same-origin", "none"):
        assert allowed(host="127.0.0.1", sec_fetch_site=site)
    assert allowed(host="127.0.0.1")
