"""Connections to the servers that a URL names. May import `tilefleet`.

`clients` are redis-py's, as the settings say; `places` tries one server after the other.
"""

from .clients import TROUBLE, IsCluster, connect, connect_now, why

__all__ = ["TROUBLE", "IsCluster", "connect", "connect_now", "why"]
