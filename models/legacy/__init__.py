"""Imports the networks of old servers. May import `store`, `networks` and `runtimes`.

`file` reads a Keras 2 file without running anything of it (`weights` its arrays, `residual` the
files that hold weights only) and gives it as a `network`; `layers` builds it in Keras 3, `words`
and `tiles` put it behind our contract, `originals` computes by `reference` what the original would
answer, and `importer` does all of it.
"""
