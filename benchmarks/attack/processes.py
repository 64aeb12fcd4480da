"""The processes of an attack: the gateway that suffers it, who attacks, and what only reads."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.beside import beside
from producer.gateway.keys import Key, changing
from producer.local.ports import free_port

#: A module that is run in the gateway's place, and its own arguments.
PLAIN = ("producer.cli",)


@dataclass(frozen=True, slots=True)
class Attacked:
    """A gateway that runs, and two keys that it knows."""

    process: subprocess.Popen[bytes]
    port: int
    #: Of those who are measured, and of those who attack.
    others: str
    attacker: str

    @contextmanager
    def attack(self, name: str, port: int | None = None) -> Iterator[None]:
        """Somebody attacks it in this way meanwhile, or what listens on another port."""
        with beside(attacker(port or self.port, self.attacker, name)):
            yield


def attacker(port: int, key: str, *arguments: str) -> list[str]:
    """Its command line."""
    return [sys.executable, "-m", "benchmarks.attack.attacker", str(port), key, *arguments]


@contextmanager
def reader() -> Iterator[int]:
    """The port of something that only reads."""
    port = free_port()
    with beside([sys.executable, "-m", "benchmarks.attack.reader", str(port)]):
        yield port


@contextmanager
def gateway(url: str, folder: Path, module: tuple[str, ...] = PLAIN) -> Iterator[Attacked]:
    """One with keys, at the server of that URL."""
    with changing(folder / "keys.json") as kept:
        kept["others"], others = Key.make("others")
        kept["attacker"], attacks = Key.make("attacker")
    port = free_port()
    command = [sys.executable, "-m", *module, "serve", "--port", str(port)]
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--keys", str(folder / "keys.json")],
            env={**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url},
            stderr=log,
        )
    try:
        yield Attacked(process, port, others, attacks)
    finally:
        process.terminate()
        process.wait()
