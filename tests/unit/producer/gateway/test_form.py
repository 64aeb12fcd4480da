"""A form's fields and files, whatever the pieces in which its body came."""

import asyncio
from collections import deque

import pytest
from starlette.datastructures import Headers, UploadFile

from producer.gateway.formats.form import form
from tilefleet.errors import BadMessage

HEADERS = Headers({"content-type": "multipart/form-data; boundary=b"})


def part(contents: bytes, name: str = "a", file: str | None = "a.jpg") -> bytes:
    said = f'name="{name}"' + (f'; filename="{file}"' if file else "")
    return f"--b\r\nContent-Disposition: form-data; {said}\r\n\r\n".encode() + contents + b"\r\n"


def read(body: bytes, length: int = 1 << 20, **most):
    """Names, and contents of what is no file or sizes and contents of what is one; turns taken."""
    turns, kept = 0, []

    async def turn():
        nonlocal turns
        turns += 1

    async def use():
        pieces = deque(body[at : at + length] for at in range(0, len(body), length))
        bounds = {"files": 4, "most_text": 1000} | most
        found = []
        async with form(HEADERS, pieces, turn, **bounds) as fields:
            for name, value in fields.multi_items():
                if isinstance(value, UploadFile):
                    kept.append(value.file)
                    found.append((name, value.size, await value.read()))
                else:
                    found.append((name, value))
        assert not pieces
        return found

    found = asyncio.run(use())
    assert all(file.closed for file in kept)
    return found, turns


@pytest.mark.parametrize("length", [1, 7, 64, 1 << 20])
def test_it_is_the_same_in_any_pieces(length):
    body = part(b"one") + part(b"two", "b", None) + part(b"\r\n-" * 9, "c") + b"--b--\r\n"
    found, _ = read(body, length)
    assert found == [("a", 3, b"one"), ("b", "two"), ("c", 27, b"\r\n-" * 9)]


@pytest.mark.parametrize(
    "said",
    [
        "name=\"a\"; filename*=utf-8''%E9%AA%8C.jpg",
        "name=a; FILENAME*=UTF-8'zh'%E9%AA%8C.jpg",
        "filename*=utf-8''%E9.jpg; name=\"a\"",
        'name="a"; filename="b.jpg"; filename*=utf-8\'\'%E9.jpg',
    ],
)
def test_a_file_whose_name_is_encoded_is_a_file(said):
    body = f"--b\r\nContent-Disposition: form-data; {said}\r\n\r\none\r\n--b--\r\n".encode()
    assert read(body)[0] == [("a", 3, b"one")]


def test_others_have_turns_and_what_is_parsed_is_let_go():
    found, turns = read(part(bytes(1 << 20)) + b"--b--\r\n", 1 << 16)
    assert found == [("a", 1 << 20, bytes(1 << 20))]
    assert turns > 16


def test_of_a_file_that_is_too_long_only_the_size_is_kept():
    body = part(bytes(1 << 20)) + part(b"short") + b"--b--\r\n"
    (long, short), _ = read(body, 1 << 16, most_file=1 << 17)
    assert long[:2] == ("a", 1 << 20)
    assert 1 << 17 < len(long[2]) < 1 << 19
    assert short == ("a", 5, b"short")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (part(b"x") * 5, "Too many files"),
        (part(b"x", file=None) * 101, "Too many fields"),
        (part(b"x" * 1001, file=None), "Part exceeded maximum size"),
        (b"--c\r\n", "Invalid multipart data"),
        (b"--b\r\n\r\nx\r\n--b--", '"name" must be provided'),
    ],
)
def test_what_cannot_be_read_and_what_is_too_much_says_so(body, why):
    with pytest.raises(BadMessage, match=why):
        read(body + b"--b--\r\n")


def test_files_are_closed_when_it_is_left_early():
    async def use():
        kept = []

        async def turn():
            pass

        body = deque([part(b"x") + b"--b--\r\n"])
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with form(HEADERS, body, turn, files=1, most_text=9) as fields:
                kept.append(fields["a"].file)
                raise ZeroDivisionError
        return kept

    assert all(file.closed for file in asyncio.run(use()))
