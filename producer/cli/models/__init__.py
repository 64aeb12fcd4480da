"""``tilefleet models``: a file for each kind of command. May import all of `producer`.

::

    stored      what is in the store: list, show, diff, rename, remove; use, by running workers
    carried     from and to files: import, export
    beginning   what kind of captcha a folder has: new
    learning    labels from captchas that nobody labelled: bootstrap, dedupe, review, label
    training    networks: train, convert
    evaluation  how right they are: evaluate
"""

from producer.cli.models.main import models

__all__ = ["models"]
