"""The accounts of deploy/redis/users.acl for all that tests start, with TEST_ACCOUNTS=1.

Servers then load that file, where nobody without a password may do anything. Tests themselves use
the operator's account (`EmbeddedServer.url`). What they start or call of ours gets the account that
it has in `deploy/` in its place: processes by their command, `AsyncClient` (`Client` too), and what
`tilefleet top` looks with. What a server denied fails the test at the server's end.
"""

import atexit
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, wraps
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from producer.client import asynchronous, transport
from producer.local.server import EmbeddedServer
from producer.monitoring import about, celery_app, readers, remote, watch

ON = os.environ.get("TEST_ACCOUNTS") == "1"

DEPLOY = Path(__file__).resolve().parents[3] / "deploy" / "redis"
ROLES = ("operator", "worker", "producer", "gateway", "flower")
PASSWORDS = {role: f"{role}-0123456789abcdef" for role in ROLES}
_OPERATOR = f"operator:{PASSWORDS['operator']}@"

#: Words of a command that say whose account it has; whatever else is run sends captchas.
_COMMANDS = {
    "worker": "worker",
    "multi": "worker",
    "serve": "gateway",
    **dict.fromkeys(
        ("flower", "inspect", "control", "status", "events", "top", "models"), "flower"
    ),
    # A whole fleet, and what people look at a server with.
    **dict.fromkeys(("up", "doctor"), "operator"),
}
#: Programs before such a word.
_PROGRAMS = ("celery", "producer.cli", "tilefleet")

#: What a site adds for senders whose `cancel` is to reach workers.
REVOKE = ("+publish", "&/0.celery.pidbox")
#: Who may not revoke (SECURITY.md), tries it all the same, and goes on.
_SENDERS = ("producer", "gateway")


def of(role: str, text: str) -> str:
    """A URL, or what has some in it, with that role's account where the operator's is."""
    mine = f"{role}:{PASSWORDS[role]}@" if role else ""
    return text.replace(_OPERATOR, mine)


def url(port: int) -> str:
    """Of the server on that port of the loopback interface, as tests go to it."""
    return f"redis://{_OPERATOR if ON else ''}127.0.0.1:{port}/0"


def for_sentinel(master: str) -> str:
    """Lines of a sentinel's configuration: who it is for the servers."""
    if not ON:
        return ""
    return (
        f"sentinel auth-user {master} operator\n"
        f"sentinel auth-pass {master} {PASSWORDS['operator']}\n"
    )


def role_of(command: Sequence[Any]) -> str:
    """Whose account a process has."""
    words = [Path(str(word)).name for word in command]
    program = next((number for number, word in enumerate(words) if word in _PROGRAMS), len(words))
    # An application may be called as a command is: celery -A worker flower.
    after = [word for before, word in pairwise(words[program:]) if before not in ("-A", "--app")]
    return next((_COMMANDS[word] for word in after if word in _COMMANDS), "producer")


def rules(**environ: str) -> str:
    """What acl.sh makes of the file; `environ`: the key prefix, the database."""
    passwords = {f"REDIS_{role.upper()}_PASSWORD": word for role, word in PASSWORDS.items()}
    done = subprocess.run(
        ["sh", str(DEPLOY / "acl.sh"), "users"],
        env={"PATH": os.environ["PATH"], **passwords, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@cache
def _users() -> Path:
    folder = Path(mkdtemp(prefix="tilefleet-accounts-"))
    atexit.register(shutil.rmtree, folder)
    file = folder / "users.acl"
    file.write_text(rules())
    return file


@contextmanager
def allowed(server: EmbeddedServer, role: str, *more: str) -> Iterator[None]:
    """A role may do more, for a while: what a site adds."""
    with _changed(server, {role: more}):
        yield


@contextmanager
def prefixed(server: EmbeddedServer, prefix: str) -> Iterator[None]:
    """The roles may do the same with the keys of another fleet, for a while."""
    theirs = _words(rules(TILEFLEET_KEY_PREFIX=prefix)) if ON else {}
    # Without what begins with nothing: on, the password, no channels, no commands.
    with _changed(server, {role: words[4:] for role, words in theirs.items()}):
        yield


@contextmanager
def _changed(server: EmbeddedServer, more: Mapping[str, Sequence[str]]) -> Iterator[None]:
    if not ON:
        yield
        return
    with Redis.from_url(server.url) as redis:
        for role, words in more.items():
            redis.execute_command("ACL", "SETUSER", role, *words)
        yield
        for role in more:
            redis.execute_command("ACL", "SETUSER", role, "reset", *_words(rules())[role])


def _words(text: str) -> dict[str, list[str]]:
    """The rules of each role but the operator, who may do everything."""
    lines = [line.split() for line in text.splitlines()]
    return {words[1]: words[2:] for words in lines if words[1] in ROLES[1:]}


def forget(server: EmbeddedServer) -> None:
    """What a server has denied so far is what the test wanted."""
    if ON:
        denied(server)


def denied(server: EmbeddedServer) -> list[str]:
    """What a server has denied to our roles since the last look; but for revoking."""
    with Redis.from_url(server.url, decode_responses=True, socket_timeout=2) as redis:
        log = redis.acl_log()
        redis.acl_log_reset()
    return [
        f"{each['username']} in {each['client-info'].get('cmd')}: {each['reason']} {each['object']}"
        for each in log
        if each["reason"] != "auth"
        and each["username"] in (*ROLES, "default")
        and not (each["username"] in _SENDERS and each["object"] == "publish")
    ]


def install() -> None:
    """Once, before a test is collected."""
    _patch(EmbeddedServer, "__init__", _server_begins)
    _patch(EmbeddedServer, "__exit__", _server_ends)
    _patch(subprocess.Popen, "__init__", _process_begins)
    for module in (asynchronous, transport):
        _patch(module, "connect", _connects_as("producer"))
    for module in (about, readers, remote, watch):
        _patch(module, "connect_now", _connects_as("flower"))
    _patch(celery_app, "for_celery", _connects_as("flower"))


def _patch(place: Any, name: str, replacement: Callable[..., Any]) -> None:
    original = getattr(place, name)

    @wraps(original)
    def patched(*args: Any, **options: Any) -> Any:
        return replacement(original, *args, **options)

    setattr(place, name, patched)


def _server_begins(begin: Any, server: Any, *options: str, user: str = "", **more: Any) -> None:
    if user or {"--aclfile", "--requirepass"} & set(options):
        # It has accounts of its own.
        begin(server, *options, user=user, **more)
        return
    word = PASSWORDS["operator"]
    ours = ("--aclfile", str(_users()), "--masteruser", "operator", "--masterauth", word)
    begin(server, *options, *ours, user="operator", password=word)
    server.has_accounts = True


def _server_ends(end: Any, server: Any, kind: Any = None, *error: object) -> None:
    refused: list[str] = []
    if getattr(server, "has_accounts", False):
        with suppress(RedisError):
            refused = denied(server)
    end(server, kind, *error)
    assert kind is not None or not refused, refused


def _process_begins(begin: Any, process: Any, command: Any, *args: Any, **options: Any) -> None:
    if isinstance(command, (list, tuple)):
        role = role_of(command)
        command = [of(role, each) if isinstance(each, str) else each for each in command]
        environ: Mapping[str, str] = options.get("env") or os.environ
        options["env"] = {
            name: of(role, value) if isinstance(value, str) else value
            for name, value in environ.items()
        }
    begin(process, command, *args, **options)


def _connects_as(role: str) -> Callable[..., Any]:
    return lambda connect, urls, *args, **options: connect(of(role, urls), *args, **options)
