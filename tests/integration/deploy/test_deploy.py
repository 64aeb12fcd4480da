"""The commands of deploy/compose.yaml, run on this machine as the containers would run them."""

import os
import re
import shlex
import signal
import subprocess
import sys
from base64 import b64encode
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from tests.support.deployment import DEPLOY, PASSWORDS, compose, seconds
from tests.support.running.fleet import wait_until

USER = "somebody:with-a-password"


def server_options() -> list[str]:
    """What compose gives redis-server, but for where its files are."""
    command = compose()["services"]["redis"]["command"][-1]
    options = shlex.split(command.partition("exec redis-server ")[2])
    for elsewhere in ("--dir", "--aclfile"):
        at = options.index(elsewhere)
        del options[at : at + 2]
    return options


@contextmanager
def container(name: str, url: str, doors: dict[str, int], folder: Path):
    """A service's command with its environment, and of the host's only what Python needs."""
    service = compose()["services"][name]
    here = {"0.0.0.0": "127.0.0.1", **{door: str(port) for door, port in doors.items()}}

    def on_this_machine(text: str) -> str:
        text = text.replace("@redis:6379/", url)
        return re.sub("|".join(map(re.escape, here)), lambda found: here[found[0]], text)

    environ = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "XDG_STATE_HOME": str(folder),
        **{key: on_this_machine(value) for key, value in service["environment"].items()},
    }
    if name == "gateway":
        environ["TILEFLEET_KEYS"] = str(folder / "keys.json")
        command = [sys.executable, "-m", "producer.cli", "keys", "add", "prometheus"]
        made = subprocess.run(command, env=environ, capture_output=True, check=True)
        (folder / "gateway.key").write_bytes(made.stdout)
    if name == "flower":
        environ |= {"FLOWER_BASIC_AUTH": USER, "FLOWER_PORT": str(doors["5555"])}
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [on_this_machine(word) for word in service["command"]],
            env=environ,
            cwd=folder,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        code = process.wait(seconds(service.get("stop_grace_period", "10s")))
        # uvicorn stops in order, then lets the signal have its way.
        assert code in (0, -signal.SIGTERM), log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def ask(port: int, path: str, data: bytes | None = None, *, authorization: str = "") -> str:
    request = Request(f"http://127.0.0.1:{port}{path}", data=data)
    basic = f"Basic {b64encode(USER.encode()).decode()}"
    request.add_header("Authorization", authorization or basic)
    with urlopen(request, timeout=10) as reply:
        return reply.read().decode()


def answers(port: int, path: str) -> bool:
    try:
        return bool(ask(port, path))
    except URLError:
        return False


def test_the_services_of_compose_read_a_captcha_and_show_it(tmp_path, sample):
    doors = {"8000": free_port(), "5555": free_port(), "9101": free_port()}
    accounts = tmp_path / "users.acl"
    script = DEPLOY / "redis/acl.sh"
    made = subprocess.run(
        ["sh", script, "users"], env={**os.environ, **PASSWORDS}, capture_output=True, check=True
    )
    accounts.write_bytes(made.stdout)
    operator = {"user": "operator", "password": PASSWORDS["REDIS_OPERATOR_PASSWORD"]}
    options = [*server_options(), "--aclfile", str(accounts)]
    with EmbeddedServer(*options, **operator) as server, ExitStack() as stack:
        for name in ("flower", "gateway", "worker"):
            here = f"@127.0.0.1:{server.port}/"
            stack.enter_context(container(name, here, doors, tmp_path))
        wait_until(lambda: answers(doors["5555"], "/healthcheck"), 60)
        wait_until(lambda: answers(doors["8000"], "/readyz"), 60)
        with pytest.raises(HTTPError, match="401"):
            ask(doors["8000"], "/v1/solve", sample)
        bearer = f"Bearer {(tmp_path / 'gateway.key').read_text().strip()}"
        assert '"picks"' in ask(doors["8000"], "/v1/solve", sample, authorization=bearer)
        assert "tilefleet_queue_messages" in ask(doors["8000"], "/metrics", authorization=bearer)
        counted = r'tilefleet_worker_captchas_total\{[^}]*outcome="answered"[^}]*\} 1\.0'
        assert len(re.findall(counted, ask(doors["9101"], "/metrics"))) == 1
        wait_until(lambda: "SUCCESS" in ask(doors["5555"], "/api/tasks"))


def test_the_passwords_of_the_example_are_no_passwords():
    lines = (Path(__file__).parents[3] / "deploy/env.example").read_text().splitlines()
    for name in (*PASSWORDS, "GRAFANA_PASSWORD", "FLOWER_BASIC_AUTH"):
        assert f"{name}=" in lines


@pytest.mark.parametrize("name", ["appendonly", "maxmemory-policy"])
def test_the_server_keeps_what_it_accepted_and_never_throws_a_queue_away(name):
    given = server_options()
    wanted = {"appendonly": "yes", "maxmemory-policy": "noeviction"}
    assert given[given.index(f"--{name}") + 1] == wanted[name]
