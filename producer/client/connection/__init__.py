"""Connections to the servers that a URL names. May import `tilefleet`.

`clients` are redis-py's, as the settings say; `places` tries one server after the other; `exchange`
asks several things at once.
"""

from .clients import TROUBLE, IsCluster, connect, connect_now, leave_replica, why
from .exchange import exchange

__all__ = ["TROUBLE", "IsCluster", "connect", "connect_now", "exchange", "leave_replica", "why"]
