"""Which metrics and labels an expression of Prometheus asks for; enough for what is in deploy/."""

import re

_KEYWORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless"}
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"\{([^}]*)\}")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def metrics(expression: str) -> set[str]:
    """The names of metrics in it."""
    bare = _SELECTOR.sub(" ", re.sub(r"\[[^\]]*\]", " ", expression))
    bare = re.sub(r"\b\d[\w.]*", " ", _GROUPING.sub(" ", bare))
    names = set()
    for found in _NAME.finditer(bare):
        is_function = bare[found.end() :].lstrip().startswith("(")
        if not is_function and found[0] not in _KEYWORDS:
            names.add(found[0])
    return names


def labels(expression: str) -> set[str]:
    """The labels that it selects and groups by."""
    found = set()
    for selector in _SELECTOR.findall(expression):
        found |= set(re.findall(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)", selector))
    for _, listed in _GROUPING.findall(expression):
        found |= set(_NAME.findall(listed))
    return found
