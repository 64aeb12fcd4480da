"""Servers, workers and gateways started on this machine.

May import `client`, `monitoring` and `terminal`. A worker is another process: its
environment and its command line are the only ways to tell it anything.
"""
