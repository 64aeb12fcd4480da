"""How a worker shows that it is ready and alive: what writes and what reads agree.

The files are in the folder `TILEFLEET_HEALTH`, which one worker has for itself.
"""

from typing import Final

#: There while the worker takes captchas: ``node pid model``.
READY: Final = "ready"
#: Written once a second; its age tells how long nothing has moved.
HEARTBEAT: Final = "heartbeat"

#: The last words of the line that a worker logs when it begins to take messages, in any pool.
TAKES: Final = "takes captchas"

#: Seconds between two writings.
EVERY_S: Final = 1.0
#: Seconds after which the heart has stopped, unless who asks says otherwise.
STALE_S: Final = 15.0
