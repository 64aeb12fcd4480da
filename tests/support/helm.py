"""The chart as Helm renders it: by `helm` where it is installed, else by Helm's own library."""

import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.support.deployment import DEPLOY

CHART = DEPLOY / "helm/tilefleet"
#: What has no default: names of secrets.
NEEDED = {"passwordsSecret": "passwords", "gateway": {"keysSecret": "keys"}}


class Refused(Exception):
    """Helm does not take the values."""


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    """What a cluster would get; raises Refused with what Helm says."""
    texts = _by_command(values) if shutil.which("helm") else _by_library(values)
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def _by_command(values: dict[str, Any]) -> list[str]:
    command = ["helm", "template", "fleet", CHART, "--namespace", "captchas", "--values", "-"]
    done = subprocess.run(
        command, input=json.dumps(values), capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise Refused(done.stderr)
    return [done.stdout]


def _by_library(values: dict[str, Any]) -> list[str]:
    helm = pytest.importorskip("helm_python", reason="neither helm nor helm-python-sdk is here")
    try:
        with helm.Chart.load(CHART) as chart:
            chart.validate_schema(values)
            manifests = chart.render(values, name="fleet", namespace="captchas")
    except helm.HelmError as error:
        raise Refused(str(error)) from None
    return [text for path, text in sorted(manifests.items()) if path.endswith(".yaml")]
