"""What is in deploy/ fits together: commands that exist, settings that are known, users, ports."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from models.settings import Settings, unknown_variables
from producer.cli import main
from tests.conftest import REPOSITORY

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


# Dockerfile --------------------------------------------------------------------------------------


def test_images_are_built_from_pinned_bases_and_run_as_a_number_that_is_not_root():
    assert stages().keys() >= OURS
    (python,) = [rest for kind, rest in stages()["first"] if kind == "ARG"]
    assert re.fullmatch(r"PYTHON=3\.1[123]\.\d+-slim-\w+", python)
    for name, instructions in stages().items():
        for kind, rest in instructions:
            if kind == "FROM":
                base = rest.split(" AS ")[0]
                assert base in ("python:${PYTHON}", "build", "runtime"), name
    assert ("USER", "10001:10001") in stages()["runtime"]
    for name in OURS:
        assert not [rest for kind, rest in stages()[name] if kind == "USER"]
        assert stages()[name][0][1] == f"runtime AS {name}"


@pytest.mark.parametrize("name", sorted(OURS))
def test_an_image_runs_and_probes_with_commands_that_exist(name):
    instructions = dict(stages()[name])
    check_command(json.loads(instructions["CMD"]))
    check_command(json.loads(instructions["HEALTHCHECK"].partition("CMD ")[2]))
    environ = dict(pair.split("=", 1) for pair in shlex.split(instructions.get("ENV", "")))
    check_settings(environ)


def test_everything_that_an_image_is_built_from_is_there_and_not_ignored():
    allowed = [
        line[1:]
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [
        source
        for kind, rest in stages()["build"]
        if kind == "COPY"
        for source in rest.split()[:-1]
    ]  # fmt: skip
    assert sorted(copied) == sorted(allowed)
    assert all((REPOSITORY / source).exists() for source in copied)
    extras = re.findall(r"'\.\[(\w+)\]'", (DEPLOY / "Dockerfile").read_text())
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(extras) <= set(project["optional-dependencies"])


# compose -----------------------------------------------------------------------------------------


def test_every_variable_of_compose_is_explained_in_the_example_and_none_is_left_over():
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert used == example().keys()


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_of_ours_has_what_it_may_not_and_known_settings(name):
    service = services(ours=True)[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]
    assert service["build"]["target"] == name
    check_command(service["command"])
    assert service["command"] == json.loads(dict(stages()[name])["CMD"])
    settings = check_settings(service["environment"])
    role = name.partition("-")[0]
    assert (
        settings.broker_url
        == f"redis://{role}:{PASSWORDS[f'REDIS_{role.upper()}_PASSWORD']}@redis:6379/0"
    )
    port = dict(stages()[name])["EXPOSE"]
    doors = [
        each.rpartition(":")[2] for each in [*service.get("ports", []), *service.get("expose", [])]
    ]
    assert doors == [port]
    if role == "worker":
        assert settings.metrics == f"0.0.0.0:{port}"
        assert seconds(service["stop_grace_period"]) >= settings.shutdown_s + MARGIN_S


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])


def test_what_others_made_is_pinned_and_what_is_mounted_is_there():
    for name, service in services(ours=False).items():
        assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), name
        assert service["read_only"]
    volumes = compose()["volumes"]
    for name, service in compose()["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            exists = (DEPLOY / source).exists() if source.startswith(".") else source in volumes
            assert exists, f"{name} mounts {source}"
        for door in service.get("ports", []):
            assert door.startswith("127.0.0.1:"), f"{name} is open unless told otherwise"


def test_a_gateway_that_others_reach_serves_holders_of_a_key_only():
    pod = workloads()["gateway"]["containers"][0]
    keys = {each["name"]: each.get("value") for each in pod["env"]}["TILEFLEET_KEYS"]
    environment = compose()["services"]["gateway"]["environment"]
    assert environment["TILEFLEET_KEYS"] == keys
    for command in (
        json.loads(dict(stages()["gateway"])["CMD"]),
        compose()["services"]["gateway"]["command"],
        pod["command"],
    ):
        assert "--open" not in command


def test_no_password_is_in_a_command_line_that_others_see():
    for path in DEPLOY.rglob("*.yaml"):
        assert not re.search(r"--pass(word)?\b|redis-cli .*-a ", path.read_text()), path


def test_prometheus_asks_the_services_that_there_are():
    jobs = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())["scrape_configs"]
    asked = {
        (name, each["port"])
        for job in jobs
        for each in job.get("dns_sd_configs", [])
        for name in each["names"]
    } | {
        (target.split(":")[0], int(target.split(":")[1]))
        for job in jobs
        for each in job.get("static_configs", [])
        for target in each["targets"]
    }
    assert asked == {(name, int(dict(stages()[name])["EXPOSE"])) for name in OURS}
    provisioning = DEPLOY / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    dashboard = json.loads((DEPLOY / "grafana/dashboards/tilefleet.json").read_text())
    assert {
        panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel
    } == {source["uid"]}
    (provider,) = yaml.safe_load((provisioning / "dashboards/tilefleet.yaml").read_text())[
        "providers"
    ]
    mounted = [each.split(":")[1] for each in compose()["services"]["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted


def test_prometheus_takes_its_configuration_and_alerts_tell_what_they_should(tmp_path):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    (tmp_path / "gateway.key").touch()
    configuration = tmp_path / "prometheus.yaml"
    configuration.write_text(configuration.read_text().replace("/etc/prometheus/", f"{tmp_path}/"))
    for arguments in (
        ["check", "config", configuration],
        ["test", "rules", REPOSITORY / "tests/unit/alerts.yaml"],
    ):
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


# Kubernetes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["worker", "gateway", "flower", "redis"])
def test_a_pod_may_do_what_it_must_and_no_more(name):
    pod = workloads()[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert "readinessProbe" in container
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        action = container.get(probe, {})
        if "exec" in action and name in OURS:
            check_command(action["exec"]["command"])
        if "httpGet" in action:
            assert action["httpGet"]["port"] in [each["name"] for each in container["ports"]]
    volumes = {each["name"] for each in pod.get("volumes", [])} | {"data"}
    assert {each["name"] for each in container["volumeMounts"]} <= volumes


@pytest.mark.parametrize("name", ["worker", "gateway", "flower"])
def test_a_pod_runs_the_image_s_command_with_known_settings(name):
    (container,) = workloads()[name]["containers"]
    assert container["command"] == json.loads(dict(stages()[name])["CMD"])
    assert str(container["ports"][0]["containerPort"]) == dict(stages()[name])["EXPOSE"]
    environ = {}
    (kustomization,) = documents("kustomization.yaml")
    generated = {each["name"]: each for each in kustomization["configMapGenerator"]}
    for source in container.get("envFrom", []):
        literals = generated[source["configMapRef"]["name"]]["literals"]
        environ |= dict(pair.split("=", 1) for pair in literals)
    for each in container["env"]:
        if "valueFrom" in each:
            key = each["valueFrom"]["secretKeyRef"]["key"]
            assert key in PASSWORDS or key == "FLOWER_BASIC_AUTH"
            environ[each["name"]] = PASSWORDS.get(key, "")
        else:
            environ[each["name"]] = re.sub(
                r"\$\((\w+)\)", lambda found: environ[found[1]], each["value"]
            )
    settings = check_settings(environ)
    assert settings.broker_url.startswith(f"redis://{name}:{name}-0123456789abcdef@redis:")
    if name == "worker":
        grace = workloads()[name]["terminationGracePeriodSeconds"]
        assert grace >= settings.shutdown_s + MARGIN_S
        # Killed at the end of it, its captchas are another's before a sender gives up.
        assert settings.lease_s < grace


def test_kustomize_names_files_that_are_there_and_puts_them_together(tmp_path):
    (kustomization,) = documents("kustomization.yaml")
    there = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == there
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    secrets = tmp_path / "deploy/kubernetes/secrets.env"
    (secrets.parent / "keys.json").write_text('{"keys": []}')
    secrets.write_text("".join(f"{name}={value}\n" for name, value in PASSWORDS.items()))
    done = subprocess.run(
        ["kubectl", "kustomize", "--load-restrictor", "LoadRestrictionsNone", secrets.parent],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    kinds = [each["kind"] for each in yaml.safe_load_all(done.stdout)]
    assert {"Deployment", "StatefulSet", "ScaledObject", "Secret", "NetworkPolicy"} <= set(kinds)


def test_the_fleet_grows_with_what_waits_and_with_how_busy_it_is():
    (scaled,) = documents("scaled.yaml")
    spec = scaled["spec"]
    assert spec["scaleTargetRef"]["name"] == "worker"
    assert spec["minReplicaCount"] >= 1
    queries = [trigger["metadata"]["query"] for trigger in spec["triggers"]]
    assert any("tilefleet_queue_drain_seconds" in query for query in queries)
    assert all(trigger["metricType"] == "Value" for trigger in spec["triggers"])


# systemd -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tilefleet-worker@", "tilefleet-gateway@", "tilefleet-flower@"])
def test_a_unit_runs_a_command_that_exists_as_a_user_of_its_own(name):
    text = (DEPLOY / f"systemd/{name}.service").read_text()
    service = units()[name]["Service"]
    check_command(shlex.split(service["ExecStart"]))
    assert service["User"] == "tilefleet"
    assert service["ProtectSystem"] == "strict"
    instance = "1" if "worker" in name else "8000"
    environ = dict(re.findall(r"^Environment=(\w+)=(.*)$", text.replace("%i", instance), re.M))
    settings = check_settings(environ)
    if "worker" in name:
        assert settings.metrics == "127.0.0.1:9101"
        assert int(service["TimeoutStopSec"]) >= settings.shutdown_s + MARGIN_S


def test_systemd_takes_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for path in (DEPLOY / "systemd").glob("*.service"):
        here = path.read_text().replace("/opt/tilefleet/bin/", f"{Path(sys.executable).parent}/")
        (tmp_path / path.name).write_text(here)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.glob("*.service"))],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert done.returncode == 0, done.stderr
    assert "tilefleet" not in done.stderr


# What is written about it ------------------------------------------------------------------------


def test_every_alert_is_explained_and_everything_that_is_named_is_there():
    text = (REPOSITORY / "docs/operations.md").read_text()
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    named = set(re.findall(r"`(Tilefleet[A-Z]\w+)`", text))
    assert named <= alerts
    assert alerts - named <= {"TilefleetNoGateway", "TilefleetBulkQueueOld", "TilefleetDrainLong"}
    for path in re.findall(r"`((?:deploy|tests)/[\w./-]+)`", text):
        assert (REPOSITORY / path).exists(), path
    for module in re.findall(r"python -m (benchmarks\.\w+)", text):
        assert (REPOSITORY / f"{module.replace('.', '/')}.py").exists()
    variables = dict.fromkeys(re.findall(r"`(TILEFLEET_[A-Z_]+)", text), "1")
    assert not unknown_variables(variables)
