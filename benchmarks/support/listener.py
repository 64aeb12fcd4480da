"""Who listens to the events of Celery's workers, and does nothing with them: a process of its own.

python -m benchmarks.support.listener URL       # until it is ended; says on a line that it listens
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection
from urllib.parse import urlsplit

from benchmarks.support.beside import beside

#: Channels of kombu's fanout exchange for events, in every database.
_CHANNELS = "*celeryev*"


@contextmanager
def listening(url: str) -> Iterator[None]:
    """Somebody listens on the server at `url`."""
    with beside([sys.executable, "-m", "benchmarks.support.listener", url]):
        yield


def main(url: str) -> None:
    parts = urlsplit(url)
    with create_connection((parts.hostname or "localhost", parts.port or 6379)) as connection:
        if parts.password:
            connection.sendall(f"AUTH {parts.username or 'default'} {parts.password}\r\n".encode())
        connection.sendall(f"PSUBSCRIBE {_CHANNELS}\r\n".encode())
        taken = bytearray(1 << 20)
        connection.recv_into(taken)
        print("listening", flush=True)
        while connection.recv_into(taken):
            pass


if __name__ == "__main__":
    main(sys.argv[1])
