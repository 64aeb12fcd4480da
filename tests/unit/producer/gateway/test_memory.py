"""Memory of bodies that are gone goes back to the system."""

import subprocess
import sys

import pytest

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
