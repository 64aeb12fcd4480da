"""The HTTP gateway: captchas over HTTP, onto the same queue as everybody's.

Reading order: `app` (routes), `api` (the clean one), `legacy` (what old servers answered), `body`
(what clients send), `problem` (errors as HTTP says them).
"""

from producer.gateway.app import make

__all__ = ["make"]
