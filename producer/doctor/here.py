"""What can be seen without a server: Python, what is installed, the settings, the model."""

import os
import sys
from importlib.util import find_spec

from producer.doctor.check import FAIL, OK, SKIP, WARN, Check
from producer.terminal.catalogue import chosen
from producer.terminal.extras import EXTRAS
from tilefleet.errors import SettingError
from tilefleet.settings import Settings, unknown_variables

_FIRST, _LAST = (3, 11), (3, 13)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Whether this is tested with that Python."""
    found = f"{'.'.join(map(str, version))} in {sys.prefix}"
    if _FIRST <= version[:2] <= _LAST:
        return Check("Python", OK, found)
    tested = f"{_FIRST[0]}.{_FIRST[1]} to {_LAST[0]}.{_LAST[1]}"
    return Check("Python", FAIL, found, f"install one of {tested}, and a virtual environment of it")


def extras() -> Check:
    """Which are installed; a program that only sends needs none."""
    there = {name: all(map(_is_installed, modules)) for name, modules in EXTRAS.items()}
    found = ", ".join(name for name, each in there.items() if each) or "none: a client"
    missing = ",".join(name for name, each in there.items() if not each)
    return Check(
        "extras", OK, found, f"for more: pip install 'tilefleet[{missing}]'" if missing else ""
    )


def settings() -> tuple[Check, Settings | None]:
    """Whether all can be used; and they, if so."""
    try:
        found = Settings.from_environ()
    except SettingError as error:
        return Check("settings", FAIL, str(error), "tilefleet --settings tells what each is"), None
    if unknown := unknown_variables():
        return Check("settings", WARN, "; ".join(unknown), "rename or unset them"), found
    rows = [variable for variable, _, _ in found.rows()]
    own = [each for each in rows if os.environ.get(each) or os.environ.get(f"{each}_FILE")]
    return Check("settings", OK, f"set: {', '.join(own)}" if own else "all as they come"), found


def model(settings: Settings) -> Check:
    """Whether the one that is set is in the store."""
    found = chosen(settings)
    if settings.engine == "null" or "@" in found.partition(" ")[0]:
        return Check("model", OK, found)
    if "pip install" in found:
        return Check("model", SKIP, found)
    return Check("model", FAIL, found, "tilefleet models list shows what there is")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
