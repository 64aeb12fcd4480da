"""What is in deploy/, read for the tests that look whether it fits together."""

import re
from configparser import ConfigParser
from pathlib import Path

import yaml
from celery.bin.worker import worker as celery_worker

from producer.cli.main import main
from tests.conftest import REPOSITORY
from tilefleet.settings import Settings, unknown_variables

DEPLOY = REPOSITORY / "deploy"
#: Images and containers that run our commands.
OURS = {"worker", "worker-gpu", "gateway", "flower"}
#: Seconds by which a stop may be longer than TILEFLEET_SHUTDOWN_S: Celery's own part of it.
MARGIN_S = 10

PASSWORDS = {
    f"REDIS_{role}_PASSWORD": f"{role.lower()}-0123456789abcdef"
    for role in ("OPERATOR", "WORKER", "PRODUCER", "GATEWAY", "FLOWER")
}


def example() -> dict[str, str]:
    """env.example as somebody fills it in."""
    lines = (DEPLOY / "env.example").read_text().splitlines()
    pairs = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {**pairs, **PASSWORDS, "GRAFANA_PASSWORD": "secret"}


def interpolated(value):
    """As compose does: ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?}``; ``$$`` is a dollar."""
    if isinstance(value, dict):
        return {key: interpolated(each) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each) for each in value]
    if not isinstance(value, str):
        return value

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        given = example().get(found[1], "")
        if found[2] == ":?":
            assert given, found[1]
        return given or (found[3] if found[2] == ":-" else "")

    return re.sub(r"\$\$|\$\{(\w+)(:-|:\?)?([^}]*)\}", one, value)


def compose() -> dict:
    return interpolated(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def services(ours: bool) -> dict[str, dict]:
    return {
        name: each for name, each in compose()["services"].items() if (name in OURS) is ours
    }  # fmt: skip


def stages() -> dict[str, list[tuple[str, str]]]:
    """The Dockerfile's instructions, by stage."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    found: dict[str, list[tuple[str, str]]] = {}
    name = "first"
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            name = rest.rpartition(" AS ")[2]
        found.setdefault(name, []).append((instruction, rest.strip()))
    return found


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))


def workloads() -> dict[str, dict]:
    """Pod templates, by name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for path in (DEPLOY / "kubernetes").glob("*.yaml")
        for each in documents(path.name)
        if each.get("kind") in ("Deployment", "StatefulSet")
    }


def units() -> dict[str, ConfigParser]:
    found = {}
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        unit = ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read(path)
        found[path.stem] = unit
    return found


def check_command(command: list[str]) -> None:
    """That it is one of ours, and takes these options."""
    program, *arguments = command
    program = Path(program).name
    if program == "tilefleet":
        assert arguments[0] in main.commands, command
        known = {option for each in main.commands[arguments[0]].params for option in each.opts}
        if arguments[0] == "worker":
            # It passes them on.
            known |= {option for each in celery_worker.params for option in each.opts}
        assert {each for each in arguments[1:] if each.startswith("--")} <= known, command
    elif program == "celery":
        assert arguments[:2] == ["-A", "worker"], command
        assert arguments[2] in ("worker", "flower"), command
    else:
        assert program == "python", command
        compile(arguments[1], "probe", "exec")


def check_settings(environ: dict[str, str]) -> Settings:
    assert not unknown_variables(environ)
    return Settings.from_environ(environ)


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])
