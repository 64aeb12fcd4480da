"""Servers' URLs: their certificates are verified, their passwords are not shown."""

import re


def verified(urls: str) -> str:
    """Servers' URLs, whose certificates are verified unless they say otherwise.

    Celery insists on ``ssl_cert_reqs`` and takes two spellings of it; redis-py takes one.
    """
    parts = []
    for url in urls.split(";"):
        if url.startswith("rediss://"):
            url = re.sub("(ssl_cert_reqs=)(?:CERT_)?(REQUIRED|OPTIONAL|NONE)", _lower, url)
            if "ssl_cert_reqs=" not in url:
                url += ("&" if "?" in url else "?") + "ssl_cert_reqs=required"
        parts.append(url)
    return ";".join(parts)


def _lower(match: re.Match[str]) -> str:
    return match[1] + match[2].lower()


def without_password(urls: str) -> str:
    """``redis://user:secret@host`` → ``redis://user:***@host``; other text unchanged.

    A password in the query (``?password=…``) is not shown either, nor those of further URLs after
    a semicolon, nor what is before an @ in text that is no URL at all.
    """
    return ";".join(_without_password(url) for url in urls.split(";"))


def _without_password(url: str) -> str:
    url = re.sub(r"(?i)([?&][^=&]*password=)[^&]*", r"\1***", url)
    credentials, at, host = url.rpartition("@")
    if not at:
        return url
    scheme, separator, account = credentials.rpartition("://")
    user, _, _ = account.partition(":") if separator else ("", "", "")
    return f"{scheme}{separator}{user}:***@{host}"
