"""Sends captchas and gets answers, from threads or from asyncio. May import `tilefleet` only.

`sync` is `asynchronous` with an event loop in a thread (`loop_thread`); `pending` is a captcha on
its way, `window` many of them. Below: `transport` (both connections; several servers), `results`
(as they come), `message` (what is on the wire), `connection`, `backlog` (how much may wait),
`retries`, `source` and `arguments` (what a caller may give). They import each other relatively:
`tilefleet` loads this folder under another name where a program has a producer.py.
"""

from .asynchronous import AsyncClient
from .pending import AsyncPending
from .retries import Retries
from .sync import Client, Pending

__all__ = ["AsyncClient", "AsyncPending", "Client", "Pending", "Retries"]
