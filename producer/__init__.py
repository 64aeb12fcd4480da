"""Sends captchas, gets answers.

>>> from producer import Client
>>> with Client() as fleet:
...     answer = fleet.solve("captcha.jpg", timeout=5)

Needs neither the worker's code nor a network: a captcha is sent by name. Reading order: `client`,
then `cli` (the command line), `embedded` and `workers` (a server and workers of one's own), `demo`.
"""

from models.answer import Answer
from models.errors import TilefleetError
from producer.client import Client, Pending

__all__ = ["Answer", "Client", "Pending", "TilefleetError"]
