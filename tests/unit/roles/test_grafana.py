# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects for the options of grafana, and refusals."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    ROLES,
    Objects,
    evaluate,
    only,
    render_role,
    render_template,
    select,
    shared_values,
)

DATABASE = {
    "grafana_database_host": "db.example.com:5433",
    "grafana_database_secret": "controlplane/db/password",
    "fleet_values": shared_values() | {"controlplane/db/password": "secret-of-the-database"},
}
OIDC = {
    "grafana_url": "https://grafana.example.com/",
    "grafana_oidc_client_id": "grafana",
    "grafana_oidc_secret": "controlplane/oidc/client_secret",
    "grafana_oidc_auth_url": "https://login.example.com/authorize",
    "grafana_oidc_token_url": "https://login.example.com/token",
    "grafana_oidc_api_url": "https://login.example.com/userinfo",
    "fleet_values": shared_values() | {"controlplane/oidc/client_secret": "secret-of-the-client"},
}
OPEN = {
    "grafana_host": "grafana.example.com",
    "grafana_allowed_cidrs": ["10.0.0.0/8"],
    "grafana_load_balancer_certificate_arn": "arn:aws:acm:eu-central-1:111122223333:certificate/1",
}
INGRESS = {"grafana_host": "grafana.example.com", "grafana_exposure": "ingress", "grafana_tls_secret": "grafana-host"}


def rendered(*names: str, **options: Any) -> Objects:
    """Only the named templates: with all dashboards it takes a second."""
    folder = ROLES / "grafana" / "templates"
    return [item for name in names for item in render_template(folder / f"{name}.yaml.j2", **options)]


def settings(**options: Any) -> configparser.ConfigParser:
    data = only(rendered("config", **options), "ConfigMap", "grafana")["data"]
    found = configparser.ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string(data["grafana.ini"])
    return found


def provisioned(name: str, **options: Any) -> dict[str, Any]:
    data = only(rendered("config", **options), "ConfigMap", "grafana")["data"]
    found: dict[str, Any] = json.loads(data[name])
    return found


def pod(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = only(objects, "Deployment")["spec"]["template"]["spec"]
    return found


def refusals(**options: Any) -> str:
    return " ".join(evaluate("grafana", "__grafana_contradictions", **options))


def faults(**options: Any) -> str:
    return " ".join(evaluate("grafana", "__grafana_dashboards.faults", **options))


# --- Settings ------------------------------------------------------------------------------------------------------


def test_access_needs_a_login_and_no_data_is_sent_outside() -> None:
    found = settings()
    assert found["auth.anonymous"]["enabled"] == "false"
    assert found["server"]["protocol"] == "https"
    assert found["security"]["cookie_secure"] == "true"
    assert found["security"]["disable_gravatar"] == "true"
    assert found["public_dashboards"]["enabled"] == "false"
    assert found["snapshots"]["external_enabled"] == "false"
    assert found["news"]["news_feed_enabled"] == "false"
    assert {found["analytics"][name] for name in found["analytics"]} == {"false"}
    assert found["users"]["auto_assign_org_role"] == "Viewer"


def test_the_images_own_data_sources_are_kept() -> None:
    """Otherwise, Grafana replaces them at its start, which fails on a read-only file system."""
    assert settings()["plugins"]["preinstall_disabled"] == "true"


def test_no_secret_is_in_a_config_map() -> None:
    objects = render_role(
        "grafana", **OIDC | DATABASE | {"fleet_values": OIDC["fleet_values"] | DATABASE["fleet_values"]}
    )
    secret = only(objects, "Secret", "grafana")["stringData"]
    assert set(secret) == {
        "admin-password",
        "secret-key",
        "elasticsearch-password",
        "database-password",
        "oidc-client-secret",
    }
    text = json.dumps([item for item in objects if item["kind"] != "Secret"])
    for value in [*secret.values(), "PRIVATE KEY"]:
        assert value not in text
    assert settings(**OIDC)["auth.generic_oauth"]["client_secret"] == "$__file{/etc/grafana/secrets/oidc-client-secret}"


def test_settings_of_a_site_win() -> None:
    found = settings(grafana_config={"log": {"level": "debug"}, "feature_toggles": {"enable": "one two"}})
    assert found["log"]["level"] == "debug"
    assert found["log"]["mode"] == "console"
    assert found["feature_toggles"]["enable"] == "one two"


def test_links_carry_the_name_by_which_it_is_reached() -> None:
    assert settings()["server"]["root_url"] == "https://grafana.grafana.svc:3000/"
    assert settings(**OPEN)["server"]["root_url"] == "https://grafana.example.com/"


def test_mail_and_single_sign_on_are_off_until_configured() -> None:
    assert not {"smtp", "auth.generic_oauth"} & set(settings())
    mail = settings(grafana_smtp_host="mail.example.com:587", grafana_smtp_from_address="grafana@example.com")["smtp"]
    assert mail["startTLS_policy"] == "MandatoryStartTLS"
    assert settings(**OIDC)["auth.generic_oauth"]["enabled"] == "true"
    assert settings(**OIDC)["auth.generic_oauth"]["use_pkce"] == "true"


# --- Provisioning --------------------------------------------------------------------------------------------------


def test_data_sources_have_the_uids_that_dashboards_and_alarms_name() -> None:
    found = {source["uid"]: source for source in provisioned("datasources.yaml")["datasources"]}
    assert set(found) == {"metrics", "logs", "prometheus"}
    assert found["metrics"]["url"] == "https://elasticsearch.elasticsearch.svc:9200/_prometheus"
    assert found["metrics"]["jsonData"]["httpMethod"] == "POST"
    for uid in ("metrics", "logs"):
        assert found[uid]["basicAuthUser"] == "grafana_reader"
        assert found[uid]["secureJsonData"]["basicAuthPassword"] == "$GRAFANA_READER_PASSWORD"
    for source in found.values():
        assert source["jsonData"]["tlsAuthWithCACert"] is True
        assert source["secureJsonData"]["tlsCACert"].startswith("-----BEGIN CERTIFICATE-----")
        assert source["editable"] is False


def test_elasticsearch_is_asked_with_no_parameter_that_it_does_not_know() -> None:
    """It answers 400 to one; of Grafana's settings these add some, and exemplars a request that it does not have.

    Source: grafana v13.2, packages/grafana-prometheus/src/types.ts, PromOptions; pkg/promlib/client/client.go.
    """
    adds = {"queryTimeout", "customQueryParameters", "exemplarTraceIdDestinations"}
    (metrics,) = (source for source in provisioned("datasources.yaml")["datasources"] if source["uid"] == "metrics")
    assert not adds & set(metrics["jsonData"])
    for path in (ROLES / "grafana" / "files" / "dashboards").glob("*.json"):
        assert '"exemplar": true' not in path.read_text()


def test_each_dashboard_is_a_config_map_in_its_folder() -> None:
    objects = render_role("grafana")
    folders = json.loads((ROLES / "grafana" / "files" / "folders.json").read_text())
    maps = {item["metadata"]["name"] for item in select(objects, "ConfigMap")}
    assert maps == {"grafana", *(f"grafana-dashboard-{uid}" for uid in folders)}
    mounts = {mount["name"]: mount["mountPath"] for mount in pod(objects)["containers"][0]["volumeMounts"]}
    placed = {
        source["configMap"]["name"].removeprefix("grafana-dashboard-"): mounts[volume["name"]]
        for volume in pod(objects)["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
    }
    assert placed == {uid: f"/etc/grafana/dashboards/{folder}" for uid, folder in folders.items()}
    (provider,) = provisioned("dashboards.yaml")["providers"]
    assert provider["options"] == {"path": "/etc/grafana/dashboards", "foldersFromFilesStructure": True}


def test_dashboards_of_the_site_are_added() -> None:
    own = {"folder": "Analytics", "json": json.dumps({"uid": "jobs", "title": "Jobs"})}
    objects = render_role("grafana", grafana_dashboards=[own])
    assert json.loads(only(objects, "ConfigMap", "grafana-dashboard-jobs")["data"]["jobs.json"])["title"] == "Jobs"
    assert "/etc/grafana/dashboards/Analytics" in {
        m["mountPath"] for m in pod(objects)["containers"][0]["volumeMounts"]
    }


def test_alarms_are_taken_where_the_role_alarms_leaves_them_and_are_not_required() -> None:
    spec = pod(rendered("deployment"))
    assert {"name": "alerting", "configMap": {"name": "grafana-alerting", "optional": True}} in spec["volumes"]
    assert spec["containers"][0]["envFrom"] == [{"secretRef": {"name": "grafana-contact-points", "optional": True}}]


def test_a_changed_password_replaces_the_pods_and_a_changed_dashboard_does_not(tmp_path: Path) -> None:
    def checksum(**options: Any) -> str:
        deployment = only(rendered("deployment", **options), "Deployment")
        return str(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    before = checksum()
    assert before != checksum(grafana_elasticsearch_password="another")
    assert before != checksum(grafana_admin_password="another")
    assert before != checksum(grafana_tls_certificate="another")
    assert before != checksum(grafana_config={"log": {"level": "debug"}})
    assert before == checksum(grafana_dashboards=[{"folder": "A", "json": {"uid": "a"}}])


def give_password(folder: Path, database: str, grafana: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the init container's script with a fake for Grafana's command; return what that was given."""
    command, given = folder / "grafana", folder / "given"
    command.write_text(f'#!/bin/sh\n{{ echo "$@"; cat; }} > {given}\n{grafana}\n', encoding="utf-8")
    command.chmod(0o755)
    (folder / "password").write_text("of-the-admin", encoding="utf-8")
    script = ROLES / "grafana" / "files" / "admin-password.sh"
    run = subprocess.run(
        ["sh", script],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "DATABASE": database,
            "CONFIG": "/etc/grafana/config/grafana.ini",
            "PASSWORD": str(folder / "password"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return run, given.read_text(encoding="utf-8") if given.exists() else ""


def test_a_new_password_of_the_administrator_is_set_before_grafana_starts(tmp_path: Path) -> None:
    database = tmp_path / "grafana.db"
    for path in (str(database), ""):
        database.touch()
        run, given = give_password(tmp_path, path, "exit 0")
        assert (run.returncode, run.stderr) == (0, "")
        arguments, password = given.splitlines()
        assert arguments.endswith("admin reset-admin-password --password-from-stdin")
        assert "--config /etc/grafana/config/grafana.ini" in arguments
        assert password == "of-the-admin"
    (container,) = pod(rendered("deployment"))["initContainers"]
    assert {item["name"]: item.get("value") for item in container["env"]}["DATABASE"] == "/var/lib/grafana/grafana.db"
    (container,) = pod(rendered("deployment", **DATABASE))["initContainers"]
    assert {item["name"]: item.get("value") for item in container["env"]}["DATABASE"] == ""


def test_at_the_first_start_grafana_takes_the_password_itself(tmp_path: Path) -> None:
    run, given = give_password(tmp_path, str(tmp_path / "grafana.db"), "exit 0")
    assert (run.returncode, given) == (0, "")


def test_grafana_starts_although_its_command_fails(tmp_path: Path) -> None:
    run, _ = give_password(tmp_path, "", "echo no such user >&2; exit 1")
    assert run.returncode == 0
    assert "no such user" in run.stderr
    assert "keeps the password that it has" in run.stderr


def test_prometheus_scrapes_it() -> None:
    annotations = only(rendered("deployment"), "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == "3000"
    assert annotations["prometheus.io/scheme"] == "https"


# --- State ---------------------------------------------------------------------------------------------------------


def test_one_pod_has_the_volume_and_stops_before_the_next_starts() -> None:
    objects = rendered("deployment")
    assert only(objects, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert only(objects, "PersistentVolumeClaim")["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert settings()["database"]["type"] == "sqlite3"
    assert not select(objects, "PodDisruptionBudget")


def test_several_pods_have_a_database_and_know_each_other() -> None:
    options = DATABASE | {"grafana_replicas": 2}
    objects = rendered("deployment", "service", "network_policies", **options)
    assert only(objects, "Deployment")["spec"]["strategy"]["type"] == "RollingUpdate"
    assert not select(objects, "PersistentVolumeClaim")
    found = settings(**options)
    assert found["database"]["host"] == "db.example.com:5433"
    assert found["database"]["ssl_mode"] == "verify-full"
    assert found["unified_alerting"]["ha_peers"] == "grafana-peers.grafana.svc:9094"
    assert only(objects, "Service", "grafana-peers")["spec"]["clusterIP"] == "None"
    egress = only(objects, "NetworkPolicy")["spec"]["egress"]
    assert [{"protocol": "TCP", "port": 5433}] in [rule["ports"] for rule in egress]
    assert [{"protocol": "TCP", "port": 9094}, {"protocol": "UDP", "port": 9094}] in [rule["ports"] for rule in egress]


# --- Network access --------------------------------------------------------------------------------------------------


def test_is_for_the_inside_only_by_default() -> None:
    objects = rendered("service", "network_policies")
    assert not select(objects, "Ingress")
    assert [item["spec"].get("type") for item in select(objects, "Service")] == [None]
    (rule,) = only(objects, "NetworkPolicy")["spec"]["ingress"]
    assert rule["from"][0]["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}


@pytest.mark.parametrize("kind", ["builtin", "auto_mode", "controller"])
def test_a_load_balancer_is_internal_and_open_to_named_networks(kind: str) -> None:
    objects = rendered("service", "network_policies", **OPEN, grafana_load_balancer=kind)
    service = only(objects, "Service", "grafana-load-balancer")
    assert service["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/8"]
    prefix = "service.beta.kubernetes.io/aws-load-balancer"
    marks = service["metadata"]["annotations"]
    assert (marks.get(f"{prefix}-internal"), marks.get(f"{prefix}-scheme")) in (("true", None), (None, "internal"))
    assert marks[f"{prefix}-backend-protocol"] == "ssl"
    assert service["spec"].get("loadBalancerClass") == ("eks.amazonaws.com/nlb" if kind == "auto_mode" else None)
    sources = [source for rule in only(objects, "NetworkPolicy")["spec"]["ingress"] for source in rule["from"]]
    assert {"ipBlock": {"cidr": "10.0.0.0/8"}} in sources


def test_an_ingress_speaks_tls_to_it_and_filters_by_policy_where_there_are_policies() -> None:
    ingress = only(rendered("service", **INGRESS), "Ingress")
    assert ingress["metadata"]["annotations"]["nginx.org/ssl-services"] == "grafana"
    assert ingress["spec"]["tls"] == [{"hosts": ["grafana.example.com"], "secretName": "grafana-host"}]
    assert "nginx.org/policies" not in ingress["metadata"]["annotations"]
    options = INGRESS | {"grafana_ingress_policies": True, "grafana_allowed_cidrs": ["10.0.0.0/8"]}
    objects = rendered("service", **options)
    assert only(objects, "Ingress")["metadata"]["annotations"]["nginx.org/policies"] == "grafana"
    assert only(objects, "Policy")["spec"]["accessControl"] == {"allow": ["10.0.0.0/8"]}


# --- Refused input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, DATABASE, DATABASE | {"grafana_replicas": 3}, OIDC, OPEN, INGRESS, {"grafana_smtp_host": ""}],
    ids=lambda options: ", ".join(options)[:40] or "defaults",
)
def test_takes_what_fits_together(options: dict[str, Any]) -> None:
    assert refusals(**options) == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"grafana_replicas": 2},
            "grafana_replicas is 2, but without grafana_database_host Grafana keeps its state",
        ),
        ({"grafana_database_host": "db"}, "grafana_database_host is given, but no password"),
        (
            {"grafana_oidc_client_id": "x"},
            "single sign-on is configured by half: grafana_oidc_secret,",
        ),
        (OIDC | {"grafana_oidc_token_url": ""}, "by half: grafana_oidc_token_url is empty"),
        (
            OIDC | {"grafana_url": "https://grafana.grafana.svc:3000/"},
            "sends people back to https://grafana.grafana.svc",
        ),
        ({"grafana_oidc_only": True}, "nobody could come in"),
        ({"grafana_smtp_host": "mail:25"}, "Give grafana_smtp_from_address"),
        ({"grafana_smtp_user": "me"}, "only one is given"),
        ({"grafana_exposure": "ingress"}, "but grafana_host is empty"),
        (OPEN | {"grafana_allowed_cidrs": []}, "nobody may come in: grafana_allowed_cidrs is empty"),
        (OPEN | {"grafana_load_balancer_certificate_arn": ""}, "Give the ARN of an ACM certificate in eu-central-1"),
        (INGRESS | {"grafana_tls_secret": ""}, "Name the TLS Secret for grafana.example.com"),
        (
            INGRESS | {"grafana_allowed_cidrs": ["10.0.0.0/8"]},
            "addresses only through its custom resource Policy",
        ),
        (INGRESS | {"grafana_ingress_policies": True}, "names no network that may come in"),
        ({"grafana_elasticsearch_url": "http://elasticsearch:9200"}, "takes queries by POST over TLS only"),
    ],
)
def test_refuses_what_does_not_fit_together(options: dict[str, Any], message: str) -> None:
    assert message in refusals(**options)


def test_takes_the_platforms_dashboards() -> None:
    assert faults() == ""


@pytest.mark.parametrize(
    ("dashboard", "message"),
    [
        (
            {"uid": "fleet", "title": "Mine"},
            'The uid "fleet" is in roles/grafana/files/dashboards/fleet.json and in grafana_dashboards, number 1 '
            '("Mine"): Grafana would show only one of the dashboards. Change the uid of your dashboard.',
        ),
        ({"title": "No uid"}, 'grafana_dashboards, number 1 ("No uid"): the dashboard has no uid. Give it one.'),
        ({"uid": "Not_a_name"}, 'the uid "Not_a_name" may have at most 40 lowercase letters'),
        (
            {"uid": "large", "text": "x" * 921600},
            "more than the 921600 that fit in a ConfigMap. Split it into two dashboards.",
        ),
    ],
)
def test_refuses_dashboards_that_grafana_could_not_show(dashboard: dict[str, Any], message: str) -> None:
    assert message in faults(grafana_dashboards=[{"folder": "Mine", "json": json.dumps(dashboard)}])


def test_two_files_with_one_uid_are_both_named(tmp_path: Path) -> None:
    paths = [tmp_path / "jobs.json", tmp_path / "copy of jobs.json"]
    for path in paths:
        path.write_text(json.dumps({"uid": "jobs", "title": "Jobs"}))
    said = faults(grafana_dashboards=[{"folder": "Mine", "file": str(path)} for path in paths])
    assert said.startswith(f'The uid "jobs" is in {paths[0]} and in {paths[1]}: Grafana would show only one')


@pytest.mark.parametrize("item", [{"folder": "A"}, {"folder": "A", "json": {"uid": "a"}, "file": "a.json"}])
def test_a_dashboard_is_a_file_or_given_as_it_is(item: dict[str, Any]) -> None:
    assert faults(grafana_dashboards=[item]) == "Number 1 of grafana_dashboards needs either file or json."
