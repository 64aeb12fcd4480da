"""What bodies are written in, read without holding the event loop. May import starlette, orjson and
tilefleet.
"""
