"""``tilefleet solve``: captchas in, answers out, as people or programs want them.

May import `tilefleet`, `models` to read and draw, and of `producer` `client` and `terminal`.
"""
