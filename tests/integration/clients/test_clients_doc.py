"""docs/clients.md, and what the README shows of clients: every example is run as it stands there,
against a real fleet."""

import base64
import os
import re
import subprocess
import sys

import httpx
import pytest

from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from tests.conftest import REPOSITORY, SAMPLES
from tests.support.running.gateway import gateway

DOC = (REPOSITORY / "docs" / "clients.md").read_text(encoding="utf-8")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str, page: str = DOC) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as server, WorkerProcess(server.url):
        yield server


@pytest.fixture(scope="module")
def address(server):
    with gateway(server.url) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "captcha.jpg").write_bytes((SAMPLES / "000.jpg").read_bytes())
    return tmp_path


PYTHON = dict(zip(("python", "asyncio", "celery", "testing"), blocks("python"), strict=True))


@pytest.mark.parametrize("name", ["python", "asyncio", "celery"])
def test_python_examples_run(server, folder, name):
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[name]],
        cwd=folder,
        env={
            **os.environ,
            "CELERY_BROKER_URL": server.url,
            "CELERY_RESULT_BACKEND": server.url,
            "PYTHONPATH": str(REPOSITORY),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("block", blocks("python", README), ids=["python", "asyncio"])
def test_the_readme_s_python_runs_in_a_clone(server, block):
    if "async def read" in block:
        block += "\nimport asyncio\nasyncio.run(read(['samples/002.jpg', 'samples/007.jpg']))\n"
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=REPOSITORY,
        env={**os.environ, "CELERY_BROKER_URL": server.url, "CELERY_RESULT_BACKEND": server.url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "samples/002.jpg (5, 7)" in done.stdout


def test_the_readme_s_curl_gets_an_answer(address):
    (line,) = [line for line in README.splitlines() if line.startswith("curl ")]
    done = subprocess.run(
        ["sh", "-c", line.replace(ADDRESS, address)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert '"picks":[5,7]' in done.stdout


def test_the_tests_that_are_shown_pass(folder):
    (folder / "test_bot.py").write_text(PYTHON["testing"], encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_bot.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_curl_examples_run(folder, address):
    (block,) = blocks("sh")
    done = subprocess.run(
        ["sh", "-e", "-c", block.replace(ADDRESS, address)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"picks"') == 5


def test_old_clients_get_what_they_expect(folder, address):
    image = base64.b64encode((folder / "captcha.jpg").read_bytes()).decode()
    tester, pjialin, java = blocks("ini")
    values = dict(re.findall(r"""^(\w+) = ["']?(.*?)["']?$""", tester + pjialin, re.MULTILINE))
    url = f"{values['HTTP_TYPE']}://{values['HOST']}{values['REQ_URL']}".replace(ADDRESS, address)
    assert httpx.post(url, data={"imageFile": image}).json()["massage"] == "识别成功"
    url = values["API_USER_CODE_QCR_API"].replace(ADDRESS, address)
    assert httpx.post(url, data={"img": image}).json()["msg"] == "success"
    for line in java.splitlines():
        answer = httpx.post(line.replace(ADDRESS, address), data={"base64String": image}).json()
        assert answer["code"] == 0
