"""The pods: what they may do, what they run, how many there are."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tests.support.deployment import (
    DEPLOY,
    MARGIN_S,
    OURS,
    PASSWORDS,
    check_command,
    check_settings,
    documents,
    stages,
    workloads,
)


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
