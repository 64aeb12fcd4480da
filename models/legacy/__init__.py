"""Imports the networks of old servers. May import `store` and `networks`.

`file` reads a Keras 2 file without running anything of it, `layers` builds it in Keras 3, `words`
and `tiles` put it behind our contract, `reference` computes what the original would answer, and
`importer` does all of it.
"""
