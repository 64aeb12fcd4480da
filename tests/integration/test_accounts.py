"""The accounts of deploy/redis: each role does its work with what it may do, and can do no more."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from celery import chord
from kombu import Connection
from redis import Redis
from redis.exceptions import NoPermissionError

from producer import Client
from producer.client.asynchronous import AsyncClient
from producer.gateway.keys import Key, changing
from producer.local.ports import free_port
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess
from producer.monitoring.watch import Watch
from tests.conftest import REPOSITORY
from tests.support.running import accounts
from tests.support.running.fleet import NULL, another_app, null_fleet, solve, wait_until
from tests.support.running.flower import flower
from tests.support.running.gateway import gateway
from tests.support.running.servers import FragileServer
from tilefleet import wire
from tilefleet.errors import FleetUnreachable
from tilefleet.settings import Settings

SCRIPT = REPOSITORY / "deploy" / "redis" / "acl.sh"
ROLES = ("operator", "worker", "producer", "gateway", "flower")


def run(command: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    path = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["sh", str(SCRIPT), command], env=path | environ, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def passwords() -> dict[str, str]:
    lines = run("passwords").stdout.splitlines()
    return dict(line.split("=") for line in lines)


class Guarded:
    """A server with our accounts, and the way to it for each role."""

    def __init__(
        self, passwords: dict[str, str], folder: Path, *, server=EmbeddedServer, **environ: str
    ) -> None:
        users = folder / "users.acl"
        done = run("users", **passwords, **environ)
        assert done.returncode == 0, done.stderr
        users.write_text(done.stdout)
        self._passwords = {role: passwords[f"REDIS_{role.upper()}_PASSWORD"] for role in ROLES}
        self.server = server(
            "--aclfile", str(users), user="operator", password=self._passwords["operator"]
        )

    def url(self, role: str) -> str:
        return self.server.url_of(role, self._passwords[role])

    def denied(self) -> list[str]:
        """What was refused since the last look, by role."""
        with Redis.from_url(self.server.url, decode_responses=True) as redis:
            log = redis.acl_log()
            redis.acl_log_reset()
        return [f"{each['username']}: {each['reason']} {each['object']}" for each in log]


@pytest.fixture(scope="module")
def guarded(passwords, tmp_path_factory):
    guarded = Guarded(passwords, tmp_path_factory.mktemp("acl"))
    with guarded.server:
        yield guarded


@pytest.fixture(scope="module", params=["batch", "stock"])
def at_work(guarded, request):
    """Workers that claim in our way, and in kombu's."""
    environ = {**NULL, "TILEFLEET_TRANSPORT": request.param, "TILEFLEET_LEASE_S": "2"}
    extra = ("--include", "tests.support.included.extra_tasks")
    with WorkerProcess(guarded.url("worker"), *extra, environ=environ) as worker:
        guarded.environ = environ
        guarded.worker = worker
        yield guarded
    assert guarded.denied() == []


def test_a_client_sends_and_gets_answers(at_work):
    with Client(at_work.url("producer")) as fleet:
        assert fleet.solve(b"any", timeout=10).model == "null"
        assert len(list(fleet.map([b"a", b"b"]))) == 2
        # By a model's own lanes.
        assert fleet.solve(b"any", timeout=10, model="builtin").model == "null"
        assert len(list(fleet.map([b"a", b"b"], bulk=True, model="builtin"))) == 2
    assert at_work.denied() == []


@pytest.mark.parametrize("role", ["producer", "gateway"])
def test_an_async_client_sends_looks_and_gets_answers(at_work, role):
    async def use() -> int:
        async with AsyncClient(at_work.url(role)) as fleet:
            assert (await fleet.solve(b"any", timeout=10)).model == "null"
            assert (await fleet.solve(b"any", timeout=10, model="builtin")).model == "null"
            return (await fleet.look()).fleet.workers

    assert asyncio.run(use()) == 1
    assert at_work.denied() == []


def test_a_gateway_has_quotas_metrics_and_readiness(at_work, tmp_path):
    """A script that nobody has loaded yet, too: the server may have been restarted."""
    keys = tmp_path / "keys.json"
    with changing(keys) as kept:
        kept["bob"], key = Key.make("bob", rate=0.01, burst=3)
    ask = {"x-api-key": key}
    with (
        gateway(at_work.url("gateway"), "--keys", str(keys)) as client,
        Redis.from_url(at_work.server.url) as operator,
    ):
        operator.script_flush()
        # Of a test with another transport.
        for used in operator.scan_iter("*tilefleet-quota-*"):
            operator.delete(used)
        assert client.post("/v1/solve", content=b"any", headers=ask).status_code == 200
        listed = client.post("/v1/solve-many", json={"images": ["YQ==", "Yg=="]}, headers=ask)
        assert [each["model"] for each in listed.json()] == ["null"] * 2
        assert client.post("/v1/solve", content=b"any", headers=ask).status_code == 429
        assert client.get("/readyz").json()["workers"] == 1
        ages = 'tilefleet_queue_oldest_seconds{fleet="tilefleet",lane="captcha"} 0.0'
        assert ages in client.get("/metrics").text
    assert at_work.denied() == []


def tilefleet(url, *command):
    """A command of ours, on that server and with its account."""
    return subprocess.run(
        [sys.executable, "-m", "producer.cli", *command],
        env={**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_people_watch_and_change_models_with_flowers_account(at_work):
    for command in (["top", "--once"], ["models", "use", "builtin", "--timeout", "30"]):
        done = tilefleet(at_work.url("flower"), *command)
        assert "NoPermission" not in done.stdout + done.stderr
        if command[0] == "top":
            assert done.returncode == 0, done.stderr
    assert at_work.denied() == []


def test_commands_of_senders_work_with_the_producers_account(at_work, tmp_path):
    for command in (["solve", "samples/002.jpg"], ["bench", "--seconds", "1", "--json"]):
        done = tilefleet(at_work.url("producer"), *command)
        assert done.returncode == 0, done.stderr
    assert at_work.denied() == []


def test_any_celery_application_sends_by_name_with_links_and_chords(at_work):
    with another_app(at_work.url("producer")) as app:
        app.set_default()
        one = solve(app).set(immutable=True)
        assert chord([one, one], one).apply_async().get(timeout=10)["model"] == "null"
        linked = one.apply_async(priority=3, countdown=0.1, link=app.signature("extra.words"))
        assert linked.get(timeout=10)["model"] == "null"
        named = one.apply_async(priority=6, queue="captcha@builtin")
        assert named.get(timeout=10)["model"] == "null"
        assert app.signature("extra.retrying", (b"any",)).apply_async().get(timeout=20)
        linked.forget()
    assert at_work.denied() == []


def test_a_killed_workers_captchas_are_taken_over(at_work):
    if at_work.environ["TILEFLEET_TRANSPORT"] == "stock":
        pytest.skip("kombu's own restoring takes half a minute; its rights are the same")
    second = ("-n", "second@here")
    with (
        WorkerProcess(at_work.url("worker"), *second, environ=at_work.environ) as worker,
        Client(at_work.url("producer")) as fleet,
    ):
        pending = [fleet.submit(b"%d" % number) for number in range(300)]
        worker.process.kill()
        assert all(each.result(20).model == "null" for each in pending)
    assert at_work.denied() == []


def test_flower_sees_captchas_and_workers(at_work, tmp_path):
    url, port = at_work.url("flower"), free_port()
    command = [sys.executable, "-m", "celery", "-A", "worker", "flower", f"--port={port}"]
    environ = {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url}
    environ |= {"FLOWER_BASIC_AUTH": "me:password", "XDG_STATE_HOME": str(tmp_path)}
    flower = subprocess.Popen(
        [*command, "--address=127.0.0.1"],
        env={**os.environ, **at_work.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def api(path: str):
        account = b64encode(b"me:password").decode()
        request = Request(f"http://127.0.0.1:{port}/api/{path}")
        request.add_header("Authorization", f"Basic {account}")
        with urlopen(request, timeout=10) as reply:
            return json.load(reply)

    try:
        wait_until(lambda: api("workers?refresh=1"))
        with Client(at_work.url("producer")) as fleet:
            fleet.solve(b"any", timeout=10)
        wait_until(lambda: "SUCCESS" in {task["state"] for task in api("tasks").values()})
    finally:
        flower.terminate()
        flower.wait()
    assert at_work.denied() == []


def test_people_ask_workers_with_flowers_account(at_work):
    url = at_work.url("flower")
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "inspect", "stats", "--json"],
        env={**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert '"engine_room"' in done.stdout, done.stderr
    assert at_work.denied() == []


@pytest.mark.parametrize("role", ["worker", "flower"])
def test_who_listens_clears_up_after_others_that_listened(guarded, role):
    gone = {"celeryev", "celery.pidbox", "reply.celery.pidbox"}
    tables = [f"_kombu.binding.{exchange}" for exchange in gone]
    with (
        Redis.from_url(guarded.server.url) as operator,
        Connection(guarded.url(role), transport_options={"ack_emulation": False}) as listener,
    ):
        operator.zadd("_kombu.binding_deadlines", dict.fromkeys(gone, 1))
        for table in tables:
            operator.sadd(table, "a queue that is gone")
        assert listener.default_channel.sweep_bindings() == len(gone)
        assert not operator.exists(*tables)
    assert guarded.denied() == []


LANE, META = wire.LANE, "celery-task-meta-an-id"
ANYONE = {
    "read what others sent": f"LRANGE {LANE} 0 -1",
    "read what is being read": "HGETALL unacked",
    "list what there is": "SCAN 0",
    "list keys": "KEYS *",
    "use other keys": "SET another 1",
    "throw everything away": "FLUSHALL",
    "change the server": "CONFIG SET dir /tmp",
    "read its configuration": "CONFIG GET *",
    "write its data to disk": "BGSAVE",
    "make it a replica": "REPLICAOF 127.0.0.1 1",
    "stop it": "SHUTDOWN NOSAVE",
    "listen to all its commands": "MONITOR",
    "end others' connections": "CLIENT KILL TYPE normal",
    "see others' connections": "CLIENT LIST",
    "see accounts": "ACL LIST",
    "make accounts": "ACL SETUSER another on nopass +@all",
    "load functions": "FUNCTION LOAD x",
    "forget scripts": "SCRIPT FLUSH",
    "listen to all results": "PSUBSCRIBE celery-task-meta-*",
}
SENDERS = {
    "throw a lane away": f"DEL {LANE}",
    "take what others sent": f"RPOP {LANE}",
    "write a result": f"SETEX {META} 300 x",
    "announce a result": f"PUBLISH {META} x",
    "tell of workers that are not there": "HSET tilefleet-fleet a b",
    "control workers": "PUBLISH /0.celery.pidbox x",
    "forge events": "PUBLISH /0.celeryev/task.multi x",
    "listen to events": "PSUBSCRIBE /0.celeryev/*",
    "run scripts": "EVAL return 0",
    "make others' messages go elsewhere": "SADD _kombu.binding.celery.pidbox x",
    "forge a claim": "HSET unacked a b",
}
FORBIDDEN = {
    "worker": ANYONE,
    "producer": ANYONE | SENDERS,
    "gateway": ANYONE
    | SENDERS
    | {
        "throw results away": f"DEL {META}",
        "touch queues": f"SADD _kombu.binding.{LANE} x",
        "run scripts on others' keys": "EVALSHA 0 1 unacked",
        "write by a script that reads": f"EVALSHA 0 1 {LANE}",
    },
    "flower": ANYONE
    | {
        "send a captcha": f"LPUSH {LANE} x",
        "take one": f"BRPOP {LANE} 1",
        "throw a lane away": f"DEL {LANE}",
        "read a result": f"GET {META}",
        "hear of a result": f"SUBSCRIBE {META}",
        "forge an event": "PUBLISH /0.celeryev/task.multi x",
        "forge a claim": "HSET unacked a b",
        "make captchas go elsewhere": f"SADD _kombu.binding.{LANE} x",
    },
}


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_role_can_do_no_more(guarded, role):
    with Redis.from_url(guarded.url(role)) as redis:
        for what, command in FORBIDDEN[role].items():
            with pytest.raises(NoPermissionError):
                pytest.fail(f"{role} may {what}: {redis.execute_command(*command.split())!r}")
    guarded.denied()


def test_whoever_has_no_password_can_do_nothing(guarded):
    url = guarded.server.url_of()
    with Client(url) as fleet, pytest.raises(FleetUnreachable, match="Authentication required"):
        fleet.solve(b"any", timeout=5)


@pytest.mark.parametrize("line", ["AUTH x", "AUTH default x", "HELLO 3 AUTH default x", "GET a"])
def test_nobody_can_be_the_user_that_has_no_password(guarded, line):
    with socket.create_connection(("127.0.0.1", guarded.server.port), 5) as connection:
        connection.sendall(f"{line}\r\n".encode())
        assert connection.recv(1000).startswith((b"-WRONGPASS", b"-NOAUTH"))
    guarded.denied()


def test_what_came_in_transactions_and_by_scripts_outlives_the_server(passwords, tmp_path):
    """The server that starts does it again, as the user that nobody can be."""
    guarded = Guarded(passwords, tmp_path, server=FragileServer)
    with guarded.server as server:
        with Redis.from_url(guarded.url("worker")) as worker, worker.pipeline() as transaction:
            transaction.lpush(LANE, b"first").lpush(LANE, b"second").execute()
            worker.eval("redis.call('LPUSH', KEYS[1], 1, 2)", 1, wire.BULK_LANE)
        with Client(guarded.url("producer")) as fleet:
            sent = fleet.submit(b"any", model="mine")
        server.kill()
        server.restart()
        with Redis.from_url(server.url) as redis:
            assert redis.lrange(LANE, 0, -1) == [b"second", b"first"]
            assert redis.llen(wire.BULK_LANE) == 2
            (waiting,) = redis.lrange(wire.lane("mine"), 0, -1)
            assert sent.id.encode() in waiting
        assert guarded.denied() == []


def test_a_wrong_password_is_refused_and_not_repeated(guarded):
    refusal = pytest.raises(FleetUnreachable, match="invalid username-password")
    with Client(guarded.server.url_of("producer", "not-the-password")) as fleet, refusal as refused:
        fleet.solve(b"any", timeout=5)
    assert "not-the-password" not in str(refused.value)
    guarded.denied()


def test_a_fleet_with_a_prefix_and_a_database_has_accounts_too(passwords, tmp_path, monkeypatch):
    guarded = Guarded(passwords, tmp_path, TILEFLEET_KEY_PREFIX="ours:", REDIS_DB="3")
    monkeypatch.setenv("TILEFLEET_KEY_PREFIX", "ours:")
    with guarded.server:
        urls = {role: guarded.url(role)[:-1] + "3" for role in ROLES}
        with WorkerProcess(urls["worker"], environ=NULL), Client(urls["producer"]) as fleet:
            assert fleet.solve(b"any", timeout=10).model == "null"
        assert guarded.denied() == []


@pytest.mark.skipif(not accounts.ON, reason="make test-accounts")
def test_what_other_tests_start_has_the_account_of_its_role(tmp_path):
    with (
        null_fleet() as fleet,
        gateway(fleet.server.url) as door,
        flower(fleet.server.url, tmp_path) as page,
        Watch(Settings(broker_url=fleet.server.url)) as watch,
    ):
        assert fleet.client.solve(b"any", timeout=10).model == "null"
        assert door.post("/v1/solve", content=b"any").status_code == 200
        assert wait_until(page.workers)
        assert wait_until(lambda: watch.look().workers)
        users = Counter(each["user"] for each in fleet.redis.client_list())
    # Of the operator's, only the connection that looks.
    assert users.pop("operator") == 1
    assert set(users) == {"worker", "producer", "gateway", "flower"}


def test_passwords_are_random_and_only_their_hashes_are_written(passwords):
    again = dict(line.split("=") for line in run("passwords").stdout.splitlines())
    assert len(passwords) == len(ROLES)
    assert all(len(text) == 48 for text in passwords.values())
    assert not set(passwords.values()) & set(again.values())
    written = run("users", **passwords).stdout
    assert not any(text in written for text in passwords.values())


def test_a_password_may_be_in_a_file(passwords, tmp_path):
    file = tmp_path / "worker"
    file.write_text(passwords["REDIS_WORKER_PASSWORD"] + "\n")
    others = {name: text for name, text in passwords.items() if "WORKER" not in name}
    written = run("users", **others, REDIS_WORKER_PASSWORD_FILE=str(file)).stdout
    assert written == run("users", **passwords).stdout


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"REDIS_FLOWER_PASSWORD": ""}, "REDIS_FLOWER_PASSWORD has 0 characters"),
        ({"REDIS_WORKER_PASSWORD": "short"}, "REDIS_WORKER_PASSWORD has 5 characters"),
        ({"REDIS_DB": "x"}, "REDIS_DB=x is no number"),
        ({"TILEFLEET_KEY_PREFIX": "a *"}, "letters, digits"),
    ],
)
def test_what_cannot_be_an_account_is_said(passwords, environ, why):
    done = run("users", **{**passwords, **environ})
    assert done.returncode == 1
    assert why in done.stderr
    assert done.stdout == ""
