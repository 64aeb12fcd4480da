"""kombu's own tests of its Redis transport, run against ours.

They are fetched by pip when they are needed; nothing of them is in this repository.
"""
