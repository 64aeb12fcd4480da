"""``tilefleet doctor``: a line for each thing that has to be right.

May import `tilefleet`, `models` to draw a captcha and name models, and of `producer` `client`,
`terminal` and `monitoring`.
"""
