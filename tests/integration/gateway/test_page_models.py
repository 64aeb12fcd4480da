"""The page where workers hold several models: one is chosen, with and without scripts."""

import json

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from producer.gateway.page import _buttons
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import SAMPLES
from tests.support import browser
from tests.support.running.fleet import NULL, wait_until
from tests.support.running.gateway import bearer, gateway, keys

SEVERAL = {**NULL, "TILEFLEET_MODEL": "builtin,mine"}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def bound(file):
    return keys("add", "bound", "--file", file, "--model", "mine").stdout.strip()


@pytest.fixture(scope="module")
def anyone(file):
    return keys("add", "anyone", "--file", file).stdout.strip()


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server, WorkerProcess(server.url, environ=SEVERAL):
        yield server


@pytest.fixture(scope="module")
def client(server):
    with gateway(server.url) as client:
        wait_until(lambda: client.get("/readyz").json()["models"] == ["builtin", "mine"])
        yield client


@pytest.fixture(scope="module")
def closed(server, file, bound, anyone):
    with gateway(server.url, "--keys", str(file)) as closed:
        wait_until(lambda: closed.get("/readyz").status_code == 200)
        yield closed


@pytest.fixture(scope="module")
def visited(client):
    browser.needed()
    with browser.browser(str(client.base_url)) as page:
        yield page


@pytest.fixture
def page(visited, client):
    visited.address = str(client.base_url)
    visited.open()
    return visited


def offered(page):
    return [option.text for option in Select(page["model"]).options]


def read_by(page):
    page.wait_for("answered")
    return page.script(
        "return [...document.querySelectorAll('#facts dd')].map((each) => each.textContent)"
    )


def test_the_one_that_is_chosen_reads_what_is_sent_next(page):
    page.wait(page["which"].is_displayed)
    assert offered(page) == ["the default", "builtin", "mine"]
    page["sample"].click()
    assert "builtin@null" in read_by(page)
    Select(page["model"]).select_by_visible_text("mine")
    page["sample"].click()
    page.wait(lambda: "mine@null" in read_by(page))
    Select(page["model"]).select_by_index(0)
    page["sample"].click()
    page.wait(lambda: "builtin@null" in read_by(page))


def test_the_keyboard_is_enough_and_the_choice_outlasts_another_language(page):
    page.wait(page["which"].is_displayed)
    for _ in range(3):
        page.press("Tab")
    assert page.driver.switch_to.active_element == page["model"]
    page.type("m")
    assert page.script("return document.querySelector('#model').value") == "mine"
    page["language"].click()
    assert offered(page) == ["默认", "builtin", "mine"]
    assert page["which"].text.startswith("模型")
    page["sample"].click()
    page.wait(lambda: "mine@null" in read_by(page))


@pytest.mark.parametrize("size", [{}, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_and_axe_finds_nothing(page, dark, size):
    page.open(dark=dark, **size)
    page.wait(page["which"].is_displayed)
    assert page.violations() == []
    assert page["model"].size["height"] >= 44
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")


def test_a_key_that_is_bound_to_a_model_leaves_no_choice(page, closed, bound, anyone):
    page.address = str(closed.base_url)
    page.open()
    page.wait(page["which"].is_displayed)
    for key, choice, model in ((bound, False, "mine"), (anyone, True, "builtin")):
        page["show-door"].click()
        page["key"].send_keys(key + "\n")
        page.wait(lambda choice=choice: page["which"].is_displayed() is choice)
        page["sample"].click()
        page.wait(lambda model=model: f"{model}@null" in read_by(page))


def test_a_key_is_told_of_the_models_that_it_may_name(closed, bound, anyone):
    told = [
        closed.get("/readyz", headers=headers).json()["models"]
        for headers in ({}, bearer(anyone), bearer(bound), bearer("bound.wrong"))
    ]
    assert told == [["builtin", "mine"], ["builtin", "mine"], ["mine"], ["builtin", "mine"]]


def test_one_model_is_no_choice(page, server):
    with (
        EmbeddedServer() as alone,
        WorkerProcess(alone.url, environ=NULL),
        gateway(alone.url) as client,
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200)
        page.address = str(client.base_url)
        page.open()
        page.wait(lambda: page["status"].text == "Ready: 1 worker")
        assert not page["which"].is_displayed()
        assert "formaction" not in client.get("/", headers={"accept": "text/html"}).text


@pytest.fixture
def scriptless(page):
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    page.driver.get(page.address)
    yield page
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_without_scripts_there_is_a_form_with_a_button_for_each(scriptless):
    page = scriptless
    for named, model in (("Read 识别", "builtin"), ("mine", "mine")):
        page.driver.get(page.address)
        buttons = page.all(".scriptless button")
        assert [each.text for each in buttons] == ["Read 识别", "builtin", "mine"]
        # What only scripts fill in is not there.
        assert not page["sample"].is_displayed()
        assert not page["status"].is_displayed()
        page["only"].send_keys(str(SAMPLES / "002.jpg"))
        (wanted,) = [each for each in buttons if each.text == named]
        wanted.click()
        page.wait(lambda: page.driver.current_url.rpartition("/")[2].startswith("solve"))
        answer = json.loads(page.driver.find_element(By.TAG_NAME, "pre").text)
        assert answer["model"] == f"{model}@null"


def test_a_name_is_no_markup(client):
    assert "<b>" not in _buttons(["<b>", 'a"b'])
    assert client.get("/", headers={"accept": "text/html"}).text.count("formaction") == 2
