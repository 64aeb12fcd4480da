"""What the fleet does: who works, with which model, and whether a captcha gets through."""

import tempfile
from pathlib import Path
from time import monotonic
from typing import Final

from producer.doctor.check import FAIL, OK, SKIP, WARN, Check
from producer.monitoring import health
from producer.terminal.text import error_line
from tilefleet import report
from tilefleet.errors import SettingError, TilefleetError, UnknownModel, WrongSize
from tilefleet.report import Report

#: Where a gateway is looked for if nobody says where.
GATEWAY: Final = "http://127.0.0.1:8000"
_START: Final = "start one: tilefleet worker (or all of it here: tilefleet up)"


def workers(now: int, lines: dict[bytes, bytes]) -> tuple[Check, dict[str, Report]]:
    """Those that live, and those whose lines are old; and what those that live told last."""
    found: dict[str, Report] = {}
    silent: list[str] = []
    for node, line in sorted(lines.items()):
        name = node.decode(errors="replace")
        told = report.decode(now, line)
        if told is None:
            at = line.partition(b" ")[0]
            silent.append(f"{name} for {now - int(at)} s" if at.isdigit() else name)
        elif told.bounds:
            found[name] = told
        else:
            silent.append(f"{name} (starts, or reads no lane)")
    quiet = f"; silent: {', '.join(silent)}" if silent else ""
    hint = "it was killed or stopped, or has lost the server: start it again" if silent else ""
    if not found:
        return Check("workers", FAIL, f"none{quiet}", hint or _START), found
    names = f"{len(found)}: {', '.join(found)}{quiet}"
    return Check("workers", WARN if silent else OK, names, hint), found


def models(living: dict[str, Report]) -> Check:
    """Whether all read what names no model with the same one; and which they hold beside."""
    if not living:
        return Check("reads with", SKIP, "no worker to ask")
    found = sorted({each.model for each in living.values()})
    others = sorted({other for each in living.values() for other in each.others})
    if len(found) == 1:
        return Check("reads with", OK, found[0] + "".join(f", by name {each}" for each in others))
    hint = "one for all: tilefleet models use NAME, and TILEFLEET_MODEL for those that start later"
    return Check("reads with", WARN, ", ".join(found), hint)


def gateway(url: str | None) -> Check:
    """Whether it takes captchas; none is needed, unless one is named."""
    try:
        found = health.of_gateway(url or GATEWAY, ready=True, timeout_s=3.0)
    except SettingError as error:
        return Check("gateway", FAIL, str(error))
    if found.good:
        return Check("gateway", OK, f"{url or GATEWAY} says {found.why}")
    if url is None and "refused" in found.why:
        return Check("gateway", SKIP, f"none at {GATEWAY}", "tilefleet serve starts one")
    return Check("gateway", FAIL, f"{url or GATEWAY}: {found.why}", "tilefleet serve starts one")


def answer(living: dict[str, Report], *, timeout_s: float, model: str | None) -> Check:
    """A drawn captcha, there and back."""
    if not living:
        return Check("answer", SKIP, "no worker to read a captcha")
    try:
        from models.drawing.captchas import generate
        from models.drawing.tiles import TILES
    except ImportError:
        needs = "a captcha is drawn by Pillow and NumPy"
        return Check("answer", SKIP, needs, "pip install 'tilefleet[worker]'")
    from producer.client import Client

    with tempfile.TemporaryDirectory(prefix="tilefleet-doctor-") as folder:
        generate(TILES, Path(folder), count=1)
        try:
            with Client() as client:
                began = monotonic()
                read = client.solve(Path(folder) / "000.jpg", timeout=timeout_s, model=model)
            outcome = f"read by {read.model}"
        except WrongSize as error:
            # A worker looked at it: its model is for captchas of another kind than the drawn one.
            outcome = f"seen by a model for another kind ({error_line(error)})"
        except UnknownModel as error:
            return Check("answer", FAIL, str(error), "TILEFLEET_MODEL says what workers hold")
        except TilefleetError as error:
            return Check("answer", FAIL, error_line(error), "tilefleet top shows what waits")
    return Check("answer", OK, f"a captcha was {outcome} in {(monotonic() - began) * 1000:.0f} ms")
