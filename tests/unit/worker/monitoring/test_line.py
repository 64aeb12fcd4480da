"""A worker's line: where the server is a replica by now, all that is stored goes elsewhere."""

from types import SimpleNamespace

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from tilefleet.report import Report, ServerClock
from worker.monitoring.line import Line


class Client:
    """Refuses all, with that error; itself its pool."""

    def __init__(self, refusal: Exception) -> None:
        self.connection_pool = self
        self.left: list[bool] = []
        self._refusal = refusal

    def execute_command(self, *command) -> None:
        raise self._refusal

    def disconnect(self, *, inuse_connections: bool) -> None:
        self.left.append(inuse_connections)


@pytest.mark.parametrize("kind", [ReadOnlyError, ResponseError])
def test_once_a_second_it_is_seen_whether_the_server_is_a_replica_by_now(kind):
    client = Client(kind("no"))
    backend = SimpleNamespace(client=client)
    line = Line(backend, "one@here", clock=ServerClock(), key_prefix="")
    with pytest.raises(kind):
        line.write(Report(1.0, {}))
    # Those that others use are theirs.
    assert client.left == ([False] if kind is ReadOnlyError else [])
