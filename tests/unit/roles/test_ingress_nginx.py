# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of ingress_nginx become objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.action.check_role_options import refused_keys
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate, only, render_role, select
from ansible_collections.dataplatform.fleet.tests.unit.roles.test_structure import specification

PREFIX = "service.beta.kubernetes.io/aws-load-balancer"
ARN = "arn:aws:acm:eu-central-1:111122223333:certificate/1"
KEYS = evaluate("ingress_nginx", "__ingress_nginx_keys.ingress_nginx_config")
HUB = {"host": "controlplane"}
ACM = {"ingress_nginx_tls": "acm", "ingress_nginx_tls_certificate_arn": ARN}


def service(**options: Any) -> dict[str, Any]:
    return only(render_role("ingress_nginx", **options), "Service")


def marks(**options: Any) -> dict[str, str]:
    found: dict[str, str] = service(**options)["metadata"]["annotations"]
    return {name.removeprefix(PREFIX): value for name, value in found.items()}


def container(**options: Any) -> dict[str, Any]:
    deployment = only(render_role("ingress_nginx", **options), "Deployment")
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def target_ports(**options: Any) -> dict[int, str]:
    return {port["port"]: port["targetPort"] for port in service(**options)["spec"]["ports"]}


def test_the_builtin_controller_is_asked_for_an_nlb() -> None:
    found = marks()
    assert found["-type"] == "nlb"
    # Any value at all, "false" in old versions too, has meant an internal one.
    assert "-internal" not in found
    assert marks(ingress_nginx_scheme="internal")["-internal"] == "true"
    assert service()["spec"]["externalTrafficPolicy"] == "Local"
    assert "loadBalancerClass" not in service()["spec"]


@pytest.mark.parametrize("scheme", ["internal", "internet-facing"])
def test_auto_mode_has_a_class_and_the_other_controller_a_type(scheme: str) -> None:
    auto = {"ingress_nginx_load_balancer": "auto_mode", "ingress_nginx_scheme": scheme}
    assert service(**auto)["spec"]["loadBalancerClass"] == "eks.amazonaws.com/nlb"
    assert "-type" not in marks(**auto)
    controller = auto | {"ingress_nginx_load_balancer": "controller"}
    assert "loadBalancerClass" not in service(**controller)["spec"]
    assert marks(**controller)["-type"] == "external"
    for options in (auto, controller):
        assert marks(**options)["-scheme"] == scheme
        assert marks(**options)["-nlb-target-type"] == "ip"
        assert service(**options)["spec"]["allocateLoadBalancerNodePorts"] is False


def test_the_kind_and_the_scheme_are_what_the_policy_compares() -> None:
    assert marks(ingress_nginx_scheme="internal")["dataplatform.fleet/load-balancer"] == "builtin, internal"


def test_the_load_balancer_carries_the_fleets_tags() -> None:
    tags = marks()["-additional-resource-tags"].split(",")
    assert "dataplatform.fleet/cluster=staging" in tags
    assert tags == sorted(tags)
    assert "-additional-resource-tags" not in marks(ingress_nginx_load_balancer_tags={})


def test_a_sites_annotations_win() -> None:
    found = marks(ingress_nginx_service_annotations={f"{PREFIX}-type": "nlb-ip", "example.com/a": "b"})
    assert found["-type"] == "nlb-ip"
    assert found["example.com/a"] == "b"


@pytest.mark.parametrize(
    ("options", "ports", "redirect", "backend"),
    [
        ({}, {80: "http", 443: "https"}, "true", None),
        ({"ingress_nginx_tls_secret": "default"}, {80: "http", 443: "https"}, "true", None),
        (ACM, {80: "http", 443: "http"}, "false", "tcp"),
        (ACM | {"ingress_nginx_tls_secret": "default"}, {80: "http", 443: "https"}, "true", "ssl"),
        (ACM | {"ingress_nginx_http": False}, {443: "http"}, "false", "tcp"),
    ],
)
def test_where_tls_ends(options: dict[str, Any], ports: dict[int, str], redirect: str, backend: str | None) -> None:
    assert target_ports(**options) == ports
    assert only(render_role("ingress_nginx", **options), "ConfigMap")["data"]["ssl-redirect"] == redirect
    found = marks(**options)
    assert found.get("-backend-protocol") == backend
    assert found.get("-ssl-cert") == (ARN if backend else None)
    assert found.get("-ssl-ports") == ("443" if backend else None)


@pytest.mark.parametrize(
    ("secret", "flag"), [("", None), ("tls", "ingress-nginx/tls"), ("certificates/tls", "certificates/tls")]
)
def test_the_default_certificate(secret: str, flag: str | None) -> None:
    args = [arg for arg in container(ingress_nginx_tls_secret=secret)["args"] if "tls-secret" in arg]
    assert args == ([f"-default-server-tls-secret={flag}", f"-wildcard-tls-secret={flag}"] if flag else [])


@pytest.mark.parametrize(
    ("options", "watched"),
    [
        ({}, ["ingress-nginx"]),
        ({"guardrails_tenants": [{"name": "shop"}, {"name": "blog"}]}, ["blog", "ingress-nginx", "shop"]),
        ({"ingress_nginx_served_namespaces": ["shop", "shop"]}, ["ingress-nginx", "shop"]),
        ({"ingress_nginx_tls_secret": "tls"}, ["ingress-nginx"]),
        ({"ingress_nginx_tls_secret": "certificates/tls"}, ["certificates", "ingress-nginx"]),
        ({**HUB, "grafana_exposure": "ingress", "kibana_exposure": "load_balancer"}, ["grafana", "ingress-nginx"]),
        ({**HUB, "kibana_exposure": "ingress", "kibana_namespace": "search"}, ["ingress-nginx", "search"]),
    ],
)
def test_it_has_rights_where_it_serves(options: dict[str, Any], watched: list[str]) -> None:
    objects = render_role("ingress_nginx", **options)
    # NGINX Ingress Controller watches all namespaces without it: cmd/nginx-ingress/flags.go in version 5.5.4
    assert f"-watch-namespace={','.join(watched)}" in container(**options)["args"]
    for kind in ("Role", "RoleBinding"):
        assert sorted(item["metadata"]["namespace"] for item in select(objects, kind)) == watched
    (egress, _) = only(objects, "NetworkPolicy")["spec"]["egress"]
    (expression,) = egress["to"][0]["namespaceSelector"]["matchExpressions"]
    assert (expression["operator"], expression["values"]) == ("In", watched)


def test_answers_are_measured() -> None:
    args = container()["args"]
    # The controller drops the second, with no more than a warning, without the first.
    assert {"-enable-prometheus-metrics", "-enable-latency-metrics"} <= set(args)
    # It tells of them by a socket here, which is a writable volume.
    assert "/var/lib/nginx" in {mount["mountPath"] for mount in container()["volumeMounts"]}


def test_the_image_is_pulled_from_the_mirror_by_digest() -> None:
    digest = "sha256:" + "a" * 64
    found = container(
        ingress_nginx_image_mirror="registry.example.com/hub",
        ingress_nginx_image_digest=digest,
        ingress_nginx_version="90.1.2",
    )
    assert found["image"] == f"registry.example.com/hub/nginx/nginx-ingress:90.1.2@{digest}"


def test_sizes_and_what_differs_from_them() -> None:
    small, large = container()["resources"], container(ingress_nginx_size="large")["resources"]
    assert small != large
    other = container(ingress_nginx_resources={"limits": {"memory": "1Gi"}})["resources"]
    assert other["limits"] == small["limits"] | {"memory": "1Gi"}
    assert other["requests"] == small["requests"]


@pytest.mark.parametrize(("replicas", "most", "scaled"), [(2, 0, False), (2, 2, False), (2, 6, True)])
def test_the_autoscaler_owns_the_replicas_where_there_is_one(replicas: int, most: int, scaled: bool) -> None:
    options = {"ingress_nginx_replicas": replicas, "ingress_nginx_max_replicas": most}
    scalers = select(render_role("ingress_nginx", **options), "HorizontalPodAutoscaler")
    assert [scaler["spec"]["maxReplicas"] for scaler in scalers] == ([most] if scaled else [])
    assert evaluate("ingress_nginx", "__ingress_nginx_autoscaled", **options) is scaled


def refusals(**config: Any) -> dict[str, str | None]:
    """Return the refused keys of ingress_nginx_config, and the suggested keys."""
    return refused_keys(config, KEYS)


def test_the_roles_own_settings_would_pass() -> None:
    for options in ({}, {"ingress_nginx_size": "large"}, ACM):
        data = only(render_role("ingress_nginx", **options), "ConfigMap")["data"]
        assert refusals(**data) == {}


@pytest.mark.parametrize(
    "key",
    # Misspelt; another controller's; of NGINX Plus, App Protect and custom resources; of annotations.
    [
        "proxy-conect-timeout",
        "use-http2",
        "zone-sync",
        "app-protect-cookie-seed",
        "virtualserver-template",
        "max-conns",
    ],
)
def test_a_key_that_the_controller_would_ignore_is_refused(key: str) -> None:
    assert list(refusals(**{key: "1", "http2": True})) == [key]


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("http2", [True, False, "true", "False", "0", 1], ["yes", "on", "", "tRUE", 2]),
        ("hsts-max-age", [0, "31536000"], ["1y", 1.5, True]),
        ("http-redirect-code", [301, "308"], [303, "3011"]),
        # YAML takes off without quotes for false.
        ("add-header-inherit", ["off", "Merge", False, True], ["none", None]),
        ("error-log-level", ["warn", "notice"], ["warning", "fatal"]),
        ("log-format-escaping", ["json"], ["JSON", False]),
        ("access-log", ["syslog:server=localhost:514"], ["off", "/dev/stdout"]),
        ("worker-processes", ["auto", 4], [0, "many"]),
        (
            "lb-method",
            ["random two least_conn", "hash $request_uri consistent"],
            ["least_time header", "roundrobin", "hash"],
        ),
        ("ssl-protocols", ["TLSv1.2 TLSv1.3"], ["TLS1.2", "TLSv1.2,TLSv1.3"]),
        ("client-max-body-size", [0, "20m", "1g"], ["20mb", "20 m", ["1m"]]),
        ("client-body-buffer-size", [0, "20m"], ["1g"]),
        ("proxy-buffers", ["8 4k"], ["8", "0 4k"]),
        ("proxy-read-timeout", ["60s", "1h 30m", 5], ["60sec", "1,5s"]),
        ("log-format", ["$remote_addr\n$status"], [""]),
    ],
)
def test_a_value_that_the_controller_would_ignore_is_refused(key: str, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if refusals(**{key: value})] == []
    for value in wrong:
        (problem,) = refusals(**{key: value})
        shown = value if isinstance(value, str) else json.dumps(value)
        assert problem.startswith(f"{key}: {shown} (it takes ")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("access-log-off", True, "true"),
        ("http2", False, "false"),
        ("add-header-inherit", False, "off"),
        ("add-header-inherit", "merge", "merge"),
        ("keepalive", 3, "3"),
    ],
)
def test_a_value_of_yaml_is_the_text_that_the_controller_reads(key: str, value: Any, text: str) -> None:
    """Booleans go through strconv.ParseBool, and the rest is read as it is: internal/configs/parsing_helpers.go."""
    objects = render_role("ingress_nginx", ingress_nginx_config={key: value})
    assert only(objects, "ConfigMap")["data"][key] == text


def test_a_load_balancer_is_internal_only_where_that_is_asked_for() -> None:
    """The Service controller takes every text but "false" and an empty one for an internal load balancer."""
    name = "service.beta.kubernetes.io/aws-load-balancer-internal"
    for value, text in ((False, "false"), (True, "true")):
        objects = render_role("ingress_nginx", ingress_nginx_service_annotations={name: value})
        assert only(objects, "Service")["metadata"]["annotations"][name] == text


def test_log_levels_are_the_controllers() -> None:
    """It treats warn as info, although its validation accepts warn and not warning."""
    level = specification("ingress_nginx")["options"]["ingress_nginx_log_level"]
    # The map logLevels of cmd/nginx-ingress/main.go in version 5.5.4
    assert set(level["choices"]) == {"trace", "debug", "info", "warning", "error", "fatal"}
    assert level["default"] in level["choices"]


def test_a_sites_settings_win_and_are_text() -> None:
    data = only(
        render_role("ingress_nginx", ingress_nginx_config={"worker-processes": 7, "http2": False}), "ConfigMap"
    )["data"]
    assert data["worker-processes"] == "7"
    assert data["http2"] == "false"


@pytest.mark.parametrize(("host", "expected"), [("controlplane", ["grafana", "kibana"]), ("staging", [])])
def test_served_are_namespaces_of_the_cluster_only(host: str, expected: list[str]) -> None:
    shown = {"grafana_exposure": "ingress", "kibana_exposure": "ingress", "guardrails_tenants": []}
    assert evaluate("ingress_nginx", "ingress_nginx_served_namespaces", host=host, **shown) == expected
