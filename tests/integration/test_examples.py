"""examples/: every program is run as its page says, against a real fleet."""

import csv
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from producer import Client
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import REPOSITORY, SAMPLES
from tests.support.running.fleet import wait_until
from tests.support.running.gateway import gateway

EXAMPLES = REPOSITORY / "examples"
PAGE = (EXAMPLES / "README.md").read_text(encoding="utf-8")
PICTURES = sorted(SAMPLES.glob("*.jpg"))[:3]


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server, WorkerProcess(server.url):
        yield server


@pytest.fixture(scope="module")
def address(server):
    with gateway(server.url) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def answers(server):
    with Client(server.url) as fleet:
        return [answer for _, answer in fleet.map(PICTURES, timeout=60)]


@pytest.fixture
def environ(server, address):
    return {
        **os.environ,
        "CELERY_BROKER_URL": server.url,
        "CELERY_RESULT_BACKEND": server.url,
        "TILEFLEET_GATEWAY": address,
        "PYTHONPATH": str(REPOSITORY),
    }


def program(name: str) -> list[str]:
    """The command before its arguments; skips what there is no interpreter for."""
    tools = {".py": sys.executable, ".sh": "sh", ".mjs": "node", ".go": "go"}
    tool = tools[Path(name).suffix]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed here")
    return [tool, *(["run"] if tool == "go" else []), str(EXAMPLES / name)]


def run(name, *arguments, environ, code=0) -> str:
    done = subprocess.run(
        [*program(name), *map(str, arguments)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def clicks(answer) -> str:
    return " ".join(f"{x},{y}" for x, y in answer.points)


def picks(answer) -> str:
    return " ".join(map(str, answer.picks))


def test_the_page_lists_every_program_and_how_it_is_run():
    listed = set(re.findall(r"^\| \[(.*?)\]", PAGE, re.MULTILINE))
    there = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    assert listed == there
    for name in listed:
        assert re.search(rf"\| `[a-z ]+examples/{re.escape(name)}[^|]*` \|$", PAGE, re.MULTILINE)


def test_script(environ, answers):
    said = run("script.py", PICTURES[0], environ=environ)
    assert f"points {clicks(answers[0])}\n" in said
    wrong = run("script.py", REPOSITORY / "README.md", environ=environ, code=1)
    assert "NotAnImage" in wrong
    assert len(wrong.splitlines()) == 1
    away = {**environ, "CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    assert run("script.py", PICTURES[0], environ=away, code=1).startswith("no answer: ")


def test_bot_asyncio(environ, answers):
    wrong = (REPOSITORY / "README.md", "nowhere.jpg")
    said = run("bot_asyncio.py", *PICTURES, *wrong, environ=environ)
    assert "README.md: no captcha" in said
    assert "nowhere.jpg: [Errno 2] No such file" in said
    for picture, answer in zip(PICTURES, answers, strict=True):
        what = f"click {clicks(answer)}" if answer.confidence >= 0.5 else "not sure"
        assert f"{picture.name}: {what}" in said


def test_bot_threads(environ, answers):
    said = run("bot_threads.py", *PICTURES, REPOSITORY / "README.md", environ=environ)
    *good, bad = said.splitlines()
    assert good == [
        f"{path.name}: click {clicks(answer)}"
        for path, answer in zip(PICTURES, answers, strict=True)
    ]
    assert bad.startswith("README.md: NotAnImage")


def test_batch_folder(environ, answers, tmp_path):
    folder, table = tmp_path / "captchas", tmp_path / "answers.csv"
    folder.mkdir()
    for path in PICTURES[:2]:
        shutil.copy(path, folder)
    (folder / "text.txt").write_text("no captcha")
    assert run("batch_folder.py", folder, table, environ=environ).startswith(
        "2 answered, 1 failed, 0"
    )
    shutil.copy(PICTURES[2], folder)
    assert run("batch_folder.py", folder, table, environ=environ).startswith(
        "1 answered, 0 failed, 3"
    )
    with table.open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {path.name for path in folder.iterdir()}
    for path, answer in zip(PICTURES, answers, strict=True):
        assert rows[path.name]["picks"] == picks(answer)
    assert rows["text.txt"]["error"].startswith("NotAnImage")


def test_plain_celery(environ, answers):
    said = run("plain_celery.py", PICTURES[0], environ=environ)
    right = f"picks {picks(answers[0])}"
    assert said.splitlines() == [right, right, "error NotAnImage"]
    assert "tilefleet" not in (EXAMPLES / "plain_celery.py").read_text(encoding="utf-8")


@contextmanager
def served(name, environ):
    port = free_port()
    process = subprocess.Popen(
        [*program(name), str(port)], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            wait_until(lambda: is_up(client, process), 60)
            yield client
        finally:
            process.terminate()
            process.communicate(timeout=30)


def is_up(client, process) -> bool:
    assert process.poll() is None, process.stderr.read().decode()
    try:
        return client.get("/").status_code == 404
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("library", ["django", "fastapi"])
def test_views(environ, answers, library):
    pytest.importorskip(library, reason=f"{library} is not installed here")
    with served(f"{library}_view.py", environ) as client:
        for path, answer in zip(PICTURES, answers, strict=True):
            reply = client.post("/read", files={"captcha": path.read_bytes()})
            assert reply.status_code == 200, reply.text
            assert reply.json() == {
                "picks": list(answer.picks),
                "points": [list(point) for point in answer.points],
            }
        assert client.post("/read", files={"captcha": b"no captcha"}).status_code == 400


def test_notebook(environ, server, answers, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed here")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed here")
    nbformat = pytest.importorskip("nbformat")
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("FOLDER", str(SAMPLES))
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    for path, answer in zip(PICTURES, answers, strict=True):
        assert re.search(rf"{path.name} .*{re.escape(str(answer.picks))}", shown)


def test_curl(environ, answers):
    first, *lines = run("gateway.sh", PICTURES[0], environ=environ).splitlines()
    wanted = f'"picks":{list(answers[0].picks)}'.replace(" ", "")
    assert wanted in first
    assert len(lines) == 2
    assert all(wanted in line for line in lines)
    assert run("gateway.sh", REPOSITORY / "README.md", environ=environ, code=22) is not None


def test_node(environ, answers):
    said = run("gateway.mjs", *PICTURES, REPOSITORY / "README.md", environ=environ).splitlines()
    right = {
        f"{path.name}: {' '.join(word.label for word in answer.words)}: {picks(answer)}"
        for path, answer in zip(PICTURES, answers, strict=True)
    }
    assert right < set(said)
    assert any(line.startswith("README.md: NotAnImage") for line in said)
    away = {**environ, "TILEFLEET_GATEWAY": f"http://127.0.0.1:{free_port()}"}
    assert run("gateway.mjs", PICTURES[0], environ=away, code=1)


def test_go(environ, answers, tmp_path):
    environ = {**environ, "GOCACHE": str(tmp_path), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
    said = run("gateway.go", PICTURES[0], environ=environ)
    assert said.startswith(" ".join(word.label for word in answers[0].words))
    assert f"[{picks(answers[0])}]" in said
    assert "NotAnImage" in run("gateway.go", REPOSITORY / "README.md", environ=environ, code=1)
