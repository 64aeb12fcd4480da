"""The page at /, in headless Chromium, as people use it."""

import re
from importlib.resources import files

import pytest

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import REPOSITORY, SAMPLES
from tests.support import browser
from tests.support.running.fleet import wait_until
from tests.support.running.gateway import gateway, keys

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    return file, keys("add", "eve", "--file", file).stdout.strip()


@pytest.fixture(scope="module")
def clients(key):
    """Two gateways before one fleet: open, and one that asks for keys."""
    browser.needed()
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url),
        gateway(server.url) as client,
        gateway(server.url, "--keys", str(key[0])) as closed,
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client, closed


@pytest.fixture(scope="module")
def visited(clients):
    with browser.browser(str(clients[0].base_url)) as page:
        yield page


@pytest.fixture
def page(visited, clients):
    visited.address = str(clients[0].base_url)
    visited.driver.get_log("browser")
    visited.open()
    return visited


def percent(share):
    return f"{'99+' if 0.995 <= share < 1 else round(share * 100)} %"


def test_a_sample_is_shown_with_words_tiles_and_picks(page, clients):
    expected = clients[0].post("/v1/solve", content=(SAMPLES / "002.jpg").read_bytes()).json()
    page["sample"].click()
    page.wait_for("answered")
    assert [word.text.split()[0] for word in page.all(".word")] == [
        word["label"] for word in expected["words"]
    ]
    tiles = [tile.text.split("\n")[:2] for tile in page.all("#tiles li")]
    assert tiles == [
        [tile["label"], f"{number} · {percent(tile['confidence'])}"]
        for number, tile in enumerate(expected["tiles"], 1)
    ]
    rows = {tile.location["y"] for tile in page.all("#tiles li")}
    assert len(rows) == expected["grid"]["rows"]
    picked = [number for number, tile in enumerate(page.all("#tiles li"), 1) if picks(tile)]
    assert picked == expected["picks"]
    numbers = ", ".join(map(str, expected["picks"]))
    assert page["verdict"].text == f"Click {len(expected['picks'])} tiles: {numbers}"
    # On the picture: a ring around each pick, at its place, and a label on every tile.
    rings = [(float(r.get_attribute("x")), float(r.get_attribute("y"))) for r in page.all(".pick")]
    # A point is a bit above the middle of its tile; a ring is 1.5 pixels outside of it.
    assert rings == [(x - 36.5, y - 38.5) for x, y in expected["points"]]
    assert all(ring.is_displayed() for ring in page.all(".pick"))
    assert [text.text for text in page.all(".strip-text")] == [
        t["label"] for t in expected["tiles"]
    ]
    assert expected["model"] in page["facts"].text
    assert expected["words"][0]["label"] in page["spoken"].get_attribute("textContent")


def picks(tile):
    return "picked" in tile.get_attribute("class")


def test_a_file_a_drop_and_a_paste_are_read(page):
    page["file"].send_keys(str(SAMPLES / "007.jpg"))
    page.wait_for("answered")
    by_file = page["verdict"].text
    for paste in (False, True):
        page.open()
        page.drop(*pictures("007.jpg"), paste=paste)
        page.wait_for("answered")
        assert page["verdict"].text == by_file


def pictures(*names):
    return [(name, (SAMPLES / name).read_bytes()) for name in names]


def thumbnails(page):
    return [
        tuple(each)
        for each in page.script(
            "return [...document.querySelectorAll('#history button')].map("
            "(each) => [each.ariaLabel, each.dataset.state])"
        )
    ]


def test_several_that_are_dropped_are_all_read_and_kept_to_look_at(page, clients):
    names = ["002.jpg", "007.jpg", "010.jpg"]
    text = ("text.jpg", b"no captcha")
    page.drop(*pictures(*names), text)
    page.wait(lambda: len(thumbnails(page)) == 4 and not page.all('[data-state="busy"]'))
    expected = {
        name: clients[0].post("/v1/solve", content=data).json()["picks"]
        for name, data in pictures(*names)
    }
    # The newest in front; what went wrong says so in its place.
    assert thumbnails(page) == [
        ("text.jpg: That is not a picture", "failed"),
        *(
            (f"{name}: tiles {', '.join(map(str, expected[name]))}", "answered")
            for name in reversed(names)
        ),
    ]
    # The first of them is shown; a thumbnail shows another one, without reading it again.
    assert page["picture"].get_attribute("alt") == "The captcha 002.jpg"
    answered = clients[0].get("/readyz").json()["answered"]
    page.all("#history button")[1].click()
    assert page["picture"].get_attribute("alt") == "The captcha 010.jpg"
    assert page["verdict"].text.endswith(": " + ", ".join(map(str, expected["010.jpg"])))
    page.wait(lambda: len(page.all("#marks .pick")) == len(expected["010.jpg"]))
    page.all("#history button")[0].click()
    page.wait_for("failed")
    assert page["trouble-title"].text == "That is not a picture"
    assert "are not JPEG, PNG" in page["trouble-detail"].text
    assert page.all('#history [aria-pressed="true"]')[0] == page.all("#history button")[0]
    assert clients[0].get("/readyz").json()["answered"] == answered


def test_only_so_many_are_kept(page):
    page.drop(*[(f"{number}.jpg", b"no captcha") for number in range(60)])
    page.wait(lambda: len(thumbnails(page)) == 48 and not page.all('[data-state="busy"]'))
    assert thumbnails(page)[0][0].startswith("59.jpg")


def test_a_finger_is_enough(page):
    page.open(**PHONE, touch=True)
    assert page.script("return matchMedia('(hover: none)').matches")
    assert [each.is_displayed() for each in page.all(".invite .mouse")] == [False, False]
    assert page.all(".invite .touch")[0].is_displayed()
    for _ in range(2):
        page.tap("#sample")
        page.wait(lambda: page["stage"].get_attribute("data-state") == "answered")
    page.wait(lambda: len(thumbnails(page)) == 2)
    page.script("document.querySelector('#history').scrollIntoView()")
    page.tap("#history li:last-child button")
    page.wait(lambda: page["picture"].get_attribute("alt") == "The captcha sample 1")
    assert min(each.size["height"] for each in page.all("#history button")) >= 44
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")


def test_it_speaks_chinese(page):
    page["sample"].click()
    page.wait_for("answered")
    english = visible(page)
    page["language"].click()
    page.wait(lambda: page["status"].text == "就绪：1 个工作进程")
    assert page.script("return document.documentElement.lang") == "zh-CN"
    assert page["verdict"].text.startswith("点击 ")
    # Nothing is left in English but names, and what the other language is called.
    left = {text for text in visible(page) if re.search("[A-Za-z]{3}", text.replace("API", ""))}
    assert left <= {"Tilefleet", "English", *(text for text in english if "@" in text)}
    page.drop(("text.jpg", b"no captcha"))
    page.wait_for("failed")
    assert page["trouble-title"].text == "这不是图片"
    # Kept for the next visit; and back.
    page.driver.get(page.address)
    page.wait(lambda: page["choose"].text == "选择图片")
    page["language"].click()
    assert page["choose"].text == "Choose pictures"


def visible(page):
    """The texts that are on it."""
    return set(page.script("return document.body.innerText").split("\n"))


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(page, dark):
    page.open(dark=dark)
    assert page.violations() == []
    page.drop(*pictures("002.jpg", "007.jpg"), ("text.jpg", b"no captcha"))
    page.wait(lambda: len(thumbnails(page)) == 3 and not page.all('[data-state="busy"]'))
    page["show-door"].click()
    assert page.violations() == []
    page.all("#history button")[0].click()
    page["language"].click()
    assert page.violations() == []


def test_the_keyboard_is_enough(page):
    def tab(times=1, key="Tab"):
        for _ in range(times):
            page.press(key)
        return page.driver.switch_to.active_element.get_attribute("id")

    assert tab() == "choose"
    assert tab() == "sample"
    page.press("Enter")
    page.wait_for("answered")
    assert tab() == "show-door"
    page.press("Enter")
    assert page["door"].is_displayed()
    assert page.driver.switch_to.active_element.get_attribute("id") == "key"


def test_a_gateway_that_asks_for_keys_gets_one_and_the_captcha_is_sent_again(page, clients, key):
    page.address = str(clients[1].base_url)
    page.open()
    page["sample"].click()
    page.wait_for("waiting")
    assert page["door-why"].text == "This gateway asks for a key."
    page["key"].send_keys("eve.wrong\n")
    page.wait(lambda: page["door-why"].text == "This gateway does not know your key.")
    page["key"].send_keys(key[1] + "\n")
    page.wait_for("answered")
    assert not page["door"].is_displayed()
    assert page.script("return localStorage.length + document.cookie.length") == 0
    assert key[1] not in page.driver.current_url


def test_what_cannot_be_read_says_why(page, tmp_path):
    page["file"].send_keys(str(REPOSITORY / "README.md"))
    page.wait_for("failed")
    assert page["trouble-title"].text == "That is not a picture"
    assert "are not JPEG, PNG" in page["trouble-detail"].text
    assert not page["answer"].is_displayed()
    page["file"].send_keys(str(REPOSITORY / "models" / "drawing" / "tiles" / "03_01.png"))
    page.wait(lambda: page["trouble-title"].text == "The picture has another size")
    assert "67×67" in page["trouble-detail"].text
    huge = tmp_path / "huge.jpg"
    huge.write_bytes(bytes(9 << 20))
    page["file"].send_keys(str(huge))
    page.wait(lambda: page["trouble-title"].text == "The file is too large")


def test_the_fleet_is_beside_it(page, clients, sample):
    page.wait(lambda: page["status"].text == "Ready: 1 worker")
    assert page["workers"].text == "1"
    assert page["waiting"].text == page["waiting-bulk"].text == "0"
    page.wait(lambda: page["rate"].text == "0")
    for _ in range(3):
        clients[0].post("/v1/solve", content=sample)
    page.wait(lambda: page["rate"].text not in ("0", "–"))
    assert page.all("#spark .curve")[0].get_attribute("d").startswith("M")


def test_a_gateway_that_is_gone_is_said_so(page, clients, key):
    with gateway("redis://127.0.0.1:1/0") as alone:
        page.address = str(alone.base_url)
        page.open()
        page.wait(lambda: page["status"].text == "No workers")
        page["sample"].click()
        page.wait_for("failed")
        assert page["trouble-title"].text == "The fleet is away"
        assert page["again"].is_displayed()
    page["again"].click()
    page.wait(lambda: page["trouble-title"].text == "The gateway does not answer")
    page.wait(lambda: page["status"].text == "The gateway does not answer")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [{}, PHONE])
def test_it_fits_and_can_be_read(page, dark, size):
    page.open(dark=dark, **size)
    page["sample"].click()
    page.wait_for("answered")
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")
    for selector in ("h1", "#verdict", ".quiet", "#tiles small", "#choose", ".facts dt"):
        assert page.contrast(selector) >= 4.5, selector
    assert (
        min(button.size["height"] for button in page.all("button") if button.is_displayed()) >= 44
    )
    (below,) = page.script(
        "return [answer.getBoundingClientRect().top >= stage.getBoundingClientRect().bottom]"
    )
    assert below == bool(size)


def test_nothing_comes_from_elsewhere_and_nothing_is_refused(page):
    page["sample"].click()
    page.wait_for("answered")
    loaded = page.script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert len(loaded) >= 4
    assert all(name.startswith((page.address, "blob:" + page.address)) for name in loaded)
    assert page.driver.get_log("browser") == []


def test_only_what_is_certain_is_100_percent(page):
    ask = """
        const [shares, done] = arguments;
        import("/site/parts.js").then((parts) => done(shares.map((share) => parts.percent(share))));
    """
    shares = [0.4, 0.994, 0.9967, 1]
    shown = page.driver.execute_async_script(ask, shares)
    assert shown == ["40 %", "99 %", "99+ %", "100 %"] == [percent(share) for share in shares]


def test_the_page_refuses_what_is_not_its_own(clients):
    reply = clients[0].get("/", headers={"accept": "text/html,*/*;q=0.8"})
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
    assert "//" not in policy
    assert reply.headers["vary"] == "Accept"
    for part in ("style.css", "page.js", "parts.js", "icon.svg", "sample-1.jpg"):
        assert clients[0].get(f"/site/{part}").headers["x-content-type-options"] == "nosniff"
    assert clients[0].get("/site/../app.py").status_code == 404


def test_its_samples_are_our_own_drawings():
    site = files("producer.gateway") / "site"
    drawn = {path.read_bytes() for path in SAMPLES.glob("*.jpg")}
    ours = [each.read_bytes() for each in site.iterdir() if each.name.endswith(".jpg")]
    assert len(ours) == 4
    assert drawn.issuperset(ours)
