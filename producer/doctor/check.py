"""One line of ``tilefleet doctor``: what was looked at, how it is, and what to do."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import click

from producer.terminal.text import printable

OK: Final = "ok"
#: It works; not as well as it could.
WARN: Final = "warn"
FAIL: Final = "fail"
#: Could not be looked at, or there is nothing to look at.
SKIP: Final = "skip"

_COLOURS: Final = {OK: "green", WARN: "yellow", FAIL: "red", SKIP: "bright_black"}


@dataclass(frozen=True, slots=True)
class Check:
    """What was found."""

    name: str
    state: str
    found: str
    #: What to do; none where nothing has to be done.
    hint: str = ""

    def line(self) -> str:
        """``fail  server    redis://…: Connection refused → start one: tilefleet up``."""
        state = click.style(f"{self.state:<4}", fg=_COLOURS[self.state], bold=self.state == FAIL)
        hint = f" → {self.hint}" if self.hint else ""
        # One line, whatever a server says.
        return f"{state}  {self.name:<10} {printable(' '.join(f'{self.found}{hint}'.split()))}"

    def encode(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)
