"""Memory of bodies that are gone goes back to the system."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from producer.gateway.connection import memory

#: Pieces as bodies have them, with something short that stays between them.
SCRIPT = """
import asyncio
from pathlib import Path
from producer.gateway.connection import memory

memory._WAIT_S = 0.01

def resident_kib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

async def use():
    memory.settle()
    began = resident_kib()
    for length in (16 << 10, 64 << 10):
        pieces, kept = [], []
        for _ in range((64 << 20) // length):
            pieces.append(bytes(length))
            kept.append(bytes(600))
        pieces.clear()
        memory.memory.freed(64 << 20)
        await asyncio.sleep(0.1)
    print(resident_kib() - began)

asyncio.run(use())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_what_is_short_and_stays_holds_no_bodies_that_are_gone():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) < 32 << 10


def test_while_bodies_come_it_is_given_back_seldom(monkeypatch):
    seconds, due, given = [0.0], [], []
    loop = SimpleNamespace(
        call_later=lambda after_s, look: due.append((seconds[0] + after_s, look))
    )
    monkeypatch.setattr(memory.asyncio, "get_running_loop", lambda: loop)
    monkeypatch.setattr(memory, "monotonic", lambda: seconds[0])
    # Each time takes 20 ms.
    monkeypatch.setattr(memory, "thread_time", lambda: 0.02 * len(given))
    of = memory.Memory()
    of._trim = lambda _: given.append(seconds[0])
    while seconds[0] < 100:
        if seconds[0] < 61:
            of.freed(memory._WORTH_BYTES)
        for at, look in due[:]:
            if at <= seconds[0]:
                due.remove((at, look))
                look()
        seconds[0] += 1
    during = [at for at in given if at < 61]
    assert len(during) == 3
    # And when they come no more, once.
    assert len(given) == 4
    assert given[-1] <= 65
    assert not due
