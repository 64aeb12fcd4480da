"""The page at /docs, in headless Chromium; and every command that it shows, in a shell."""

import subprocess

import pytest

from producer.gateway.openapi.examples import ADDRESS
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import SAMPLES
from tests.support import browser
from tests.support.running.fleet import wait_until
from tests.support.running.gateway import gateway, keys


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    return file, keys("add", "eve", "--file", file).stdout.strip()


@pytest.fixture(scope="module")
def client(key):
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url),
        gateway(server.url, "--keys", str(key[0])) as client,
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


@pytest.fixture(scope="module")
def samples(client):
    """Of every path, its examples."""
    return [
        (path, method, sample)
        for path, methods in client.get("/openapi.json").json()["paths"].items()
        for method, operation in methods.items()
        for sample in operation["x-codeSamples"]
    ]


@pytest.fixture(scope="module")
def visited(client):
    browser.needed()
    with browser.browser(f"{client.base_url}/docs") as page:
        yield page


@pytest.fixture
def page(visited):
    visited.driver.get_log("browser")
    visited.open()
    visited.wait(lambda: visited.all(".example"))
    return visited


def test_every_command_works_as_it_stands(client, samples, key, tmp_path):
    (tmp_path / "captcha.jpg").write_bytes((SAMPLES / "002.jpg").read_bytes())
    assert len(samples) >= 20
    for path, _, sample in samples:
        command = sample["source"].replace(ADDRESS, str(client.base_url).rstrip("/"))
        done = subprocess.run(
            ["sh", "-c", command],
            env={"PATH": "/usr/bin:/bin", "KEY": key[1]},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, (command, done.stderr, done.stdout)
        assert done.stdout, command
        if path.startswith("/v1/"):
            assert done.stdout.count('"picks"') == sample["x-request"]["pictures"], command


def test_every_request_can_be_sent_from_the_page(page, samples, key):
    page["key"].send_keys(key[1] + "\t")
    buttons = page.all(".example button")
    assert len(buttons) == len(samples)
    for button, (path, _, sample) in zip(buttons, samples, strict=True):
        page.script("arguments[0].click()", button)
        reply = button.find_element("xpath", "../../div[@class='reply']")
        page.wait(lambda reply=reply: reply.get_attribute("data-state") in ("answered", "failed"))
        shown = reply.get_attribute("textContent")
        assert shown.startswith("200 in "), (path, sample["label"], shown)
        if path.startswith("/v1/"):
            assert shown.count('"picks"') == sample["x-request"]["pictures"]
    assert page.driver.get_log("browser") == []


def test_without_a_key_it_says_what_the_gateway_says(page):
    button = page.all(".example button")[0]
    page.script("arguments[0].click()", button)
    reply = button.find_element("xpath", "../../div[@class='reply']")
    page.wait(lambda: reply.get_attribute("data-state") == "failed")
    assert "401 in " in reply.text
    assert "an API key is wanted" in reply.text


def test_it_has_every_path_and_object_of_the_document(page, client):
    document = client.get("/openapi.json").json()
    assert [each.text for each in page.all(".path")] == list(document["paths"])
    assert [each.text for each in page.all("#contents a")] == list(document["paths"])
    assert {each.get_attribute("id") for each in page.all("#objects > div")} == {
        f"object-{name}" for name in document["components"]["schemas"]
    }
    linked = {each.get_attribute("href").partition("#")[2] for each in page.all("#paths a")}
    assert linked
    assert all(page.script("return !!document.getElementById(arguments[0])", i) for i in linked)
    assert str(client.base_url).rstrip("/") in page.all(".example pre")[0].text
    assert ADDRESS not in page.script("return document.body.innerText")


def test_nothing_comes_from_elsewhere(page, client):
    page.script("arguments[0].click()", page.all(".example button")[0])
    page.wait(lambda: page.all('.reply[data-state="failed"]'))
    loaded = page.script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert len(loaded) >= 6
    assert all(name.startswith(str(client.base_url)) for name in loaded)
    # The page was refused a captcha, for want of a key; nothing else went wrong.
    said = [line["message"] for line in page.driver.get_log("browser")]
    assert [line for line in said if "401" not in line] == []
    policy = client.get("/docs").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1160, 390])
def test_it_fits_and_axe_finds_nothing_in_either_language(page, dark, width):
    page.open(dark=dark, width=width)
    page.wait(lambda: page.all(".example"))
    for title in ("The API", "API"):
        assert page["title"].text == title
        assert page.script("return document.documentElement.scrollWidth <= innerWidth")
        assert page.violations() == []
        page["language"].click()


def test_an_address_leads_to_its_place(page):
    page.driver.get("about:blank")
    page.driver.get(f"{page.address}#post-/v1/solve-many")
    page.wait(lambda: page.script("return scrollY") > 0)
    top = page.script(
        "return document.getElementById('post-/v1/solve-many').getBoundingClientRect().top"
    )
    assert -5 < top < 400
