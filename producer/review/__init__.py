"""Local pages where people say what is right: labels of pictures (``tilefleet models review``), and
answers of captchas (``tilefleet models label``).

May import `models`.

::

    tiles       the pictures of a dataset, doubtful labels first
    captchas    the captchas of a folder, doubtful answers first; `labelling` keeps them
    server      what both are served by, and for whom
    site/       the pages, in two languages
"""
