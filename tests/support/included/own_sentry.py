"""Sentry as a program sets it up itself, told to send all that it can, for a worker that includes
this module; and an engine that breaks over pictures that begin with b"break"."""

import os

import sentry_sdk

from models.engines.null import NullEngine

sentry_sdk.init(os.environ["OWN_DSN"], send_default_pii=True, include_local_variables=True)


def prepare(self, data):
    if data.startswith(b"break"):
        raise RuntimeError("broken")
    return data


NullEngine.prepare = prepare
