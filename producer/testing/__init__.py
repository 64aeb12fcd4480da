"""Clients whose fleet is in memory, for tests. May import `tilefleet` and `producer.client`.

Public as `tilefleet.testing`.
"""

from .fleet import AsyncFakeFleet, FakeFleet

__all__ = ["AsyncFakeFleet", "FakeFleet"]
