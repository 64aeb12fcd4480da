"""Bad input by the thousand: short in ``make test``, a hundred thousand in ``make chaos``."""
