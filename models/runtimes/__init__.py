"""What runs networks, as it is installed here. May import `tilefleet` only.

`installed` chooses a runtime, `litert` and `convert` and `quantise` are LiteRT's,
`native_stderr` keeps their chatter off the terminal, `idle` gives way to other threads.
"""
