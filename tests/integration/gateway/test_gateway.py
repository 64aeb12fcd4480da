"""The HTTP gateway: a process of its own, a real worker, requests as their clients make them."""

import base64
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote_plus

import pytest

from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.support.running.fleet import NULL, STRANGE, wait_until
from tests.support.running.gateway import gateway

OWN_SERVER = True

JPEG = {"content-type": "image/jpeg"}


@pytest.fixture(scope="module")
def null(server):
    """A gateway before workers that answer without looking: 打字机, tile 1."""
    with WorkerProcess(server.url, *STRANGE, environ=NULL), gateway(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def real():
    with EmbeddedServer() as own, WorkerProcess(own.url), gateway(own.url) as client:
        yield client


def test_a_captcha_comes_raw_as_a_form_and_as_json(real, sample):
    text = base64.b64encode(sample).decode()
    replies = [
        real.post("/v1/solve", content=sample, headers=JPEG),
        real.post("/v1/solve", content=sample),
        real.post("/v1/solve", files={"image": ("captcha.jpg", sample)}),
        real.post("/v1/solve", json={"image": text}),
        real.post("/v1/solve?timeout=5", json={"image": "data:image/jpeg;base64," + text}),
    ]
    assert [reply.status_code for reply in replies] == [200] * 5
    picks = replies[0].json()["picks"]
    assert picks
    assert all(reply.json()["picks"] == picks for reply in replies)
    assert replies[0].json()["model"].startswith("builtin@")


def test_many_captchas_are_answered_in_order_with_errors_in_their_places(real, sample):
    text = base64.b64encode(sample).decode()
    # What is no base64, and no text, is an error in its place as well.
    strange = real.post("/v1/solve-many", json={"images": [text, "§", None, text, {}]}).json()
    assert [each["error"]["type"] if "error" in each else each["picks"] for each in strange] == [
        *(strange[0]["picks"], "BadMessage", "BadMessage"),
        *(strange[0]["picks"], "BadMessage"),
    ]
    listed = real.post("/v1/solve-many", json={"images": [text, "bm8gaW1hZ2U=", text]}).json()
    assert listed[0]["picks"] == listed[2]["picks"]
    assert listed[1]["error"]["type"] == "NotAnImage"
    files = [("images", ("a.jpg", sample)), ("images", ("b.jpg", b"no"))]
    listed = real.post("/v1/solve-many", files=files).json()
    assert [("error" in each) for each in listed] == [False, True]


@pytest.mark.parametrize(
    ("request_", "status", "title"),
    [
        ({"content": b"text"}, 400, "NotAnImage"),
        ({"content": b""}, 400, "NotAnImage"),
        ({"json": {}}, 400, "BadMessage"),
        ({"json": {"image": "%%%"}}, 400, "BadMessage"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "BadMessage"),
        ({"files": {}, "data": {"a": "b"}}, 400, "NotAnImage"),
        ({"content": bytes(3 << 20)}, 413, "TooLarge"),
        ({"content": bytes(5 << 20)}, 413, "TooLarge"),
    ],
)
def test_what_is_wrong_is_a_problem_with_its_status(real, request_, status, title):
    reply = real.post("/v1/solve", **request_)
    assert (reply.status_code, reply.json()["title"]) == (status, title)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["detail"]


def test_paths_methods_and_parameters_that_are_not_there(real, sample):
    assert real.get("/nothing").status_code == 404
    assert real.get("/v1/solve").status_code == 405
    assert real.post("/v1/solve?timeout=never", content=sample).status_code == 400


def test_an_answer_that_is_late_is_a_504_and_no_fleet_a_503(null):
    assert null.post("/v1/solve?timeout=0.3", content=b"slow").status_code == 504
    with gateway(f"redis://127.0.0.1:{free_port()}/0") as alone:
        reply = alone.post("/v1/solve", content=b"any")
        assert (reply.status_code, reply.json()["title"]) == (503, "FleetUnreachable")
        assert int(reply.headers["retry-after"]) >= 1
        assert alone.get("/readyz").status_code == 503
        assert alone.get("/healthz").status_code == 200


def test_overload_is_a_503_with_an_estimate():
    environ = {**NULL, "TILEFLEET_MAX_BATCH": "1", "TILEFLEET_MAX_WAITING": "5"}
    with (
        EmbeddedServer() as own,
        WorkerProcess(own.url, *STRANGE, environ=environ),
        gateway(own.url) as client,
        ThreadPoolExecutor(40) as pool,
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200)
        pictures = [b"tenth %d" % number for number in range(120)]
        replies = list(pool.map(lambda data: client.post("/v1/solve", content=data), pictures))
        refused = [reply for reply in replies if reply.status_code == 503]
        assert refused
        assert {reply.status_code for reply in replies} == {200, 503}
        assert refused[0].json()["title"] == "Overloaded"
        assert int(refused[0].headers["retry-after"]) >= 1


def test_more_requests_than_allowed_are_refused(server):
    with (
        WorkerProcess(server.url, *STRANGE, environ=NULL),
        gateway(server.url, "--max-requests", "4") as client,
        ThreadPoolExecutor(6) as pool,
    ):
        replies = list(pool.map(lambda _: client.post("/v1/solve", content=b"slow"), range(6)))
        statuses = sorted(reply.status_code for reply in replies)
        assert statuses.count(503) >= 1
        assert statuses.count(200) >= 2


def test_readiness_tells_of_workers_and_queues(null):
    ready = wait_until(lambda: (reply := null.get("/readyz")).status_code == 200 and reply.json())
    assert ready["workers"] >= 1
    assert null.post("/v1/solve", content=b"any").status_code == 200
    assert null.get("/readyz").json()["waiting"] == {"captcha": 0, "captcha.bulk": 0}
    assert ready["captchas_per_second"] >= 0


# What the old servers' clients send, and the bytes that they get ----------------------------------

IMAGE = b"any picture \xfb\xff"
TEXT = base64.b64encode(IMAGE).decode()
LABELS = '"desc":"打字机"'


def form(client, path, name, text):
    """As the clients do it: a form whose + may have become a space on the way."""
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return client.post(path, content=f"{name}={text}", headers=kind)


@pytest.mark.parametrize("text", [TEXT, quote_plus(TEXT), "data:image/jpg;base64," + TEXT])
def test_12306_code_server(null, text):
    assert "+" in TEXT
    reply = form(null, "/verify/base64/", "imageFile", text)
    assert reply.content.decode() == '{"code":0,"massage":"识别成功","data":["1"]}'
    assert null.get("/").text == "Hello World!"


def test_12306_code_server_finds_nothing(real):
    reply = form(real, "/verify/base64/", "imageFile", TEXT)
    assert reply.status_code == 200
    assert reply.content.decode() == '{"code":1,"massage":"识别失败","data":[]}'


@pytest.mark.parametrize("path", ["/check", "/check/"])
def test_12306_ocr(null, real, path):
    reply = form(null, path, "img", TEXT)
    assert reply.content == b'{"msg":"success","result":[1]}'
    assert form(real, path, "img", TEXT).content == b'{"msg":"success","result":""}'
    assert null.post(path).content == b'{"msg":"Wrong format. "}'


def test_easy12306_java_results(null, real):
    expected = '{"code":0,"msg":"成功","data":"40,77"}'
    assert null.post("/result/pic", files={"file": ("a.jpg", IMAGE)}).text == expected
    assert form(null, "/result/base64", "base64String", TEXT).text == expected
    assert null.post("/result/base64", params={"base64String": TEXT}).text == expected
    nothing = form(real, "/result/base64", "base64String", TEXT)
    assert nothing.text == '{"code":0,"msg":"成功","data":""}'
    empty = null.post("/result/pic", files={"file": ("a.jpg", b"")})
    assert empty.text == '{"code":1,"msg":"上传的文件不能为空","data":null}'
    assert null.post("/result/base64").text == '{"code":10,"msg":"Base64文件不能为空","data":null}'


def test_easy12306_java_predictions(null):
    for reply in (
        null.post("/predict/pic", files={"file": ("a.jpg", IMAGE)}),
        form(null, "/predict/base64", "base64String", TEXT),
    ):
        assert reply.text.startswith(
            '{"code":0,"msg":"成功","data":{"questions":["打字机"],"pictures":'
            '[{"x":0,"y":0,"desc":"打字机"},{"x":1,"y":0,"desc":"'
        )
        assert [(p["x"], p["y"]) for p in reply.json()["data"]["pictures"]] == [
            (x, y) for y in range(2) for x in range(4)
        ]


def test_clicks_are_word_by_word(real, sample):
    picture = real.post("/v1/solve", content=sample).json()
    clicks = real.post("/result/pic", files={"file": ("a.jpg", sample)}).json()["data"]
    points = {tuple(point) for point in picture["points"]}
    numbers = [int(number) for number in clicks.split(",")]
    assert set(zip(numbers[::2], numbers[1::2], strict=True)) == points


def test_old_paths_can_be_left_out(server):
    with gateway(server.url, "--legacy", "off") as client:
        assert client.post("/check").status_code == 404
        assert client.get("/").text.startswith("<!doctype html>")
