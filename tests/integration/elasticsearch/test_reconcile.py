# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconciler of Elasticsearch, run by a JDK as in the image, against a fake of the API.

Elasticsearch is not available here. What this proves: what the script sends, in which order, that it tells what
is as declared from what is not, in the forms that the API reference gives, and that it shows no password. All requests
of all tests are held against the official client; what its types leave open, such as settings of the cluster, is not
proved. What Elasticsearch's own classes say of templates and data streams is in test_rules.py.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.elasticsearch.client import Sent
from ansible_collections.dataplatform.fleet.tests.integration.elasticsearch.fake_elasticsearch import (
    FakeElasticsearch,
    running,
)
from ansible_collections.dataplatform.fleet.tests.integration.fake_https import Outcome
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate, only, render_role

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("java") is None, reason="needs a JDK"),
]

Json = dict[str, Any]


Reconcile = Callable[..., Outcome]


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    """The script and the declared objects, as the role deploys them."""
    objects = render_role("elasticsearch")
    return dict(only(objects, "ConfigMap", "elasticsearch-reconciler")["data"])


@pytest.fixture(scope="module")
def passwords() -> dict[str, str]:
    return dict(evaluate("elasticsearch", "__elasticsearch_passwords"))


@pytest.fixture(scope="module")
def program(rendered: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Compiled once: the image's Java does that at every start, which one test does too."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "Reconcile.java").write_text(rendered["Reconcile.java"])
    subprocess.run(["javac", "-d", str(folder), str(folder / "Reconcile.java")], check=True, timeout=120)
    return ["-cp", str(folder), "Reconcile"]


@pytest.fixture
def elasticsearch(tmp_path: Path, passwords: dict[str, str], sent: list[Sent]) -> Iterator[FakeElasticsearch]:
    with running(tmp_path) as (state, _ca):
        state.passwords["elastic"] = passwords["elastic"]
        yield state
    sent.extend(map(Sent.of, state.requests))


@pytest.fixture
def reconcile(
    tmp_path: Path,
    elasticsearch: FakeElasticsearch,
    rendered: dict[str, str],
    passwords: dict[str, str],
    program: list[str],
) -> Reconcile:
    folder = tmp_path / "passwords"
    folder.mkdir()
    declared = json.loads(rendered["declared.json"])

    def run(
        *arguments: str, change: Callable[[Json], None] | None = None, source: bool = False, **more: str
    ) -> Outcome:
        wanted = json.loads(json.dumps(declared))
        if change:
            change(wanted)
        (tmp_path / "declared.json").write_text(json.dumps(wanted))
        for name, password in {**passwords, **more}.items():
            (folder / name).write_text(password)
        done = subprocess.run(
            ["java", "-XX:TieredStopAtLevel=1", *([f"{program[1]}/Reconcile.java"] if source else program), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "URL": elasticsearch.url,
                "CA": str(tmp_path / "ca.crt"),
                "DECLARED": str(tmp_path / "declared.json"),
                "PASSWORDS": str(folder),
                "WAIT": "20",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stderr == ""
        for password in (*passwords.values(), *more.values()):
            assert password not in done.stdout
        return Outcome("elasticsearch", done.returncode, done.stdout.splitlines())

    return run


def test_makes_everything_and_then_nothing(
    elasticsearch: FakeElasticsearch, reconcile: Reconcile, passwords: dict[str, str]
) -> None:
    first = reconcile()
    assert first.status == 0
    assert all(line.startswith(("+ ", "~ user kibana_system")) for line in first.changes)
    assert first.drift == len(first.changes) == len(elasticsearch.writes)
    assert elasticsearch.passwords == passwords
    assert elasticsearch.index_templates["logs-k8s.container"]["template"]["settings"]["index.number_of_shards"] == "1"
    assert set(elasticsearch.users) == set(passwords) - {"elastic", "kibana_system"}
    # A user or role exists before permissions are granted to it.
    order = [path for _method, path in elasticsearch.writes]
    assert order.index("/_security/role/exporter") < order.index("/_security/user/exporter")
    assert order.index("/_snapshot/snapshots") < order.index("/_slm/policy/snapshots")

    elasticsearch.writes.clear()
    second = reconcile()
    assert (second.status, second.changes, second.drift, elasticsearch.writes) == (0, [], 0, [])


def test_other_options_make_requests_that_the_client_takes(
    elasticsearch: FakeElasticsearch, reconcile: Reconcile, passwords: dict[str, str]
) -> None:
    path = "controlplane/people/alice"
    options: dict[str, Any] = {
        "elasticsearch_nodes": 1,
        "elasticsearch_metrics_downsampling": [],
        "elasticsearch_cluster_settings": {"cluster.routing.allocation.disk.watermark.low": "80%"},
        "elasticsearch_roles": {"auditors": {"cluster": ["monitor"], "run_as": ["alice"]}},
        "elasticsearch_users": [{"name": "alice", "roles": ["auditors"], "secret": path}],
        "fleet_values": evaluate("elasticsearch", "fleet_values") | {path: "correct horse"},
    }
    objects = render_role("elasticsearch", **options)
    other = json.loads(only(objects, "ConfigMap", "elasticsearch-reconciler")["data"]["declared.json"])
    assert reconcile(change=lambda declared: declared.update(other), alice="correct horse").status == 0
    assert elasticsearch.passwords == passwords | {"alice": "correct horse"}
    assert ("PUT", "/_security/role/auditors") in elasticsearch.writes


def test_a_plan_changes_nothing(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    planned = reconcile("--plan")
    assert planned.status == 0
    assert planned.drift > 0
    assert elasticsearch.writes == []
    assert reconcile().changes == planned.changes


def test_repairs_manual_changes(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    reconcile()
    elasticsearch.writes.clear()
    elasticsearch.component_templates["metrics-prometheus@custom"]["template"]["settings"][
        "index.mapping.total_fields.limit"
    ] = "5"
    del elasticsearch.index_templates["logs-k8s.container"]["template"]["mappings"]["properties"]["message"]
    elasticsearch.roles["grafana_reader"]["cluster"].append("all")
    elasticsearch.users["exporter"]["enabled"] = False
    elasticsearch.passwords["logstash_writer"] = "changed by hand"
    elasticsearch.passwords["kibana_system"] = "changed by hand"
    elasticsearch.policies["snapshots"]["policy"]["schedule"] = "0 0 0 1 * ?"
    elasticsearch.settings["action.destructive_requires_name"] = "false"
    del elasticsearch.repositories["snapshots"]
    # Other objects are not changed.
    elasticsearch.users["somebody"] = {"username": "somebody", "roles": [], "metadata": {}, "enabled": True}
    elasticsearch.index_templates["theirs"] = {"index_patterns": ["x"], "_meta": {"managed_by": "others"}}

    planned, repaired = reconcile("--plan"), reconcile()
    assert planned.lines[:-1] == repaired.lines[:-1]
    assert repaired.drift == 9
    assert "~ role grafana_reader: cluster" in "\n".join(repaired.changes)
    assert "~ user exporter: enabled false -> true" in repaired.changes
    assert "~ user logstash_writer: password" in repaired.changes
    assert "+ repository snapshots" in repaired.changes
    assert reconcile().drift == 0
    assert "somebody" in elasticsearch.users
    assert "theirs" in elasticsearch.index_templates


METRICS = "metrics-k8s.prometheus-staging"
LOGS = "logs-k8s.container-staging"
BY_POLICY = {"index.lifecycle.name": "metrics"}


def test_existing_data_streams_are_updated(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    kept = {"enabled": True, "data_retention": "90d"}
    # As a platform is that has run without any of it.
    old, newest = elasticsearch.add_data_stream(
        METRICS, "metrics-prometheus@template", BY_POLICY, BY_POLICY, lifecycle=kept
    )
    (logs,) = elasticsearch.add_data_stream(
        LOGS, "logs-k8s.container", {}, options={"failure_store": {"enabled": True}}
    )
    (theirs,) = elasticsearch.add_data_stream("logs-other-default", "logs", BY_POLICY)
    planned, first = reconcile("--plan"), reconcile()
    assert first.status == 0
    assert planned.lines[:-1] == first.lines[:-1]
    for name in (old, newest):
        assert re.search(
            rf'~ index {name}: .*managed_by "Index Lifecycle Management" -> "Data stream lifecycle"',
            "\n".join(first.changes),
        )
        assert elasticsearch.indices[name]["index.lifecycle.prefer_ilm"] == "false"
    assert f"~ options {LOGS}: failure_store.enabled true -> false" in first.changes
    lifecycle = elasticsearch.data_streams[METRICS]["lifecycle"]
    assert lifecycle["data_retention"] == "30d"
    assert lifecycle["downsampling"][0] == {"after": "5d", "fixed_interval": "5m"}
    assert elasticsearch.data_streams[LOGS]["lifecycle"]["data_retention"] == "14d"
    assert "index.look_ahead_time" not in elasticsearch.indices[old]
    assert elasticsearch.indices[newest]["index.look_ahead_time"] == "2h"
    assert elasticsearch.indices[newest]["index.mapping.total_fields.limit"] == "20000"
    assert elasticsearch.indices[logs]["index.mapping.total_fields.limit"] == "2000"
    assert (elasticsearch.indices[theirs], "lifecycle" in elasticsearch.data_streams["logs-other-default"]) == (
        BY_POLICY,
        False,
    )
    elasticsearch.writes.clear()
    assert (reconcile().drift, elasticsearch.writes) == (0, [])

    def without_rounds(declared: Json) -> None:
        for place in (
            declared["data_streams"]["metrics-k8s.prometheus-*"]["lifecycle"],
            declared["component_templates"]["metrics-prometheus@custom"]["template"]["lifecycle"],
        ):
            del place["downsampling"], place["downsampling_method"]

    assert reconcile(change=without_rounds).drift == 1
    assert "downsampling" not in elasticsearch.data_streams[METRICS]["lifecycle"]


@pytest.mark.parametrize(
    ("settings", "lifecycle"),
    [
        ({"index.lifecycle.prefer_ilm": "true", "index.lifecycle.name": "metrics"}, {}),
        # Nothing deletes documents then.
        ({}, {"enabled": False}),
    ],
    ids=["by a policy", "by nobody"],
)
def test_another_manager_of_an_index_is_drift(
    elasticsearch: FakeElasticsearch, reconcile: Reconcile, settings: Json, lifecycle: Json
) -> None:
    (index,) = elasticsearch.add_data_stream(METRICS, "metrics-prometheus@template", BY_POLICY)
    assert reconcile().drift > 0
    elasticsearch.indices[index] |= settings
    elasticsearch.data_streams[METRICS]["lifecycle"] |= lifecycle
    planned, repaired = reconcile("--plan"), reconcile()
    assert planned.lines[:-1] == repaired.lines[:-1]
    assert "managed_by" in "\n".join(repaired.changes)
    assert reconcile().drift == 0


def test_a_template_with_a_higher_priority_is_reported(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    reconcile()
    elasticsearch.index_templates["theirs"] = {"template": {"settings": {"index.lifecycle.name": "forever"}}}
    elasticsearch.add_data_stream(LOGS, "theirs", {})
    outcome = reconcile()
    assert outcome.status == 1
    (problem,) = [line for line in outcome.lines if line.startswith("!")]
    assert problem == (f"! next index of {LOGS} failed: its template theirs leaves it to: Index Lifecycle Management")


def test_undeclared_objects_are_removed(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    def with_alice(declared: Json) -> None:
        declared["roles"]["readers"] = {"cluster": ["monitor"]}
        declared["users"]["alice"] = {"full_name": "Alice", "roles": ["readers"]}

    reconcile(change=with_alice, alice="correct horse")
    assert elasticsearch.users["alice"]["roles"] == ["readers"]
    assert reconcile().changes == ["- user alice", "- role readers"]
    assert "alice" not in elasticsearch.users

    def without_snapshots(declared: Json) -> None:
        declared["former_repositories"] = declared["repositories"]
        declared["repositories"] = declared["snapshot_policies"] = {}

    ours = elasticsearch.repositories["snapshots"]
    assert reconcile(change=without_snapshots).changes == ["- snapshot policy snapshots", "- repository snapshots"]
    assert not elasticsearch.repositories
    # Of the same name, in another bucket.
    elasticsearch.repositories["snapshots"] = {**ours, "settings": {**ours["settings"], "bucket": "theirs"}}
    assert reconcile(change=without_snapshots).changes == []
    assert elasticsearch.repositories


def test_a_new_password_is_set(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    reconcile()
    assert reconcile(grafana_reader='a "new" \\ pässword').changes == ["~ user grafana_reader: password"]
    assert elasticsearch.passwords["grafana_reader"] == 'a "new" \\ pässword'


def test_one_failure_stops_nothing_else(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    elasticsearch.broken["/_snapshot/"] = 500
    outcome = reconcile()
    assert outcome.status == 1
    assert [line for line in outcome.lines if line.startswith("!")] == [
        "! repository snapshots failed: 500 it is broken: /_snapshot/snapshots"
    ]
    assert "snapshots" in elasticsearch.policies
    elasticsearch.broken.clear()
    assert reconcile().changes == ["+ repository snapshots"]


def test_waits_for_elasticsearch(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    elasticsearch.not_ready = 2
    assert reconcile("--plan", source=True).status == 0


def test_reports_why_it_stopped(elasticsearch: FakeElasticsearch, reconcile: Reconcile) -> None:
    elasticsearch.passwords["elastic"] = "another one"
    outcome = reconcile()
    assert outcome.status == 1
    assert "401 unable to authenticate" in outcome.lines[-1]
