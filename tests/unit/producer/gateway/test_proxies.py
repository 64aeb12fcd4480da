"""Whose request it is: over trusted proxies from the right, and never by what a client says."""

import pytest

from producer.gateway.visitors.proxies import UNKNOWN, Proxies, is_loopback

NEAR, FAR = "127.0.0.1", "203.0.113.9"
PROXIES = Proxies("127.0.0.0/8,::1/128,10.0.0.0/8,fd00::/8,192.0.2.7/32")


def client(peer, *fields):
    return PROXIES.client(peer, [(name.encode(), value.encode()) for name, value in fields])


def via(value, *more, peer=NEAR):
    return client(peer, *(("x-forwarded-for", each) for each in (value, *more)))


def said(value, *more, peer=NEAR):
    return client(peer, *(("forwarded", each) for each in (value, *more)))


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (FAR, FAR),
        (f" {FAR}\t", FAR),
        (f"{FAR}:4711", FAR),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        (f"::ffff:{FAR}", FAR),
        # Several hops: the last that is not trusted, whatever stands in front of it.
        (f"198.51.100.1, {FAR}", FAR),
        (f"{FAR}, 10.1.2.3, 192.0.2.7", FAR),
        (f"{FAR}, fd00::7, [fd00::8]:80, ::ffff:10.0.0.1", FAR),
        (f"127.0.0.1, {FAR}, 10.0.0.1", FAR),
        (f"nonsense, {FAR}, 10.0.0.1", FAR),
        (f"{FAR},,", FAR),
        # All are trusted: one of them asks for itself.
        ("10.0.0.5", "10.0.0.5"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.0.0.5, 10.0.0.6", "10.0.0.5"),
        # Nobody is named.
        ("", NEAR),
        (" , ", NEAR),
        # What cannot be read, where it counts.
        ("unknown", UNKNOWN),
        (f"{FAR}, unknown", UNKNOWN),
        (f"{FAR}, 10.0.0", UNKNOWN),
        ("localhost", UNKNOWN),
        ("[127.0.0.1", UNKNOWN),
        ("[::1]x", UNKNOWN),
        ("127.0.0.1:1:1", UNKNOWN),
        ("127.0.0.1%lo", UNKNOWN),
        ("127.1", UNKNOWN),
        ("0x7f.0.0.1", UNKNOWN),
        ("127.0.0.1\x00", UNKNOWN),
        ("１２７.0.0.1", UNKNOWN),
        ("a" * 30_000, UNKNOWN),
    ],
)
def test_who_is_in_front_of_trusted_proxies(value, address):
    assert via(value) == address


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (f"for={FAR}", FAR),
        (f"For={FAR};proto=https;by=10.0.0.1;host=a.example", FAR),
        (f'proto=https ; for="{FAR}:4711"', FAR),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="[2001:DB8::1]"', "2001:db8::1"),
        (f"for=198.51.100.1, for={FAR};proto=http, for=10.0.0.1", FAR),
        (f'for="127.0.0.1", for={FAR}', FAR),
        (f'for="a,b;c\\"d", for={FAR}', FAR),
        ("for=10.0.0.5", "10.0.0.5"),
        ("", NEAR),
        ("for=unknown", UNKNOWN),
        ("for=_hidden", UNKNOWN),
        (f"for={FAR}, proto=https", UNKNOWN),
        ("for=", UNKNOWN),
        ("nonsense", UNKNOWN),
        # A quote left open, so that what the proxy adds would be inside of it.
        (f'for="127.0.0.1, for={FAR}', UNKNOWN),
        (f'for=127.0.0.1;x=", for={FAR}', UNKNOWN),
        ("for=2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_standard_header_says_the_same(value, address):
    assert said(value) == address


def test_fields_of_one_name_are_one_list():
    assert via("198.51.100.1", FAR, "10.0.0.1") == FAR
    assert said("for=198.51.100.1", f"for={FAR}", "for=10.0.0.1") == FAR
    # Each field alone is read as far as it goes; none hides the one behind it.
    assert said('for="127.0.0.1', f"for={FAR}") == UNKNOWN


def test_what_nobody_trusted_says_is_nothing():
    for peer in (FAR, "2001:db8::1", "::ffff:203.0.113.9", UNKNOWN, "", "no address"):
        assert via("127.0.0.1", peer=peer) == peer
        assert said("for=127.0.0.1", peer=peer) == peer
    assert Proxies("").client(NEAR, [(b"x-forwarded-for", FAR.encode())]) == NEAR
    # A socket of both families gives addresses of IPv4 in those of IPv6.
    assert via(FAR, peer="::ffff:127.0.0.1") == FAR
    assert via(FAR, peer="::1") == FAR


def test_two_headers_that_do_not_agree_name_nobody():
    """A proxy writes one of them, and hands the other one on as its client wrote it."""
    for first, second in ((FAR, "127.0.0.1"), ("127.0.0.1", FAR)):
        fields = ("x-forwarded-for", first), ("forwarded", f"for={second}")
        assert client(NEAR, *fields) == client(NEAR, *reversed(fields)) == UNKNOWN
    assert client(NEAR, ("x-forwarded-for", FAR), ("forwarded", f"for={FAR}")) == FAR


def test_an_unknown_address_is_not_this_machine():
    assert [is_loopback(each) for each in (UNKNOWN, "", "127.0.0.1", "127.9.9.9", "::1")] == [
        *(False, False, True, True, True)
    ]


def test_an_element_that_says_two_addresses_says_none():
    assert said(f"for={FAR};for=127.0.0.1") == UNKNOWN
    assert said(f"for=127.0.0.1;proto=https;For={FAR}") == UNKNOWN
    assert said(f"for=127.0.0.1;for={FAR};for={FAR}") == UNKNOWN
    assert said(f'for={FAR};FOR="{FAR}"') == FAR
    # What stands further left, a client may have made up.
    assert said(f"for=192.0.2.7;for=127.0.0.1, for={FAR}") == FAR
