"""Bytes to pixels, pixels to crops, probabilities to an answer. May import `tilefleet` only.

`image` decodes, `locate` finds a captcha in a larger picture, `crops` cuts, `decision` answers;
`fingerprint` knows altered tiles again.
"""
