"""Sends captchas, gets answers.

>>> from producer import Client
>>> with Client() as fleet:
...     answer = fleet.solve("captcha.jpg", timeout=5)

Needs neither the worker's code nor a network: a captcha is sent by name. Reading order: `client`,
`async_client` (on `async_wire` and `message`), then `cli` (the command line), `gateway`
(HTTP), `embedded` and `workers` (a server and workers of one's own), `demo`.
"""

from models.answer import Answer
from models.errors import TilefleetError
from producer.async_client import AsyncClient, AsyncPending
from producer.client import Client, Pending

__all__ = ["Answer", "AsyncClient", "AsyncPending", "Client", "Pending", "TilefleetError"]
