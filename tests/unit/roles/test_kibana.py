# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects for the options of kibana, and rules across options."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CHECKOUT,
    ROLES,
    evaluate,
    only,
    render_role,
    select,
)

ROLE = "kibana"
PREFIX = "service.beta.kubernetes.io/aws-load-balancer"
HOST = {"kibana_host": "kibana.example.com"}
INGRESS = HOST | {"kibana_exposure": "ingress", "kibana_tls_secret": "kibana-example-com"}
EVERYBODY = {"kibana_allowed_cidrs": ["0.0.0.0/0"]}


def settings(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        only(render_role(ROLE, **options), "ConfigMap", "kibana")["data"]["kibana.yml"]
    )
    return found


def declared(**options: Any) -> dict[str, Any]:
    data = only(render_role(ROLE, **options), "ConfigMap", "kibana-reconciler")["data"]
    found: dict[str, Any] = json.loads(data["declared.json"])
    return found


def sources(**options: Any) -> list[dict[str, Any]]:
    """Return the allowed clients of Kibana's port."""
    policy = only(render_role(ROLE, **options), "NetworkPolicy", "kibana")
    (rule,) = [rule for rule in policy["spec"]["ingress"] if rule["ports"][0]["port"] == 5601]
    found: list[dict[str, Any]] = rule["from"]
    return found


def test_it_is_internal_by_default() -> None:
    objects = render_role(ROLE)
    assert select(objects, "Ingress") == []
    assert [item["spec"].get("type", "ClusterIP") for item in select(objects, "Service")] == ["ClusterIP"]
    assert sources() == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "kibana-reconciler"}}}]
    assert settings()["server.publicBaseUrl"] == "https://kibana.kibana.svc:5601"


def test_a_host_brings_an_internal_load_balancer_for_internal_networks() -> None:
    service = only(render_role(ROLE, **HOST), "Service", "kibana-load-balancer")
    internal = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
    assert service["spec"]["loadBalancerSourceRanges"] == internal
    assert service["metadata"]["annotations"][f"{PREFIX}-internal"] == "true"
    assert [source["ipBlock"]["cidr"] for source in sources(**HOST)[1:]] == internal
    assert settings(**HOST)["server.publicBaseUrl"] == "https://kibana.example.com"


@pytest.mark.parametrize("kind", ["auto_mode", "controller"])
def test_other_load_balancers_are_internal_too(kind: str) -> None:
    options = HOST | {"kibana_load_balancer": kind, "kibana_load_balancer_certificate_arn": "arn:aws:acm:x"}
    service = only(render_role(ROLE, **options), "Service", "kibana-load-balancer")
    assert service["metadata"]["annotations"][f"{PREFIX}-scheme"] == "internal"
    assert service["metadata"]["annotations"][f"{PREFIX}-backend-protocol"] == "ssl"
    assert ("loadBalancerClass" in service["spec"]) is (kind == "auto_mode")


def test_an_ingress_speaks_tls_to_kibana() -> None:
    options = INGRESS | EVERYBODY
    ingress = only(render_role(ROLE, **options), "Ingress")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["metadata"]["annotations"]["nginx.org/ssl-services"] == "kibana"
    assert ingress["spec"]["tls"] == [{"hosts": ["kibana.example.com"], "secretName": "kibana-example-com"}]
    assert sources(**options)[1]["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "ingress-nginx"}}
    policies = render_role(ROLE, **INGRESS, kibana_ingress_policies=True)
    assert only(policies, "Policy")["spec"]["accessControl"]["allow"][0] == "10.0.0.0/8"
    assert only(policies, "Ingress")["metadata"]["annotations"]["nginx.org/policies"] == "kibana"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kibana_exposure": "load_balancer"}, "kibana_host is empty"),
        (HOST | {"kibana_allowed_cidrs": []}, "let everybody in"),
        (INGRESS | EVERYBODY | {"kibana_tls_secret": ""}, "kibana_tls_secret"),
        (INGRESS, "nobody keeps kibana_allowed_cidrs"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], word: str) -> None:
    (found,) = evaluate(ROLE, "__kibana_contradictions", **options)
    assert word in found


@pytest.mark.parametrize("options", [{}, HOST, INGRESS | EVERYBODY, INGRESS | {"kibana_ingress_policies": True}])
def test_consistent_values_are_accepted(options: dict[str, Any]) -> None:
    assert evaluate(ROLE, "__kibana_contradictions", **options) == []


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, []),
        ({"kibana_ca": ""}, ["kibana_ca"]),
        ({"kibana_tls_private_key": "-----BEGIN EC PRIVATE KEY-----"}, ["kibana_tls_private_key"]),
    ],
)
def test_certificates_are_looked_at(options: dict[str, Any], names: list[str]) -> None:
    assert evaluate(ROLE, "__kibana_not_pem", **options) == names


def test_settings_have_types_and_a_site_wins() -> None:
    found = settings(kibana_config={"newsfeed.enabled": True})
    assert found["server.port"] == 5601
    assert found["server.ssl.enabled"] is True
    assert found["telemetry.optIn"] is False
    assert found["newsfeed.enabled"] is True


def test_secrets_are_in_the_environment_only() -> None:
    secrets = [evaluate(ROLE, name) for name in ("kibana_elasticsearch_password", "kibana_encryption_key")]
    for item in render_role(ROLE):
        if item["kind"] != "Secret":
            assert not [secret for secret in secrets if secret in json.dumps(item)]
    deployment = only(render_role(ROLE), "Deployment")
    referred = {
        variable["name"]: variable["valueFrom"]["secretKeyRef"]["key"]
        for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        if "valueFrom" in variable
    }
    assert settings()["elasticsearch.password"] == "${PLATFORM_ELASTICSEARCH_PASSWORD}"
    assert referred["PLATFORM_ELASTICSEARCH_PASSWORD"] == "elasticsearch-password"
    # The image's wrapper would take names of settings for options.
    assert not [name for name in referred if name.startswith(("ELASTICSEARCH_", "SERVER_", "XPACK_"))]


@pytest.mark.parametrize("options", [{"kibana_encryption_key": "x" * 32}, {"kibana_config": {"a": 1}}])
def test_pods_restart_for_new_settings(options: dict[str, Any]) -> None:
    def checksum(**options: Any) -> str:
        template = only(render_role(ROLE, **options), "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum(**options) != checksum()
    assert checksum(kibana_data_views={"a": {"title": "a"}}) == checksum()


@pytest.mark.parametrize(
    "options",
    [{"kibana_data_views": {"a": {"title": "a"}}}, {"kibana_version": "90.1.2"}, {"kibana_reconciler_password": "x"}],
)
def test_a_change_makes_a_new_job(options: dict[str, Any]) -> None:
    (job,), (other,) = select(render_role(ROLE), "Job"), select(render_role(ROLE, **options), "Job")
    assert job["metadata"]["name"] != other["metadata"]["name"]


def test_the_job_and_the_cron_job_do_the_same() -> None:
    objects = render_role(ROLE)
    (job,), (cron,) = select(objects, "Job"), select(objects, "CronJob")
    assert job["spec"]["template"] == cron["spec"]["jobTemplate"]["spec"]["template"]


def test_saved_objects_refer_to_what_is_declared() -> None:
    found = declared()
    known = {("index-pattern", name) for name in found["data_views"]}
    known |= {(item["type"], item["id"]) for item in found["saved_objects"]}
    assert found["default_data_view"] in found["data_views"]
    for item in found["saved_objects"]:
        assert item["id"].startswith("platform-")
        assert {(reference["type"], reference["id"]) for reference in item["references"]} <= known
        for key, value in item["attributes"].items():
            if key.endswith("JSON"):
                json.loads(value)
        json.loads(item["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        names = {reference["name"] for reference in item["references"]}
        for panel in json.loads(item["attributes"].get("panelsJSON", "[]")):
            assert f"{panel['panelIndex']}:{panel['panelRefName']}" in names


def test_values_of_the_site_are_added_last() -> None:
    extra = {"type": "search", "id": "mine", "attributes": {"title": "Mine"}, "references": []}
    found = declared(kibana_saved_objects=[extra], kibana_data_views={"mine": {"title": "mine-*"}})
    assert found["saved_objects"][-1] == extra
    assert list(found["data_views"]) == ["mine", "platform-logs", "platform-metrics"]


def test_the_version_is_elasticsearchs() -> None:
    assert evaluate(ROLE, "kibana_version") == evaluate("elasticsearch", "elasticsearch_version")


def test_the_list_of_metrics_is_of_this_version() -> None:
    lines = (CHECKOUT / "observability" / "metrics" / "kibana.txt").read_text(encoding="utf-8").splitlines()
    found = {line.split("\t")[2] for line in lines}
    assert found == {f"roles/kibana/files/exporter.mjs, kibana {evaluate(ROLE, 'kibana_version')}", "prometheus"}


def test_the_scripts_are_where_the_containers_look() -> None:
    for name in ("exporter.mjs", "reconcile.mjs", "saved_objects.json"):
        assert (ROLES / ROLE / "files" / name).is_file()
