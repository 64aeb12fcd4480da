"""What the server says: which it is, what this account may do, what becomes of a full memory."""

from collections.abc import Callable, Iterator
from time import monotonic, time
from typing import Any, Final

from redis.exceptions import NoPermissionError, RedisError

from producer.client import message
from producer.client.connection import connect_now, why
from producer.doctor.check import FAIL, OK, SKIP, WARN, Check
from producer.monitoring.about import hello, server_name
from producer.monitoring.deadline import within
from producer.terminal.advice import with_advice
from tilefleet import report, wire
from tilefleet.errors import FleetUnreachable
from tilefleet.settings import Settings
from tilefleet.urls import without_password

#: Seconds for all that is asked of a server.
_ASKED_S: Final = 5.0
#: The first that has what is used, of both.
_OLDEST: Final = (7, 0)
#: Seconds by which two clocks may differ.
_APART_S: Final = 2.0
#: The share of its memory above which a server is nearly full.
_NEARLY: Final = 0.9
#: What senders do on the lists of a lane.
_ON_LANES: Final = (("LPUSH", "x"), ("LLEN",))

#: Names of the lines here, in their order.
NAMES: Final = ("server", "version", "rights", "eviction", "memory", "clock")


class Server:
    """The server of a URL, asked once; a connection of its own."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.shown = without_password(url)
        self._settings = settings
        self._client = connect_now(url, settings)

    def close(self) -> None:
        self._client.close()

    def reach(self) -> Check:
        """Whether it answers."""
        try:
            began = monotonic()
            self._ask(self._client.ping)
            taken_ms = (monotonic() - began) * 1000
        except FleetUnreachable as error:
            hint = with_advice(error).removeprefix(str(error)).lstrip("; ")
            return Check("server", FAIL, str(error), hint)
        return Check(
            "server", OK, f"{self.shown} answers in {taken_ms:.1f} ms, connecting included"
        )

    def look(self) -> Iterator[Check]:
        """All that comes after `reach`."""
        for name, check in (
            ("version", self._version),
            ("rights", self._rights),
            ("eviction", self._eviction),
            ("memory", self._memory),
            ("clock", self._clock),
        ):
            try:
                yield self._ask(check)
            except (FleetUnreachable, RedisError, OSError) as error:
                yield _not_told(name, error)

    def fleet(self) -> tuple[int, dict[bytes, bytes]]:
        """The server's time, and every worker's line, old ones too."""
        key = self._settings.key_prefix + report.KEY

        def ask() -> tuple[int, dict[bytes, bytes]]:
            pipeline = self._client.pipeline(transaction=False)
            now, lines = pipeline.time().hgetall(key).execute()
            return now[0], lines

        found: tuple[int, dict[bytes, bytes]] = self._ask(ask)
        return found

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return within(_ASKED_S, call, server=self.shown)
        except NoPermissionError:
            raise
        except (RedisError, OSError) as error:
            raise FleetUnreachable(f"{self.shown}: {why(error)}") from None

    def _version(self) -> Check:
        said = hello(self._client)
        name = server_name(said)
        numbers = tuple(int(each) for each in name.split()[-1].split(".")[:2] if each.isdecimal())
        if numbers and numbers < _OLDEST:
            return Check("version", FAIL, name, "use Redis 7 or later, or Valkey")
        if said.get("role", "master") != "master":
            return Check(
                "version", FAIL, f"{name}, a replica", "name the server that is written to"
            )
        return Check("version", OK, name)

    def _rights(self) -> Check:
        """What a sender does is queued in a transaction, which checks rights, and discarded."""
        prefix = self._settings.key_prefix
        lanes = [key for lane in wire.LANES for key in message.lists(prefix + lane)]
        result = f"{prefix}celery-task-meta-doctor"
        wanted = [("TIME",), ("HVALS", prefix + report.KEY), ("MGET", result)]
        wanted += [(command, lane, *more) for lane in lanes for command, *more in _ON_LANES]
        body = ("SET", prefix + wire.body_key("doctor"), "", "EX", "1")
        connection = self._client.connection_pool.get_connection()
        try:
            refused = _refused(connection, wanted)
            without_bodies = not refused and _refused(connection, [body])
        finally:
            # Whatever is queued on it goes with it.
            connection.disconnect()
            self._client.connection_pool.release(connection)
        account = self._account()
        if refused:
            hint = "deploy/redis/users.acl has what each account needs"
            return Check("rights", FAIL, f"{account} may not {', '.join(refused)}", hint)
        if without_bodies:
            return Check(
                "rights",
                WARN,
                f"{account} may not store the images of lists beside their messages: they go in",
                "make the accounts of deploy/redis/users.acl anew",
            )
        return Check("rights", OK, f"{account} may send captchas and get answers")

    def _account(self) -> str:
        try:
            name = self._client.acl_whoami()
        except RedisError:
            return "this account"
        return f"account {name.decode() if isinstance(name, bytes) else name}"

    def _eviction(self) -> Check:
        policy = str(self._client.info("memory").get("maxmemory_policy", "noeviction"))
        if policy == "noeviction":
            return Check("eviction", OK, "noeviction: nothing is thrown away")
        of_lists = "the images of lists that wait, and answers not read yet"
        lost = "captchas and answers" if policy.startswith("allkeys") else of_lists
        return Check(
            "eviction",
            FAIL if policy.startswith("allkeys") else WARN,
            f"{policy}: a full server throws away {lost}",
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration",
        )

    def _memory(self) -> Check:
        memory = self._client.info("memory")
        used, most = int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
        if not most:
            return Check("memory", OK, f"{used / 1e6:,.0f} MB used, no maxmemory")
        found = f"{used / 1e6:,.0f} of {most / 1e6:,.0f} MB used"
        if used < _NEARLY * most:
            return Check("memory", OK, found)
        hint = "raise maxmemory, or start more workers to empty the queues (tilefleet top)"
        return Check("memory", FAIL if used >= most else WARN, found, hint)

    def _clock(self) -> Check:
        asked = time()
        seconds, microseconds = self._client.time()
        middle = (asked + time()) / 2
        apart = seconds + microseconds / 1e6 - middle
        found = (
            f"{abs(apart):.2f} s {'ahead' if apart > 0 else 'behind'}, the server's against ours"
        )
        if abs(apart) <= _APART_S:
            return Check("clock", OK, found)
        return Check("clock", WARN, found, "have both set their clocks by NTP")


def _refused(connection: Any, commands: list[tuple[str, ...]]) -> list[str]:
    """Of these commands, those that the account has no right to; none of them is done."""
    refused: dict[str, None] = {}
    for command in (("MULTI",), *commands, ("DISCARD",)):
        connection.send_command(*command)
        try:
            connection.read_response()
        except NoPermissionError:
            refused[command[0]] = None
            if command[0] == "MULTI":
                raise
    return list(refused)


def _not_told(name: str, error: Exception) -> Check:
    if isinstance(error, NoPermissionError):
        return Check(name, SKIP, "this account may not ask", "look with the operator's account")
    return Check(name, FAIL, str(error))
