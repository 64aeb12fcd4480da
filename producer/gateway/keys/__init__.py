"""Who may use the gateway. May import `tilefleet`.

`key` is one who may, `file` a file of them and how it is changed, `watched` such a file beside a
gateway that runs.
"""

from producer.gateway.keys.file import changing, read, readers
from producer.gateway.keys.key import Key, sent
from producer.gateway.keys.watched import KeyFile

__all__ = ["Key", "KeyFile", "changing", "read", "readers", "sent"]
