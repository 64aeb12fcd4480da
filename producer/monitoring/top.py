"""``tilefleet top``: the loop of looks, keys and drawings.

A look costs the server a few reads, however large the fleet is; nothing is asked of the workers
(`producer.monitoring.watch`). Rates, pass sizes and latencies are those of the last seconds
(`producer.monitoring.trend`).
"""

import json
import sys
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Final

import click
from rich.console import Console
from rich.live import Live

from producer.monitoring.keyboard import Keyboard
from producer.monitoring.screen import as_object, screen
from producer.monitoring.trend import Trend
from producer.monitoring.watch import View, Watch
from producer.monitoring.workers import ORDERS, ordered
from tilefleet import report
from tilefleet.errors import FleetError, FleetUnreachable, did_you_mean
from tilefleet.settings import Settings

#: Width where there is no screen: a line for each worker, whatever they are called.
WIDTH: Final = 500


@dataclass(slots=True)
class Choice:
    """What is to be seen."""

    order: str = "name"
    reverse: bool = False
    #: The worker whose detail is shown; none: all of them.
    node: str = ""
    #: The worker that Enter would show; none: no key has chosen one.
    marked: str = ""

    def press(self, key: str, view: View, trend: Trend) -> bool:
        """What a key does; whether to go on."""
        names = ordered(view, trend, self.order, reverse=self.reverse)
        if key == "q":
            return False
        if key in ("s", "S"):
            orders = list(ORDERS)
            self.order = orders[
                (orders.index(self.order) + (1 if key == "s" else -1)) % len(orders)
            ]
        elif key == "r":
            self.reverse = not self.reverse
        elif key == "escape":
            self.node = ""
        elif key in ("up", "k", "down", "j") and names:
            at = names.index(self.marked) if self.marked in names else -1
            step = 1 if key in ("down", "j") else -1
            self.marked = names[max(0, min(len(names) - 1, at + step))]
            if self.node:
                self.node = self.marked
        elif key == "enter" and self.marked in names:
            self.node = "" if self.node else self.marked
        return True


def run(
    settings: Settings, *, every_s: float, once: bool, as_json: bool, choice: Choice | None = None
) -> None:
    """Until Ctrl-C or q, or one look; raises FleetUnreachable if the first one shows nothing, and
    FleetError if there is no worker of the name that is chosen."""
    choice = choice or Choice()
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    trend = Trend()
    with Watch(settings) as watch:
        view = watch.look()
        trend.add(view)
        _check(choice, view)
        try:
            if once:
                # What has happened is the difference of two lines.
                sleep(1.5 * report.EVERY_S)
                _look_and_print(console, watch, trend, choice, as_json=as_json)
            elif as_json or not console.is_terminal or console.is_dumb_terminal:
                while True:
                    sleep(every_s)
                    _look_and_print(console, watch, trend, choice, as_json=as_json)
            else:
                _live(console, watch, trend, every_s, choice)
        except KeyboardInterrupt:
            # How one leaves it.
            pass


def _check(choice: Choice, view: View) -> None:
    if choice.node and choice.node not in view.workers:
        there = ", ".join(view.workers) or "none"
        raise FleetError(
            f"no worker called {choice.node}; there are: {there}"
            f"{did_you_mean(choice.node, view.workers)}"
        )


def _live(console: Console, watch: Watch, trend: Trend, every_s: float, choice: Choice) -> None:
    view, trouble = View(), ""
    with Live(console=console, screen=True, auto_refresh=False) as live, Keyboard() as keyboard:
        while True:
            try:
                view, trouble = watch.look(), ""
                trend.add(view)
            except FleetUnreachable as error:
                trouble = str(error)
            next_look = monotonic() + every_s
            while True:
                live.update(
                    screen(watch.server, view, trend, choice=choice, trouble=trouble, keys=True),
                    refresh=True,
                )
                left = next_look - monotonic()
                key = keyboard.wait(left) if left > 0 else ""
                if not key:
                    break
                if not choice.press(key, view, trend):
                    return


def _look_and_print(
    console: Console, watch: Watch, trend: Trend, choice: Choice, *, as_json: bool
) -> None:
    view = watch.look()
    trend.add(view)
    if as_json:
        found = as_object(watch.server, view, trend, choice)
        click.echo(json.dumps(found, ensure_ascii=False))
        sys.stdout.flush()
    else:
        console.print(screen(watch.server, view, trend, choice=choice))
