# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects for the options of elasticsearch, and rules across options."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CHECKOUT,
    ROLES,
    conditions,
    evaluate,
    only,
    render_role,
    select,
)

ROLE = "elasticsearch"


def settings(**options: Any) -> dict[str, Any]:
    data = only(render_role(ROLE, **options), "ConfigMap", "elasticsearch")["data"]
    found: dict[str, Any] = parse(data["elasticsearch.yml"])
    return found


def declared(**options: Any) -> dict[str, Any]:
    data = only(render_role(ROLE, **options), "ConfigMap", "elasticsearch-reconciler")["data"]
    found: dict[str, Any] = json.loads(data["declared.json"])
    return found


def stateful_set(**options: Any) -> dict[str, Any]:
    return only(render_role(ROLE, **options), "StatefulSet")


def pod(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = stateful_set(**options)["spec"]["template"]["spec"]
    return found


def checks(**options: Any) -> list[str]:
    """The messages of the conditions that refuse these options."""
    return [
        condition["fail_msg"]
        for name in ("check.yml", "sizes.yml")
        for condition in conditions(ROLE, name)
        if not holds(condition, **options)
    ]


def holds(condition: dict[str, Any], **options: Any) -> bool:
    every = condition["that"] if isinstance(condition["that"], list) else [condition["that"]]
    return all(evaluate(ROLE, each, ansible_check_mode=False, **options) for each in every)


def test_the_defaults_pass_every_check() -> None:
    assert checks() == []
    assert checks(elasticsearch_size="large") == []


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"elasticsearch_nodes": 2}, "elasticsearch_nodes is"),
        ({"elasticsearch_nodes": 0}, "elasticsearch_nodes is"),
        ({"elasticsearch_heap": "32g", "elasticsearch_resources": {"limits": {"memory": "128Gi"}}}, "the heap is"),
        ({"elasticsearch_heap": "1500m"}, "the heap is"),
        ({"elasticsearch_tls_ca": ""}, "must be PEM"),
        ({"elasticsearch_tls_certificate": "arn:aws:acm:..."}, "must be PEM"),
        ({"elasticsearch_tls_private_key": "-----BEGIN EC PRIVATE KEY-----"}, "must be PEM"),
        ({"elasticsearch_exporter_password": "short"}, "no password of less than 6"),
        ({"elasticsearch_roles": {"exporter": {"cluster": ["all"]}}}, "must not name what the platform has"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], refused: str) -> None:
    (found,) = checks(**options)
    assert refused in found


def test_a_large_heap_is_allowed_up_to_its_limit() -> None:
    assert checks(elasticsearch_heap="31g", elasticsearch_resources={"limits": {"memory": "64Gi"}}) == []


@pytest.mark.parametrize(
    ("after", "fits"),
    [
        ("5d", True),
        ("102h", True),
        ("101h", False),
        ("6120m", True),
        ("2d", False),
        ("99999999ms", False),
        ("soon", False),
    ],
)
def test_no_metric_is_late_for_the_first_round_of_downsampling(after: str, fits: bool) -> None:
    (condition,) = [each for each in conditions(ROLE, "sizes.yml") if "first round" in each["fail_msg"]]
    rounds = [{"after": after, "fixed_interval": "5m"}, {"after": "30d", "fixed_interval": "1h"}]
    assert holds(condition, elasticsearch_metrics_downsampling=rounds) is fits
    # Kafka's value takes precedence.
    assert not holds(condition, elasticsearch_metrics_downsampling=rounds, __oldest_metric_hours=2000)


def test_nodes_trust_their_own_issuer_only() -> None:
    found = settings()
    assert found["xpack.security.transport.ssl.certificate_authorities"] == ["certs/issuer.crt"]
    assert found["xpack.security.http.ssl.enabled"] is True
    assert found["xpack.security.transport.ssl.enabled"] is True
    assert found["node.store.allow_mmap"] is False
    assert "cluster.initial_master_nodes" not in found


def test_a_sites_settings_win() -> None:
    found = settings(elasticsearch_config={"node.store.allow_mmap": True, "thread_pool.write.queue_size": 500})
    assert found["node.store.allow_mmap"] is True
    assert found["thread_pool.write.queue_size"] == 500


@pytest.mark.parametrize(("nodes", "voters", "replicas"), [(1, 1, 0), (3, 3, 1), (5, 3, 1)])
def test_network_policy_of_the_cluster_formation(nodes: int, voters: int, replicas: int) -> None:
    init = pod(elasticsearch_nodes=nodes)["initContainers"][0]
    (names,) = [variable["value"] for variable in init["env"] if variable["name"] == "VOTERS"]
    assert names == ",".join(f"elasticsearch-{ordinal}" for ordinal in range(voters))
    assert stateful_set(elasticsearch_nodes=nodes)["spec"]["replicas"] == nodes
    index = declared(elasticsearch_nodes=nodes)["index_templates"]["logs-k8s.container"]["template"]["settings"][
        "index"
    ]
    assert index["number_of_replicas"] == replicas
    assert bool(select(render_role(ROLE, elasticsearch_nodes=nodes), "PodDisruptionBudget")) is (nodes > 1)


def test_a_larger_volume_is_a_larger_claim_and_the_claims_outlive_the_nodes() -> None:
    spec = stateful_set(elasticsearch_storage_size="100Gi")["spec"]
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "100Gi"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    policy = only(render_role(ROLE), "ValidatingAdmissionPolicy")
    assert policy["spec"]["validations"][0]["expression"] == "object.spec.replicas >= oldObject.spec.replicas"


def test_the_heap_follows_the_size() -> None:
    for size, heap in (("small", "1g"), ("large", "8g")):
        options = only(render_role(ROLE, elasticsearch_size=size), "ConfigMap", "elasticsearch")["data"][
            "platform.options"
        ]
        assert f"-Xms{heap}\n-Xmx{heap}\n" in options


def test_passwords_are_in_secrets_only() -> None:
    passwords = evaluate(ROLE, "__elasticsearch_passwords").values()
    for item in render_role(ROLE):
        if item["kind"] != "Secret":
            text = json.dumps(item)
            assert not [password for password in passwords if password in text], item["metadata"]["name"]


def test_no_password_is_an_environment_variable_of_the_nodes() -> None:
    for container in (*pod()["initContainers"], *pod()["containers"]):
        assert not [variable for variable in container["env"] if "secretKeyRef" in variable.get("valueFrom", {})]


@pytest.mark.parametrize(
    "options",
    [
        {"elasticsearch_elastic_password": "another password"},
        {"elasticsearch_config": {"a.b": 1}},
        {"elasticsearch_heap": "900m"},
    ],
)
def test_nodes_restart_for_new_settings(options: dict[str, Any]) -> None:
    def checksum(**options: Any) -> str:
        return str(stateful_set(**options)["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum(**options) != checksum()
    assert checksum(elasticsearch_metrics_retention="1d") == checksum()


@pytest.mark.parametrize(
    "options",
    [
        {"elasticsearch_metrics_retention": "7d"},
        {"elasticsearch_grafana_password": "another password"},
        {"elasticsearch_priority_class": "other"},
        {"elasticsearch_version": "90.1.2"},
    ],
)
def test_a_change_makes_a_new_job(options: dict[str, Any]) -> None:
    def job(**options: Any) -> str:
        (found,) = select(render_role(ROLE, **options), "Job")
        return str(found["metadata"]["name"])

    assert job(**options) != job()
    assert job(elasticsearch_reconcile_schedule="1 1 * * *") == job()


def test_the_job_and_the_cron_job_do_the_same() -> None:
    objects = render_role(ROLE)
    (job,), (cron,) = select(objects, "Job"), select(objects, "CronJob")
    assert job["spec"]["template"] == cron["spec"]["jobTemplate"]["spec"]["template"]


# -- input of the reconciler


def test_bodies_have_the_types_of_the_api() -> None:
    found = declared(elasticsearch_metrics_fields="30000", elasticsearch_snapshot_least="3", elasticsearch_shards="2")
    component = found["component_templates"]["metrics-prometheus@custom"]["template"]
    assert component["settings"]["index"]["mapping"]["total_fields"]["limit"] == 30000
    assert component["settings"]["index"]["number_of_shards"] == 2
    assert component["lifecycle"]["downsampling"] == [
        {"after": "5d", "fixed_interval": "5m"},
        {"after": "14d", "fixed_interval": "1h"},
    ]
    logs = found["index_templates"]["logs-k8s.container"]
    assert logs["template"]["mappings"]["properties"]["kubernetes"]["properties"]["labels"]["type"] == "flattened"
    assert logs["data_stream"] == {}
    assert found["snapshot_policies"]["snapshots"]["retention"] == {
        "expire_after": "14d",
        "min_count": 3,
        "max_count": 50,
    }


def test_the_template_of_logs_outranks_the_built_in_ones() -> None:
    # https://www.elastic.co/docs/manage-data/lifecycle/data-stream/tutorial-create-data-stream-with-lifecycle
    assert declared()["index_templates"]["logs-k8s.container"]["priority"] > 200


def test_without_downsampling_there_is_no_method() -> None:
    found = declared(elasticsearch_metrics_downsampling=[])["data_streams"]["metrics-k8s.prometheus-*"]["lifecycle"]
    assert found == {"enabled": True, "data_retention": "30d"}


def test_a_lifecycle_rules_the_streams_that_exist_and_those_to_come() -> None:
    found = declared()
    component = found["component_templates"]["metrics-prometheus@custom"]["template"]
    logs = found["index_templates"]["logs-k8s.container"]["template"]
    streams = found["data_streams"]
    for template, stream in (
        (component, streams["metrics-k8s.prometheus-*"]),
        (logs, streams["logs-k8s.container-*"]),
    ):
        assert template["lifecycle"] == stream["lifecycle"]
        assert template["lifecycle"]["enabled"] is True
        # The built-in component names a policy, which would win, and which never deletes.
        assert template["settings"]["index"]["lifecycle"] == {"prefer_ilm": False}
        assert stream["every_index"]["index"]["lifecycle"] == {"prefer_ilm": False}
        assert template["data_stream_options"] == stream["options"] == {"failure_store": {"enabled": False}}
        newest = stream["newest_index"]["index"]
        assert {**template["settings"]["index"], **newest, "mapping": None} == {
            **template["settings"]["index"],
            "mapping": None,
        }
        assert newest["mapping"]["total_fields"] == template["settings"]["index"]["mapping"]["total_fields"]


def test_a_time_series_index_takes_samples_as_early_and_as_late_as_it_can() -> None:
    found = declared()
    index = found["component_templates"]["metrics-prometheus@custom"]["template"]["settings"]["index"]
    assert (index["look_back_time"], index["look_ahead_time"]) == ("7d", "2h")
    assert found["settings"]["time_series.poll_interval"] == "1m"


def test_a_metric_beyond_the_limit_of_fields_is_refused_and_not_taken_without_its_value() -> None:
    found = declared()["component_templates"]["metrics-prometheus@custom"]["template"]["settings"]["index"]
    assert found["mapping"]["total_fields"] == {"limit": 20000, "ignore_dynamic_beyond_limit": False}


def test_users_have_least_privilege() -> None:
    found = declared()
    data = ["metrics-k8s.prometheus-*", "logs-k8s.container-*"]
    assert found["roles"]["logstash_writer"]["indices"] == [
        {"names": data, "privileges": ["auto_configure", "create_doc"]}
    ]
    readers = {
        name
        for name, role in found["roles"].items()
        for index in role.get("indices", [])
        if "read" in index["privileges"] or "all" in index["privileges"]
    }
    assert readers == {"grafana_reader"}
    assert not [name for name, role in found["roles"].items() if "all" in role.get("cluster", [])]
    assert {name: user["roles"] for name, user in found["users"].items()} == {
        name: [name] for name in ("exporter", "grafana_reader", "kibana_reconciler", "logstash_writer")
    }


def test_users_have_passwords_of_the_site() -> None:
    path = "controlplane/people/alice"
    options = {
        "elasticsearch_users": [{"name": "alice", "full_name": "Alice", "roles": ["editor"], "secret": path}],
        "fleet_values": evaluate(ROLE, "fleet_values") | {path: "correct horse"},
    }
    assert declared(**options)["users"]["alice"] == {"full_name": "Alice", "roles": ["editor"]}
    secret = only(render_role(ROLE, **options), "Secret", "elasticsearch-reconciler")
    assert secret["stringData"]["alice"] == "correct horse"
    options["elasticsearch_users"][0]["name"] = "exporter"
    (found,) = checks(**options)
    assert "must not name what the platform has" in found


def test_every_user_has_a_password_file() -> None:
    objects = render_role(ROLE)
    files = set(only(objects, "Secret", "elasticsearch-reconciler")["stringData"])
    assert files == set(declared()["users"]) | {"elastic", "kibana_system"}


def test_snapshots_can_be_left_out() -> None:
    found = declared(elasticsearch_snapshots=False)
    assert found["repositories"] == found["snapshot_policies"] == {}
    assert found["former_repositories"] == declared()["repositories"]
    assert declared()["former_repositories"] == {}
    exporter = only(render_role(ROLE, elasticsearch_snapshots=False), "Deployment")
    assert "--collector.snapshots" not in exporter["spec"]["template"]["spec"]["containers"][0]["args"]
    policy = only(render_role(ROLE, elasticsearch_snapshots=False), "NetworkPolicy", "elasticsearch")
    assert "ipBlock" not in json.dumps(policy)


def test_the_token_of_pod_identity_is_where_elasticsearch_may_read_it() -> None:
    options = only(render_role(ROLE), "ConfigMap", "elasticsearch")["data"]["platform.options"]
    (path,) = re.findall(r"-Daws\.containerAuthorizationTokenFile=(\S+)", options)
    mounts = {mount["name"]: mount["mountPath"] for mount in pod()["containers"][0]["volumeMounts"]}
    assert path == f"{mounts['settings']}/repository-s3/aws-web-identity-token-file"
    script = Path(ROLES / ROLE / "files" / "prepare.sh").read_text(encoding="utf-8")
    assert '"$TARGET/repository-s3/aws-web-identity-token-file"' in script
    # ES|QL's data source would set the property to another path.
    assert pod()["containers"][0]["command"][2:5] == ["env", "-u", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]


def test_the_bucket_is_for_tls_and_the_pods_only() -> None:
    caller = {"account": "111122223333", "arn": "arn:aws:iam::111122223333:user/x"}
    policy = evaluate(ROLE, "__elasticsearch_bucket_policy", __elasticsearch_caller=caller)
    (statement,) = policy["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    access = evaluate(ROLE, "__elasticsearch_access", __elasticsearch_caller=caller)
    resources = [resource for part in access["Statement"] for resource in part["Resource"]]
    bucket = "arn:aws:s3:::dataplatform-controlplane-elasticsearch-111122223333"
    assert resources == [bucket, f"{bucket}/*"]


# -- metrics


def test_the_list_of_metrics_is_of_the_pinned_exporter() -> None:
    lines = (CHECKOUT / "observability" / "metrics" / "elasticsearch.txt").read_text(encoding="utf-8").splitlines()
    version = evaluate(ROLE, "elasticsearch_exporter_version")
    sources = {line.split("\t")[2] for line in lines}
    assert {source for source in sources if not source.startswith(f"elasticsearch_exporter {version} ")} == {
        "prometheus"
    }
    assert lines == sorted(lines, key=lambda line: line.split("\t")[0])


def test_the_exporters_cluster_is_the_members_name() -> None:
    assert settings()["cluster.name"] == "controlplane"
