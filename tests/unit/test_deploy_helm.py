"""The chart: what it renders is what the manifests beside it say, and values are checked."""

import json
import re

import jsonschema
import pytest
import yaml

from tests.support.deployment import (
    PASSWORDS,
    check_command,
    check_settings,
    documents,
    stages,
    workloads,
)
from tests.support.helm import CHART, NEEDED, Refused, render
from tilefleet.settings import Settings

#: Everything that can be switched on.
ALL = {
    **NEEDED,
    "autoscaling": {"enabled": True, "selector": 'namespace="captchas"'},
    "gateway": {"keysSecret": "keys", "ingress": {"enabled": True, "host": "captchas.example"}},
    "serviceMonitor": {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "gatewayKey": {"secret": "gateway-key"},
    },
    "prometheusRule": {"enabled": True},
}
PARTS = ("worker", "gateway", "flower", "redis")


def by_name(values) -> dict[tuple[str, str], dict]:
    return {(each["kind"], each["metadata"]["name"]): each for each in render(values)}


@pytest.fixture(scope="module")
def everything():
    return by_name(ALL)


def pods(rendered) -> dict[str, dict]:
    return {
        name.removeprefix("fleet-"): each["spec"]["template"]["spec"]
        for (kind, name), each in rendered.items()
        if kind in ("Deployment", "StatefulSet")
    }


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_is_that_of_the_manifests(everything, part):
    ours, theirs = pods(everything)[part], workloads()[part]
    for field in ("securityContext", "automountServiceAccountToken"):
        assert ours[field] == theirs[field]
    grace = "terminationGracePeriodSeconds"
    assert ours.get(grace) == theirs.get(grace)
    (here,), (there,) = ours["containers"], theirs["containers"]
    for field in (
        *("command", "ports", "startupProbe", "livenessProbe", "resources"),
        *("securityContext", "volumeMounts"),
    ):
        assert here.get(field) == there.get(field), field
    if part != "redis":
        assert here["readinessProbe"] == there["readinessProbe"]
        assert here["image"] == f"tilefleet-{part}:0.1.0"
    else:
        assert here["image"] == there["image"]
        # The same server; the port can be another one.
        assert here["args"][0].replace(" --port 6379", "") == there["args"][0]


def test_a_pod_has_the_time_that_its_settings_give_it_to_stop():
    grace = "terminationGracePeriodSeconds"
    for_all = {**NEEDED, "settings": {"TILEFLEET_SHUTDOWN_S": "60"}}
    slow = pods(by_name(for_all))
    assert (slow["worker"][grace], slow["gateway"][grace]) == (85, 85)
    own = {**for_all, "worker": {"settings": {"TILEFLEET_SHUTDOWN_S": "100"}}}
    assert pods(by_name(own))["worker"][grace] == 125


@pytest.mark.parametrize("part", ["worker", "gateway", "flower"])
def test_a_pod_runs_commands_that_exist_with_known_settings(everything, part):
    (container,) = pods(everything)[part]["containers"]
    assert container["command"] == json.loads(dict(stages()[part])["CMD"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if "exec" in (action := container.get(probe, {})):
            check_command(action["exec"]["command"])
    environ = {}
    for each in container["env"]:
        if "valueFrom" in each:
            reference = each["valueFrom"]["secretKeyRef"]
            assert reference["name"] == "passwords"
            environ[each["name"]] = PASSWORDS.get(reference["key"], "")
        else:
            environ[each["name"]] = re.sub(
                r"\$\((\w+)\)", lambda found: environ[found[1]], each["value"]
            )
    settings = check_settings(environ)
    password = PASSWORDS[f"REDIS_{part.upper()}_PASSWORD"]
    assert settings.broker_url == f"redis://{part}:{password}@fleet-redis:6379/0"


def test_what_selects_pods_finds_those_of_its_part_and_no_others(everything):
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for (kind, name), each in everything.items()
        if kind in ("Deployment", "StatefulSet")
    }

    def chosen(selector: dict) -> set[str]:
        wanted = selector.items()
        return {name for name, has in labels.items() if wanted <= has.items()}

    for (kind, name), each in everything.items():
        spec = each.get("spec", {})
        if kind == "Service":
            assert chosen(spec["selector"]) == {name}
        elif kind in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            assert chosen(spec["selector"]["matchLabels"]) == {name}
        elif kind == "NetworkPolicy":
            assert chosen(spec["podSelector"]["matchLabels"]) == {name}
        elif kind == "ServiceMonitor":
            service = everything["Service", name]
            assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
            (endpoint,) = spec["endpoints"]
            assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert labels.keys() == {f"fleet-{part}" for part in PARTS}


def test_everything_that_can_be_switched_on_is_there_and_nothing_else_before(everything):
    more = {"ScaledObject", "ServiceMonitor", "PrometheusRule", "Ingress"}
    kinds = {kind for kind, _ in everything}
    assert kinds >= {"Deployment", "PodDisruptionBudget", "NetworkPolicy", *more}
    assert {kind for kind, _ in by_name(NEEDED)} == kinds - more
    assert everything["Deployment", "fleet-worker"]["spec"].get("replicas") is None
    assert by_name(NEEDED)["Deployment", "fleet-worker"]["spec"]["replicas"] == 2


def test_the_fleet_grows_as_the_manifests_say(everything):
    (theirs,) = documents("scaled.yaml")
    unselected = by_name({**ALL, "autoscaling": {"enabled": True}})["ScaledObject", "fleet-worker"]
    wanted = theirs["spec"]["triggers"]
    for trigger in wanted:
        # Nothing is chosen in what the manifests do not choose in either.
        query = trigger["metadata"]["query"]
        trigger["metadata"]["query"] = re.sub(
            r"(_drain_seconds|_messages|captchas_per_second)\b", r"\1{}", query
        )
    assert unselected["spec"]["triggers"] == wanted
    ours = everything["ScaledObject", "fleet-worker"]["spec"]
    for field in ("minReplicaCount", "maxReplicaCount", "fallback", "advanced", "pollingInterval"):
        assert ours[field] == theirs["spec"][field]
    queries = [each["metadata"]["query"] for each in ours["triggers"]]
    assert sum(query.count('namespace="captchas"') for query in queries) == 4


def test_accounts_and_alerts_are_those_of_the_files_beside_it(everything):
    data = everything["ConfigMap", "fleet-redis-acl"]["data"]
    for name in ("acl.sh", "users.acl"):
        assert data[name] == (CHART.parent.parent / "redis" / name).read_text()
    rules = yaml.safe_load((CHART.parent.parent / "prometheus/rules.yaml").read_text())
    assert everything["PrometheusRule", "fleet"]["spec"] == rules


def test_a_server_of_one_s_own_takes_the_place_of_ours():
    redis = {"enabled": False, "host": "redis.example", "port": 6380, "tls": True, "database": 2}
    rendered = by_name({**NEEDED, "redis": redis})
    assert ("StatefulSet", "fleet-redis") not in rendered
    (container,) = pods(rendered)["worker"]["containers"]
    urls = [each["value"] for each in container["env"] if each["name"] == "CELERY_BROKER_URL"]
    assert urls == ["rediss://worker:$(REDIS_WORKER_PASSWORD)@redis.example:6380/2"]


def test_settings_of_one_part_go_before_those_of_all():
    values = {**NEEDED, "settings": {"TILEFLEET_LOG": "json"}}
    values["worker"] = {"settings": {"TILEFLEET_LOG": "text", "TILEFLEET_CACHE_S": "5"}}
    for part, wanted in (("worker", "text"), ("gateway", "json")):
        (container,) = pods(by_name(values))[part]["containers"]
        said = [each for each in container["env"] if each["name"] == "TILEFLEET_LOG"]
        assert said == [{"name": "TILEFLEET_LOG", "value": wanted}]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "passwordsSecret"),
        ({"passwordsSecret": "passwords"}, "gateway.keysSecret"),
        ({**NEEDED, "worker": {"replica": 3}}, "replica"),
        ({**NEEDED, "worker": {"replicas": "three"}}, "replicas"),
        ({**NEEDED, "settings": {"TILEFLEET_CACHE_S": 5}}, "TILEFLEET_CACHE_S"),
        ({**NEEDED, "settings": {"PATH": "/"}}, "PATH"),
        ({**NEEDED, "redis": {"enabled": False}}, "redis.host"),
        (
            {
                "passwordsSecret": "p",
                "gateway": {"enabled": False},
                "autoscaling": {"enabled": True},
            },
            "gateway.enabled",
        ),
        ({**NEEDED, "autoscaling": {"enabled": True, "min": 9, "max": 5}}, "autoscaling.min"),
        ({**NEEDED, "settings": {"TILEFLEET_MODLE": "mine"}}, "TILEFLEET_MODLE"),
        ({**NEEDED, "settings": {"TILEFLEET_SHUTDOWN_S": "soon"}}, "TILEFLEET_SHUTDOWN_S"),
        ({**NEEDED, "settings": {"CELERY_BROKER_URL": "redis://x"}}, "CELERY_BROKER_URL"),
        ({**NEEDED, "redis": {"enabled": False, "host": "redis://x"}}, "/redis/host"),
        ({**NEEDED, "image": {"tag": "sha256:abc"}}, "/image/tag"),
    ],
)
def test_wrong_values_are_refused_by_name(values, named):
    with pytest.raises(Refused, match=re.escape(named)):
        render(values)


def test_a_server_s_address_may_be_that_of_ipv6():
    redis = {"enabled": False, "host": "fd00::1"}
    (container,) = pods(by_name({**NEEDED, "redis": redis}))["worker"]["containers"]
    (url,) = [each["value"] for each in container["env"] if each["name"] == "CELERY_BROKER_URL"]
    assert url == "redis://worker:$(REDIS_WORKER_PASSWORD)@[fd00::1]:6379/0"


def test_the_schema_knows_every_setting():
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["definitions"]["settings"]["properties"]
    ours = {variable for variable, _, _ in Settings().rows() if variable.startswith("TILEFLEET_")}
    assert {name.removesuffix("_FILE") for name in known if name.startswith("TILEFLEET_")} == ours


def test_the_schema_knows_every_value_and_no_other():
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.validate(values, schema)

    def compare(given: dict, known: dict, where: str) -> None:
        if known.get("additionalProperties") is False and "properties" in known:
            assert given.keys() == known["properties"].keys() - {"global"}, where
            for name, value in given.items():
                if isinstance(value, dict):
                    compare(value, known["properties"][name], f"{where}.{name}")

    compare(values, schema, "values")
