"""What a hostile or broken client might send over a connection, in whole or in pieces."""

from itertools import pairwise

from hypothesis import strategies as st

_METHODS = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"CONNECT", b"PRI", b"get", b"\x00", b"", b"G T"]
)
_TARGETS = st.sampled_from(
    [
        *(b"/", b"/healthz", b"/v1/solve", b"/v1/solve?timeout=1", b"/v1/solve-many", b"/check"),
        *(b"/verify/base64", b"/result/pic", b"/site/page.js", b"/metrics", b"/docs", b"*"),
        *(b"http://a/healthz", b"//healthz", b"/%00", b"/%zz", b"/\xff", b"/a b", b"", b"a:1"),
        *(
            b"/" + b"a" * 5000,
            b"/?" + b"%" * 3000,
            b"/../etc/passwd",
            b"/healthz#a",
            b"http://[::1",
        ),
    ]
)
_VERSIONS = st.sampled_from(
    [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/11", b"HTTP/9.9", b"", b"x"]
)
#: Those that mean something, each with values that are right, wrong and odd.
_FIELDS = st.sampled_from(
    [
        *(
            b"Host: a",
            b"Host: evil.example",
            b"Host:",
            b"Host: a\x00",
            b"Host: [::1",
            b"host: a, b",
        ),
        *(b"Content-Type: application/json", b"Content-Type: image/jpeg", b"Content-Type:"),
        b"Content-Type: application/x-www-form-urlencoded; charset=\xff",
        *(b"Content-Type: multipart/form-data; boundary=b", b"Content-Type: multipart/form-data"),
        b'Content-Type: multipart/form-data; boundary="' + b"b" * 300 + b'"',
        *(b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: +1"),
        *(
            b"Content-Length: 0x1",
            b"Content-Length: 1, 1",
            b"Content-Length: 1 1",
            b"Content-Length:",
        ),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked"),
        *(b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: \x0bchunked"),
        *(b"Expect: 100-continue", b"Expect: x", b"Connection: close", b"Connection: keep-alive"),
        *(b"Connection: Upgrade\r\nUpgrade: websocket", b"Upgrade: h2c", b"Connection: \xff"),
        *(b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-For: \xff,,", b'Forwarded: for="'),
        *(b"Origin: null", b"Origin: http://[", b"Origin: https://a", b"Sec-Fetch-Site: x"),
        *(b"Authorization: Bearer", b"Authorization: Bearer \xff", b"X-API-Key: a.b"),
        *(b"Idempotency-Key: a", b"Idempotency-Key: \xff", b"Accept: application/x-ndjson"),
        *(
            b"Accept: text/html",
            b"Range: bytes=0-0,1-1",
            b"traceparent: 00-\xff",
            b"A" * 3000 + b": b",
        ),
        *(b" folded: a", b"a: b\r\n folded", b"no colon", b": no name", b"a\x00b: c", b"a b: c"),
        *(b"a: \x01\x7f", b"a:b\rc: d", b"a: b\nc: d", b"X: " + b"y" * 9000),
    ]
)
_BODIES = st.sampled_from(
    [
        *(
            b"",
            b"x",
            b"any picture",
            b"{}",
            b'{"image": "YQ=="}',
            b'{"images": ["YQ==", null, "%"]}',
        ),
        *(b"img=YQ==", b"img=%zz&img", b"imageFile=data:,YQ==", b"\x00" * 500, b"[" * 3000),
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n',
        *(
            b"--b\r\n\r\n",
            b"--b\r\nA: b",
            b"--b--",
            b'--b\r\nContent-Disposition: form-data; name="',
        ),
        *(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"\xff\xd8\xff\xe0" * 200, b"\r\n" * 300),
    ]
)
_CHUNK_ENDS = st.sampled_from([b"", b"", b";a=b", b";" + b"a" * 2000, b" ", b"\t;\x00", b";\n"])
_CHUNKS = st.sampled_from([b"0", b"0", b"00000", b"ffffffffffffffffff", b"-1", b"", b"g", b"1_0"])
_TRAILERS = st.lists(_FIELDS, max_size=3)


@st.composite
def chunked(draw) -> bytes:
    """A chunked body, with its end and trailers, or without."""
    parts = []
    for body in draw(st.lists(_BODIES, max_size=3)):
        parts += [b"%x" % len(body), draw(_CHUNK_ENDS), b"\r\n", body, b"\r\n"]
    parts += [draw(_CHUNKS), draw(_CHUNK_ENDS), b"\r\n"]
    parts += [field + b"\r\n" for field in draw(_TRAILERS)]
    return b"".join([*parts, draw(st.sampled_from([b"\r\n", b"\r\n", b"", b"\n"]))])


@st.composite
def requests(draw) -> bytes:
    """One request, right or nearly so."""
    first = b" ".join([draw(_METHODS), draw(_TARGETS), draw(_VERSIONS)])
    fields = draw(st.lists(_FIELDS, max_size=6))
    body = draw(_BODIES)
    framing = draw(st.sampled_from(["length", "length", "short", "long", "chunked", "none"]))
    if framing == "chunked":
        fields.append(b"Transfer-Encoding: chunked")
        body = draw(chunked())
    elif framing != "none":
        length = len(body) + {"length": 0, "short": -1, "long": 9}[framing]
        fields.append(b"Content-Length: %d" % length)
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]))
    return end.join([first, *fields, b"", body])


@st.composite
def streams(draw) -> list[bytes]:
    """What is sent over one connection, as the pieces that it comes in."""
    sent = b"".join(draw(st.lists(requests() | st.binary(max_size=40), min_size=1, max_size=3)))
    data = bytearray(sent)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        how = draw(st.sampled_from(["cut", "byte", "insert", "drop"]))
        if how == "cut":
            del data[at:]
        elif how == "byte" and data:
            data[at] = draw(st.integers(0, 255))
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=4))
        else:
            del data[at : at + 3]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    places = [0, *cuts, len(data)]
    return [bytes(data[begin:end]) for begin, end in pairwise(places)]
