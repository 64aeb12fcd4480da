"""What the options of ``celery worker`` are given, looked at before Celery runs into it: why it is
not usable, or "" if it is."""

import dbm
import grp
import os
import pwd
from collections.abc import Mapping
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

#: Sessions or processes of one worker, as of workers of one supervisor.
_MOST: Final = 1024

#: Files that a worker writes.
_FILES: Final = ("logfile", "pidfile", "statedb", "schedule_filename")
#: Modules that it imports; accounts that it changes to.
_MODULES: Final = ("include", "scheduler")
_ACCOUNTS: Final = ("uid", "gid")


def unusable(given: Mapping[str, Any]) -> tuple[str, str]:
    """The name of the first of Celery's parameters whose value is not, and why; ("", "")."""
    checks = (
        *((name, _of_file) for name in _FILES),
        ("statedb", _of_database),
        *((name, _of_modules) for name in _MODULES),
        *((name, _of_account) for name in _ACCOUNTS),
        ("concurrency", _of_count),
    )
    for name, check in checks:
        if name in given and (why := check(name, str(given[name] or ""), given)):
            return name, why
    return "", ""


def _of_file(_: str, value: str, given: Mapping[str, Any]) -> str:
    """Why a worker cannot write it, as far as can be told before it is asked to."""
    file = Path(value)
    if not value or "%" in value or ("workdir" in given and not file.is_absolute()):
        return ""
    folder = file.absolute().parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if file.is_dir():
        return "it is a folder"
    existing = file if file.exists() else folder
    is_another = bool({*_ACCOUNTS} & given.keys())
    is_ours = is_another or os.access(existing, os.W_OK)
    return "" if is_ours else f"{existing} cannot be written to"


def _of_database(_: str, value: str, given: Mapping[str, Any]) -> str:
    is_other = not value or "%" in value or "workdir" in given
    # Of one that is there, which is none.
    return (
        "it is no database of a worker's state" if not is_other and dbm.whichdb(value) == "" else ""
    )


def _of_modules(name: str, value: str, given: Mapping[str, Any]) -> str:
    """Of the packages that they are in: nothing is imported for it."""
    if "workdir" in given:
        return ""
    for module in value.split(",") if name == "include" else [value.partition(":")[0]]:
        package = module.strip().partition(".")[0]
        try:
            found = find_spec(package) or PathFinder.find_spec(package, [str(Path.cwd())])
        except ValueError:
            found = None
        if found is None:
            return f"there is no module {module.strip()!r}"
    return ""


def _of_account(name: str, value: str, _: Mapping[str, Any]) -> str:
    if value.isdecimal():
        return ""
    try:
        (pwd.getpwnam if name == "uid" else grp.getgrnam)(value)
    except KeyError:
        return f"there is no {'user' if name == 'uid' else 'group'} {value!r}"
    return ""


def _of_count(_: str, value: str, __: Mapping[str, Any]) -> str:
    too_many = value.isdecimal() and int(value) > _MOST
    return f"a worker has {_MOST} at most; start more workers to read more" if too_many else ""
