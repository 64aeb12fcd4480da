"""Free ports on loopback."""

import socket
from contextlib import suppress
from typing import Final

from tilefleet.errors import FleetUnreachable

LOOPBACK: Final = "127.0.0.1"


def free_port(wanted: int = 0) -> int:
    """That port, one of the nine above it, or any that is free; 0: any. Raises FleetUnreachable."""
    near = (wanted, *range(wanted + 1, min(wanted + 10, 65536))) if wanted else ()
    for port in (*near, 0):
        with socket.socket() as probe:
            # As servers do: a port whose last connections are just closing is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((LOOPBACK, port))
                found: int = probe.getsockname()[1]
                return found
    raise FleetUnreachable(f"no free port on {LOOPBACK}")
