"""Images, compose and Prometheus fit together: commands that exist, known settings, ports."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.conftest import REPOSITORY, missing
from tests.support.deployment import (
    DEPLOY,
    MARGIN_S,
    OURS,
    PASSWORDS,
    check_command,
    check_settings,
    compose,
    example,
    seconds,
    services,
    stages,
    workloads,
)
from tilefleet.settings import unknown_variables

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


def test_the_build_file_makes_every_image_for_both_processors():
    bake = json.loads((DEPLOY / "docker-bake.json").read_text())
    targets, groups = bake["target"], bake["group"]
    assert {*groups["default"]["targets"], *groups["all"]["targets"]} == OURS | {"default"}
    assert targets.keys() - {"image"} == OURS
    for name in OURS:
        assert targets[name]["inherits"] == ["image"]
        assert targets[name]["target"] == name
        assert targets[name]["tags"] == [f"${{REGISTRY}}tilefleet-{name}:${{TAG}}"]
        # TensorFlow's CUDA libraries are for amd64.
        arm = [] if name == "worker-gpu" else ["linux/arm64"]
        assert {**targets["image"], **targets[name]}["platforms"] == ["linux/amd64", *arm]
    assert set(re.findall(r"\$\{(\w+)\}", json.dumps(targets))) == bake["variable"].keys()


def test_the_dockerfile_is_written_as_a_linter_wants_it():
    folders = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if (hadolint := shutil.which("hadolint", path=folders)) is None:
        missing("hadolint is not installed")
    done = subprocess.run(
        [hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# compose -----------------------------------------------------------------------------------------


def test_every_variable_of_compose_is_explained_in_the_example_and_none_is_left_over():
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    # What compose itself reads.
    assert used == example().keys() - {"COMPOSE_PROFILES"}


def test_the_example_says_which_parts_there_are():
    services = compose()["services"]
    profiles = {each for service in services.values() for each in service.get("profiles", [])}
    text = (DEPLOY / "env.example").read_text()
    (line,) = re.findall(r"^# What runs beside .*?: (.*?)\.$", text, re.MULTILINE | re.DOTALL)
    names = [each.strip("# \n") for each in line.split(",")]
    assert profiles == {re.match(r"\w+", each)[0] for each in names}
    assert set(example()["COMPOSE_PROFILES"].split(",")) == profiles - {"gpu", "tracing"}
    # Nothing depends on a part that may not be there.
    for service in services.values():
        for needed in service.get("depends_on", []):
            assert {*services[needed].get("profiles", [])} <= {*service.get("profiles", [])}


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
    source, traces = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    dashboard = json.loads((DEPLOY / "grafana/dashboards/tilefleet.json").read_text())
    assert {
        panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel
    } == {source["uid"]}
    # A link to what took how long, in the service that keeps it.
    (link,) = dashboard["links"]
    (pane,) = json.loads(parse_qs(urlsplit(link["url"]).query)["panes"][0]).values()
    assert pane["datasource"] == traces["uid"]
    assert pane["queries"][0]["service"] == "tilefleet-worker"
    address = urlsplit(traces["url"])
    assert str(address.port) in compose()["services"][address.hostname]["expose"]
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
