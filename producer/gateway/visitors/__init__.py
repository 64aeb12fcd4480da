"""Who asks: which address behind proxies, and whether a browser's page of elsewhere. May import
starlette and tilefleet.
"""
