"""Headless Chromium; and the picture of the page in the README.

python -m tests.support.browser docs/page.png
"""

import os
import re
import shutil
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from time import sleep

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import missing

#: The rules of accessibility, as one script.
AXE = files("selenium_axe_python") / "axe-core" / "axe.min.js"

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


class Page:
    """The page in a browser: what is on it, by the ids of its elements."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        self.address = address

    def open(
        self, *, width: int = 1160, height: int = 860, dark: bool = False, touch: bool = False
    ) -> None:
        """A fresh visit: no key, nothing shown."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        hover = {"name": "hover", "value": "none" if touch else "hover"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, hover]})
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        self.driver.get(self.address)
        self.script("sessionStorage.clear(); localStorage.clear()")
        self.driver.get(self.address)

    def __getitem__(self, name: str):
        return self.driver.find_element(By.ID, name)

    def all(self, selector: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def script(self, text: str, *arguments):
        return self.driver.execute_script(text, *arguments)

    def wait(self, condition, seconds: float = 15):
        return WebDriverWait(self.driver, seconds, 0.05).until(lambda _: condition())

    def wait_for(self, state: str) -> None:
        self.wait(lambda: self["stage"].get_attribute("data-state") == state)

    def press(self, key: str) -> None:
        """A key of the keyboard: Tab, Enter."""
        ActionChains(self.driver).send_keys(getattr(Keys, key.upper())).perform()

    def type(self, text: str) -> None:
        """Characters, to wherever the keyboard goes."""
        ActionChains(self.driver).send_keys(text).perform()

    def tap(self, selector: str) -> None:
        """With a finger, in the middle of an element."""
        x, y = self.script(
            "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]",
            selector,
        )
        touched = [{"x": x, "y": y}]
        for kind, points in (("touchStart", touched), ("touchEnd", [])):
            self.driver.execute_cdp_cmd(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
            )

    def drop(self, *files: tuple[str, bytes], paste: bool = False) -> None:
        """Files, dropped on the page or pasted into it."""
        self.script(
            """
            const [files, paste] = arguments;
            const transfer = new DataTransfer();
            for (const [name, text] of files) {
              const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
              transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
            }
            const [kind, name, carrier] = paste
              ? [ClipboardEvent, "paste", "clipboardData"] : [DragEvent, "drop", "dataTransfer"];
            document.body.dispatchEvent(
              new kind(name, { bubbles: true, cancelable: true, [carrier]: transfer }));
            """,
            [(name, b64encode(data).decode()) for name, data in files],
            paste,
        )

    def violations(self) -> list[str]:
        """What axe finds wrong with it: rule, and where."""
        self.script(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then((found) => done(found.violations));"
        )
        return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found]

    def contrast(self, selector: str) -> float:
        """Of an element's text to what is behind it, as WCAG 2 reckons it: 1 to 21."""
        ink, paper = self.script(_COLOURS, selector)
        light, dark = sorted((_luminance(ink), _luminance(paper)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    def picture(self, path: Path) -> None:
        """All of it, however long it is."""
        size = self.script(
            "return [innerWidth, document.querySelector('footer').getBoundingClientRect().bottom]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        taken = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
        path.write_bytes(b64decode(taken["data"]))


#: The colour of an element's text, and that of the nearest background behind it.
_COLOURS = """
const element = document.querySelector(arguments[0]);
let behind = element;
const colour = () => getComputedStyle(behind).backgroundColor;
while (behind.parentElement && colour() === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
return [getComputedStyle(element).color, colour()];
"""


def _luminance(colour: str) -> float:
    shares = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def needed() -> None:
    """Skips the test where there is no browser."""
    if not (CHROMIUM and DRIVER):
        missing("no chromium and chromedriver here: Debian's packages chromium, chromium-driver")


@contextmanager
def browser(address: str) -> Iterator[Page]:
    assert CHROMIUM
    assert DRIVER
    # Nothing is looked for, and so nothing downloaded, by selenium itself.
    os.environ["SE_OFFLINE"] = "true"
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    # A machine that is busy with other things takes its time with all of axe's rules.
    driver.set_script_timeout(120)
    try:
        yield Page(driver, address)
    finally:
        driver.quit()


def main() -> None:
    from producer.local.server import EmbeddedServer
    from producer.local.worker import WorkerProcess
    from tests.support.running.fleet import wait_until
    from tests.support.running.gateway import gateway

    out = Path(sys.argv[1])
    samples = [path.read_bytes() for path in sorted(Path("samples").glob("*.jpg"))]
    with EmbeddedServer() as server, WorkerProcess(server.url), gateway(server.url) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        with browser(str(client.base_url)) as page:
            page.open()
            # Some traffic, for the curve.
            for count in (20, 60, 30, 90, 50, 70, 40):
                for number in range(count):
                    client.post("/v1/solve", content=samples[number % len(samples)])
                sleep(1.5)
            for number in (1, 2):
                page["sample"].click()
                page.wait(lambda n=number: len(page.all('#history [data-state="answered"]')) == n)
            page.picture(out)
    Image.open(out).convert("RGB").quantize(256).save(out, optimize=True)
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
