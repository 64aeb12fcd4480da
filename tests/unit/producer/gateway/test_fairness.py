"""A captcha is answered after few steps of others, whatever they send."""

import asyncio

import pytest

from producer.gateway.connection.turns import Turns
from tests.support.running.simulated import Line, Simulated

FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"
FILES = b"multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
KIB = 1 << 10
ATTACKER, OTHER = "127.0.0.66", "127.0.0.2"


def post(path: bytes, kind: bytes, body: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (path, kind, len(body)) + body


CAPTCHA = post(b"/v1/solve", b"image/jpeg", b"\xff\xd8" + bytes(13_500))
SENT = {
    "base64 in lines": post(b"/check", FORM, b"img=" + b"QUFB%0A" * (80 * KIB)),
    "a form of fields": post(b"/check", FORM, b"img=&" * (100 * KIB)),
    "characters": post(b"/v1/solve", JSON, b'{"image":"' + b"\\u4e2d" * (80 * KIB) + b'"}'),
    "parts": post(b"/v1/solve", FILES, (PART + b"\r\n") * (8 * KIB) + b"--b--\r\n"),
    "a picture": post(b"/v1/solve", b"image/jpeg", b"\xff\xd8" + bytes(512 * KIB)),
    "captchas": CAPTCHA * 16,
    "heads": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * KIB,
    "chunks": (
        b"POST /v1/solve HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * (16 * KIB)
    ),
    "no HTTP": b"\x16\x03\x01" * (4 * KIB),
}


class Attack:
    """So many connections on which the same is sent again and again, in pieces of that size."""

    def __init__(self, gateway: Simulated, many: int, sent: bytes, size: int) -> None:
        self._gateway = gateway
        self._pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
        self._lines = [self._begun() for _ in range(many)]

    def _begun(self) -> Line:
        line = self._gateway.connect(ATTACKER, lambda _: None)
        line.pieces = [*self._pieces]
        return line

    def go_on(self) -> None:
        """What can be read of it is; of connections that ended one is made again."""
        for line in self._lines:
            line.give()
        ended = [each for each in self._lines if each.is_closing() or not each.pieces]
        if ended:
            ended[0].abort()
            self._lines[self._lines.index(ended[0])] = self._begun()

    def end(self) -> None:
        for line in self._lines:
            line.abort()


async def seen_beside(gateway: Simulated, attack: Attack, captchas: int) -> list[tuple[int, int]]:
    """Of each captcha: the turns of the loop until its answer, and the attackers' steps in them."""
    loop, seen = asyncio.get_running_loop(), []
    reply, turns, is_over = loop.create_future(), 0, False

    def turn() -> None:
        nonlocal turns
        if is_over:
            return
        turns += 1
        # As the selector would: whoever has sent something is heard.
        loop.look()
        attack.go_on()
        line.give()
        loop.call_soon(turn)

    line = gateway.connect(OTHER, lambda data: reply.done() or reply.set_result(data))
    turn()
    for _ in range(captchas):
        reply = loop.create_future()
        before = turns, gateway.turns.steps[ATTACKER]
        line.pieces.append(CAPTCHA)
        assert (await reply).startswith(b"HTTP/1.1 200")
        seen.append((turns - before[0], gateway.turns.steps[ATTACKER] - before[1]))
        await asyncio.sleep(0.005)
    is_over = True
    attack.end()
    line.abort()
    await asyncio.sleep(0)
    return seen


@pytest.mark.parametrize("size", [KIB, 256 * KIB])
@pytest.mark.parametrize("name", SENT)
def test_a_captcha_waits_for_few_steps_of_others(monkeypatch, name, size):
    for many in (1, 32):
        gateway = Simulated(monkeypatch)

        async def use(gateway=gateway, many=many):
            attack = Attack(gateway, many, SENT[name], size)
            return await seen_beside(gateway, attack, 5)

        # The first one comes beside those that have asked for nothing yet.
        turns, steps = map(max, zip(*gateway.run(use())[1:], strict=True))
        assert turns <= 8
        assert steps <= 64


def had_in_a_second(monkeypatch, heavy: str, took: float) -> dict[str, float]:
    """Of a second, what each of these addresses has had that want all of it, in steps of `took`
    seconds; one more asks for little."""
    turns = Turns()
    for clock in ("monotonic", "thread_time"):
        monkeypatch.setattr(
            f"producer.gateway.connection.turns.{clock}",
            lambda: asyncio.get_running_loop().time(),
        )

    async def use() -> dict[str, float]:
        loop, had = asyncio.get_running_loop(), dict.fromkeys(heavy, 0.0)
        ends = loop.now + 1

        def work(who: str) -> None:
            loop.now += took
            had[who] += took
            if loop.now < ends:
                turns.do(who, lambda: work(who))

        turns.do("light", lambda: None)
        for who in heavy:
            turns.do(who, lambda who=who: work(who))
        while loop.now < ends:
            await asyncio.sleep(0.01)
            turns.do("light", lambda: None)
        return had

    return Simulated.run(use())


@pytest.mark.parametrize("took", [0.0001, 0.0004, 0.005])
def test_one_has_half_of_the_loop_beside_others_and_several_have_all_of_it(monkeypatch, took):
    (one,) = had_in_a_second(monkeypatch, "a", took).values()
    assert 0.25 < one <= 0.52
    several = had_in_a_second(monkeypatch, "abcd", took).values()
    assert sum(several) > 0.7
    assert max(several) - min(several) < 0.05
