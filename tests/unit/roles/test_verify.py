# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import alarm, canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.hops import CANARY
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role, rendered_role

RUN = "canary0123456789abcdef"
OBJECTS = render_role("verify", __verify_run=RUN, __verify_since=1795852801.5)


def test_the_page_has_what_is_followed_and_nothing_of_the_nodes() -> None:
    page = only(OBJECTS, "ConfigMap")["data"]["canary.prom"]
    names = [line.partition("{")[0] for line in page.splitlines() if not line.startswith("#")]
    assert names == [canary.METRIC, canary.CPU, canary.ALERTS]
    assert page.count(f'run="{RUN}"') == 3
    # Series like those of nodes would count as CPUs of the cluster, and series like those of Prometheus fire alarms.
    assert not {"node_cpu_seconds_total", "ALERTS"} & set(names)


def test_names_and_labels_do_not_carry_the_runs_name() -> None:
    """Kubernetes' events and the metrics of its objects would carry it to where the canary is looked for."""
    for item in OBJECTS:
        assert RUN not in json.dumps(item["metadata"])
    template = only(OBJECTS, "Deployment")["spec"]["template"]
    assert RUN not in json.dumps(template["metadata"])


def test_it_is_the_workload_that_is_followed_and_found_by_annotation() -> None:
    deployment = only(OBJECTS, "Deployment")
    metadata = deployment["metadata"]
    assert (metadata["namespace"], metadata["name"]) == CANARY[1:]
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    ports = [str(port["containerPort"]) for port in container["ports"]]
    assert template["metadata"]["annotations"]["prometheus.io/port"] in ports


def test_it_is_not_scraped_as_a_node_exporter() -> None:
    """That role's DaemonSet would adopt its pod, and its NetworkPolicy is not the canary's."""
    selector = only(rendered_role("node_exporter"), "DaemonSet")["spec"]["selector"]["matchLabels"]
    assert only(OBJECTS, "Deployment")["spec"]["template"]["metadata"]["labels"] != selector


def test_it_has_the_image_and_the_certificate_of_the_node_exporter() -> None:
    (own,) = only(OBJECTS, "Deployment")["spec"]["template"]["spec"]["containers"]
    daemon_set = only(rendered_role("node_exporter"), "DaemonSet")["spec"]["template"]["spec"]
    assert own["image"] == daemon_set["containers"][0]["image"]
    names = [volume["secret"]["secretName"] for volume in daemon_set["volumes"] if "secret" in volume]
    secrets = [v["secret"] for v in only(OBJECTS, "Deployment")["spec"]["template"]["spec"]["volumes"] if "secret" in v]
    assert [secret["secretName"] for secret in secrets] == names


def test_the_deployed_rule_can_be_tried() -> None:
    """What the module puts the canary's series into is there once in what the role prometheus deploys."""
    data = only(rendered_role("prometheus"), "ConfigMap", "prometheus-rules")["data"]
    rules = [rule for text in data.values() for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    (rule,) = (rule for rule in rules if rule.get("alert") == alarm.NAME)
    assert canary.CPU in alarm.edge_query(rule["expr"], canary.Canary(RUN, "staging", 0))
