"""Labelled tiles and captchas with true answers, read and written. May import `recognition`."""
