"""The Helm chart, rendered by Helm, held against Kubernetes' schemas; no cluster has run it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.integration.deploy.files import DEPLOY, ROOT, unknown_settings

from carrel.cli.serve import serve
from carrel.serving.child import STOP_SECONDS
from carrel.telemetry import metrics

CHART = DEPLOY / "chart"
NEEDED: dict[str, Any] = {
    "existingSecret": "carrel-secrets",
    "settings": {
        "CARREL_QDRANT_URL": "http://qdrant-headless",
        "CARREL_ORIGINALS__URL": "s3://originals",
    },
}
EVERYTHING: dict[str, Any] = {
    **NEEDED,
    "imagePullSecrets": [{"name": "registry"}],
    "originals": {"existingClaim": "files"},
    "api": {"processes": 4, "tolerations": [{"operator": "Exists"}], "podAnnotations": {"a": "b"}},
    "ingress": {"enabled": True, "host": "rag.example.org", "tlsSecret": "tls"},
    "autoscaling": {"enabled": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
}
POD = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@pytest.fixture(scope="module")
def helm() -> str:
    found = shutil.which("helm") or shutil.which(str(ROOT / "build" / "tools" / "helm"))
    if found is None:
        pytest.skip("Helm is not there: run `scripts/install_test_services`")
    return found


def _helm(helm: str, folder: Path, values: dict[str, Any], *words: str) -> str:
    """What Helm prints; its error is an AssertionError."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [helm, *words, str(CHART), "--values", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _rendered(helm: str, folder: Path, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The manifests, by kind and component."""
    text = _helm(helm, folder, values, "template", "carrel", "--kube-version", "1.31.0")
    manifests = [each for each in yaml.safe_load_all(text) if each]
    component = "app.kubernetes.io/component"
    return {f"{each['kind']} {each['metadata']['labels'][component]}": each for each in manifests}


@pytest.mark.parametrize("values", [NEEDED, EVERYTHING], ids=["needed", "everything"])
def test_helm_finds_no_fault_and_kubernetes_knows_every_field(
    helm: str, tmp_path: Path, values: dict[str, Any]
):
    _helm(helm, tmp_path, values, "lint", "--strict")
    for name, manifest in _rendered(helm, tmp_path, values).items():
        if name != "ServiceMonitor api":  # the Prometheus operator's own
            kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_pods_have_no_rights_and_write_to_their_data_and_tmp_alone(helm: str, tmp_path: Path):
    rendered = _rendered(helm, tmp_path, EVERYTHING)
    for component in ("api", "worker"):
        pod = rendered[f"Deployment {component}"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"].items() >= POD.items()
        assert container["securityContext"] == CONTAINER
        assert pod["automountServiceAccountToken"] is False
        # Kubernetes would set variables that are no settings, and no server would start.
        assert pod["enableServiceLinks"] is False
        mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert mounted == {
            "data": "/var/lib/carrel",
            "tmp": "/tmp",
            "originals": "/srv/carrel/originals",
        }


@pytest.mark.parametrize(("grace", "most"), [(None, 20), (120, 120)])
def test_a_pod_has_the_time_that_its_streams_have(
    helm: str, tmp_path: Path, grace: int | None, most: int
):
    settings = {**NEEDED["settings"], **({"CARREL_DRAIN__GRACE_SECONDS": grace} if grace else {})}
    rendered = _rendered(helm, tmp_path, {**NEEDED, "settings": settings})
    pod = rendered["Deployment api"]["spec"]["template"]["spec"]
    (waiting,) = (each["lifecycle"]["preStop"]["exec"]["command"] for each in pod["containers"])
    assert waiting[0] == "sleep"
    assert pod["terminationGracePeriodSeconds"] > int(waiting[1]) + most + STOP_SECONDS


def test_selectors_find_the_pods_and_probes_their_routes(helm: str, tmp_path: Path):
    rendered = _rendered(helm, tmp_path, EVERYTHING)
    template = rendered["Deployment api"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    selectors = [
        rendered["Service api"]["spec"]["selector"],
        rendered["Deployment api"]["spec"]["selector"]["matchLabels"],
        rendered["PodDisruptionBudget api"]["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        worker = rendered["Deployment worker"]["spec"]["template"]["metadata"]["labels"]
        assert not selector.items() <= worker.items()
    monitored = rendered["ServiceMonitor api"]["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= rendered["Service api"]["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "--workers=4" in container["args"]
    assert "workers" in serve.__annotations__


def test_it_scales_by_a_metric_that_servers_export(helm: str, tmp_path: Path):
    rendered = _rendered(helm, tmp_path, EVERYTHING)
    by, _cpu = rendered["HorizontalPodAutoscaler api"]["spec"]["metrics"]
    assert f"\n{by['pods']['metric']['name']} " in metrics.exposition().decode()
    assert "replicas" not in rendered["Deployment api"]["spec"], "it would undo the scaling"


def test_the_ingress_has_no_way_to_metrics_and_one_to_admin_on_request(helm: str, tmp_path: Path):
    def paths(**ingress: Any) -> set[str]:
        values = {**EVERYTHING, "ingress": {**EVERYTHING["ingress"], **ingress}}
        (rule,) = _rendered(helm, tmp_path, values)["Ingress api"]["spec"]["rules"]
        return {each["path"] for each in rule["http"]["paths"]}

    assert paths() == {"/v1", "/console", "/docs", "/openapi.json"}
    assert paths(admin=True) == paths() | {"/admin"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"existingSecret": ""}, "existingSecret"),
        ({"settings": {}}, "CARREL_QDRANT_URL is required"),
        ({"settings": {**NEEDED["settings"], "CARREL_ADMIN_KEY": "x" * 40}}, "CARREL_ADMIN_KEY"),
        ({"settings": {**NEEDED["settings"], "CARREL_LLM__API_KEY": "x"}}, "CARREL_LLM__API_KEY"),
        ({"replicas": 3}, "replicas"),
    ],
)
def test_what_is_missing_misplaced_or_misspelt_is_refused(
    helm: str, tmp_path: Path, change: dict[str, Any], complaint: str
):
    with pytest.raises(AssertionError, match=complaint):
        _rendered(helm, tmp_path, {**NEEDED, **change})


def test_every_setting_it_names_exists():
    files = [path for path in CHART.rglob("*") if path.is_file()]
    text = "\n".join(path.read_text() for path in files)
    # A group of settings is written with an ellipsis, or as the schema's pattern.
    text = text.replace("CARREL_ORIGINALS__…", "").replace('"^CARREL_[A-Z0-9_]+$"', "")
    assert unknown_settings(text) == set()
