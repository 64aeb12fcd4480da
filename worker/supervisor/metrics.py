"""The workers' pages of metrics as one: each worker's figures with a label ``process``.

A process of its own serves it, so that the supervisor, which forks, has no threads. Sums over the
label are the machine's, as sums over workers are the fleet's.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from worker.monitoring.page import Page, Registry

#: Seconds in which a worker has to tell: one that hangs is left out.
_PATIENCE_S: Final = 2.0


def page(address: str, sockets: Mapping[int, Path], restarts: Path, *, fleet: str) -> Page:
    """Bound to its address, not served yet.

    `sockets`: the workers', by their numbers. `restarts`: a file with how many there were.
    `fleet`: the label of all.
    """
    registry = Registry(fleet)
    registry.register(_Together(sockets, restarts))
    return Page(registry, address)


class _Together(Collector):
    def __init__(self, sockets: Mapping[int, Path], restarts: Path) -> None:
        self._sockets, self._restarts = sockets, restarts

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering must not ask for figures."""
        return []

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        told = 0
        for number, path in self._sockets.items():
            # One that starts, or is being started again, tells nothing.
            with suppress(OSError, HTTPException, ValueError):
                text = _ask(path)
                told += 1
                for family in text_string_to_metric_families(text):
                    whole = families.setdefault(
                        family.name, Metric(family.name, family.documentation, family.type)
                    )
                    for sample in family.samples:
                        labels = {**sample.labels, "process": str(number)}
                        whole.add_sample(sample.name, labels, sample.value)
        yield from families.values()
        wanted = GaugeMetricFamily(
            "tilefleet_worker_processes",
            "Workers of this machine that were wanted, and that told this page their figures.",
            labels=["state"],
        )
        wanted.add_metric(["wanted"], len(self._sockets))
        wanted.add_metric(["told"], told)
        yield wanted
        yield CounterMetricFamily(
            "tilefleet_worker_restarts",
            "Workers of this machine that ended by themselves and were started again.",
            int(self._restarts.read_text()),
        )


def _ask(path: Path) -> str:
    connection = HTTPConnection("localhost", timeout=_PATIENCE_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(_PATIENCE_S)
        connection.sock.connect(str(path))
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
