"""Labels for captchas that nobody labelled: ``tilefleet models bootstrap``.

May import all of `models`.

::

    scan          captchas to words and signatures (`signatures`: what makes a tile known again)
    groups        tiles that are the same picture
    checks        whether all that can teach anything
    estimation    words and groups to labels, and how well they foretell headers that were held out
    learner       a network that sees what repetition cannot tell
    rounds        estimate, learn, estimate again
    dataset       what is written, and what people correct in it; `sheets`: pictures for people
    run           all of it, step by step (`progress`), each step's outcome kept (`arrays`)
    dedupe        which pictures there are, and which signature tells them apart best
"""
