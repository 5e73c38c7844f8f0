# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana's provisioning files of the role alarms, and their validity."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.lookup import fleet_members, fleet_parameter
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles import rendering
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    ROLES,
    Objects,
    evaluate,
    only,
    render_role,
)

CHECKSUM_KEY = "controlplane/passwords/checksum-key"
HOOK = "https://hooks.slack.example/services/T/B/secret"
REACHED = {
    "alarms_email_addresses": ["oncall@example.com"],
    "alarms_slack_url": HOOK,
    "alarms_heartbeat_url": "https://heartbeat.example/ping/1",
}
# The prefix of a member's rules.
PER_MEMBER = ("cluster-silent", "logs-missing", "logs-not-delivered", "metrics-missing")
# Rules of an earlier version, which Grafana keeps in its database.
WITHDRAWN = ("fluent-bit-failing", "fluent-bit-failing-direct", "fluent-bit-paused")
DURATION = re.compile(r"(\d+(ms|[smhdwy]))+|0s")


# Responses of AWS: the built members, and all members ever declared.
BUILT = {"alarms_members": {name: {} for name in ("controlplane", "production", "staging", "testing")}}
FLEET = BUILT | {"alarms_former_members": list(BUILT["alarms_members"])}


@functools.cache
def _rendered(options: str) -> Objects:
    return render_role("alarms", **FLEET | json.loads(options))


def objects_of(**options: Any) -> Objects:
    return _rendered(json.dumps(options))


def files(**options: Any) -> dict[str, Any]:
    """Return Grafana's provisioning files by their names."""
    data = only(objects_of(**options), "ConfigMap", "grafana-alerting")["data"]
    return {name: parse(text) for name, text in data.items()}


def job(**options: Any) -> dict[str, Any]:
    return only(objects_of(**options), "Job")


def warnings(**options: Any) -> list[str]:
    found: list[str] = evaluate("alarms", "__alarms_warnings", **FLEET | options)
    return found


def forgotten(**options: Any) -> list[str]:
    """Return the rules that Grafana has to delete."""
    return [each["uid"] for each in files(**options)["retired.yaml"]["deleteRules"]]


def rules(**options: Any) -> list[dict[str, Any]]:
    return [
        rule
        for document in files(**options).values()
        for group in document.get("groups", ())
        for rule in group["rules"]
    ]


# --- The shape of Grafana's provisioning files --------------------------------------------------------------------
# From Grafana's documentation, "Use configuration files to provision alerting resources", and the types that its
# provisioning reads (pkg/services/provisioning/alerting). What those ignore silently is refused here.


def check(value: Any, shape: Any, path: str = "") -> None:
    """Compare a document with a shape: a type, a pattern, a set of values, a predicate, a list or a dict of shapes.

    A key that ends in "?" may be missing; any other key that is not in the shape may not be there.
    """
    if isinstance(shape, dict):
        assert isinstance(value, dict), path
        known = {key.rstrip("?") for key in shape}
        assert set(value) <= known, f"{path}: {set(value) - known}"
        for key, inner in shape.items():
            if key.rstrip("?") in value:
                check(value[key.rstrip("?")], inner, f"{path}.{key.rstrip('?')}")
            else:
                assert key.endswith("?"), f"{path}.{key} is missing"
    elif isinstance(shape, list):
        assert isinstance(value, list), path
        for number, each in enumerate(value):
            check(each, shape[0], f"{path}[{number}]")
    elif isinstance(shape, set):
        assert value in shape, f"{path}: {value!r}"
    elif isinstance(shape, re.Pattern):
        assert isinstance(value, str), path
        assert shape.fullmatch(value), f"{path}: {value!r}"
    elif isinstance(shape, type):
        assert type(value) is shape, f"{path}: {value!r} is no {shape.__name__}"
    else:
        assert shape(value), f"{path}: {value!r}"


TEXT = re.compile(r".+", re.DOTALL)
UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
LABELS = lambda value: all(re.fullmatch(r"[a-z_]+", key) and type(each) is str for key, each in value.items())  # noqa: E731
RANGE = {"from": int, "to": int}
PROMETHEUS = {
    "refId": {"A"},
    "datasource": {"type": {"prometheus"}, "uid": {"metrics", "prometheus"}},
    "expr": TEXT,
    "instant": {True},
    "range": {False},
    "intervalMs": int,
    "maxDataPoints": int,
}
EVALUATOR = {
    "type": {"gt", "lt", "gte", "lte", "eq", "ne"},
    "params": [lambda value: type(value) in (int, float)],
}
LOGS = {
    "refId": {"A"},
    "datasource": {"type": {"elasticsearch"}, "uid": {"logs"}},
    "query": TEXT,
    "timeField": {"@timestamp"},
    "metrics": [{"id": {"1"}, "type": {"count"}}],
    "bucketAggs": [
        {"id": TEXT, "type": {"date_histogram"}, "field": {"@timestamp"}, "settings": {"interval": {"auto"}}}
    ],
}
REDUCE = {
    "refId": {"B"},
    "datasource": {"type": {"__expr__"}, "uid": {"__expr__"}},
    "type": {"reduce"},
    "expression": {"A"},
    "reducer": {"sum"},
}
THRESHOLD = {
    "refId": {"C"},
    "datasource": {"type": {"__expr__"}, "uid": {"__expr__"}},
    "type": {"threshold"},
    "expression": {"A", "B"},
    "conditions": [{"evaluator": EVALUATOR}],
}


def query(value: dict[str, Any]) -> bool:
    models = {"__expr__": REDUCE if value["refId"] == "B" else THRESHOLD, "logs": LOGS}
    assert value["datasourceUid"] == value["model"]["datasource"]["uid"]
    assert value["refId"] == value["model"]["refId"]
    check(
        value,
        {
            "refId": {"A", "B", "C"},
            "datasourceUid": {"metrics", "prometheus", "logs", "__expr__"},
            "relativeTimeRange": RANGE,
            "model": models.get(value["datasourceUid"], PROMETHEUS),
        },
    )
    return True


RULE = {
    "uid": UID,
    "title": TEXT,
    "condition": {"C"},
    "data": [query],
    "for": DURATION,
    "noDataState": {"Alerting", "OK"},
    "execErrState": {"Alerting", "Error"},
    "annotations": {"summary": TEXT, "description": TEXT, "runbook_url": re.compile(r"https://.+\.md")},
    "labels": LABELS,
}
GROUP = {"orgId": {1}, "name": TEXT, "folder": {"Alarms"}, "interval": {"1m"}, "rules": [RULE]}
RECEIVERS = {
    "email": {"addresses": TEXT, "singleEmail?": bool, "subject?": TEXT, "message?": TEXT},
    "slack": {"url": {"$ALARMS_SLACK_URL"}, "recipient?": TEXT, "title": TEXT, "text": TEXT},
    "webhook": {"url": {"$ALARMS_HEARTBEAT_URL"}, "httpMethod": {"POST"}, "maxAlerts": str},
}


def receiver(value: dict[str, Any]) -> bool:
    check(
        value, {"uid": UID, "type": set(RECEIVERS), "disableResolveMessage": bool, "settings": RECEIVERS[value["type"]]}
    )
    return True


ROUTE = {
    "receiver": TEXT,
    "object_matchers": [lambda value: len(value) == 3 and value[1] in ("=", "!=", "=~", "!~")],
    "group_wait?": DURATION,
    "group_interval?": DURATION,
    "repeat_interval": DURATION,
    "mute_time_intervals?": [TEXT],
}
POLICY = {
    "orgId": {1},
    "receiver": TEXT,
    "group_by": [TEXT],
    "group_wait": DURATION,
    "group_interval": DURATION,
    "repeat_interval": DURATION,
    "routes": [ROUTE],
}
TIMES = {"start_time": re.compile(r"\d\d:\d\d"), "end_time": re.compile(r"\d\d:\d\d")}
INTERVAL = {"times?": [TIMES], "weekdays?": [TEXT], "days_of_month?": [TEXT], "months?": [TEXT], "location?": TEXT}
FILE = {
    "apiVersion": {1},
    "groups?": [GROUP],
    "deleteRules?": [{"orgId": {1}, "uid": UID}],
    "contactPoints?": [{"orgId": {1}, "name": TEXT, "receivers": [receiver]}],
    "deleteContactPoints?": [{"orgId": {1}, "uid": UID}],
    "policies?": [POLICY],
    "muteTimes?": [{"orgId": {1}, "name": TEXT, "time_intervals": [INTERVAL]}],
    "templates?": [{"orgId": {1}, "name": TEXT, "template": TEXT}],
}


@pytest.mark.parametrize("options", [{}, REACHED], ids=["nobody", "reached"])
def test_every_file_has_the_shape_that_grafana_reads(options: dict[str, Any]) -> None:
    for name, document in files(**options).items():
        assert name.endswith(".yaml")
        check(document, FILE, name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"apiVersion": 2},
        {"apiVersion": 1, "contactpoints": []},
        {"apiVersion": 1, "muteTimes": [{"orgId": 1, "name": "n", "time_intervals": [{"times": [{"start": "1"}]}]}]},
    ],
)
def test_the_shape_is_strict(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check(wrong, FILE)


def test_identifiers_and_titles_are_unique() -> None:
    # Grafana refuses a second rule of one title in a folder, and all of them with one identifier.
    for key in ("uid", "title"):
        values = [rule[key] for rule in rules()]
        assert len(values) == len(set(values))


def test_policies_name_contact_points_and_timings_that_are_there() -> None:
    for options in ({}, REACHED):
        found = files(**options)
        (policy,) = found["policies.yaml"]["policies"]
        names = {point["name"] for point in found["contact_points.yaml"]["contactPoints"]}
        timings = {timing["name"] for timing in found["mute_timings.yaml"]["muteTimes"]}
        for route in [policy, *policy["routes"]]:
            assert route["receiver"] in names
            assert set(route.get("mute_time_intervals", ())) <= timings


def test_models_hold_no_dollar_sign() -> None:
    # Grafana hands models on as they are written: a dollar sign could not be escaped, nor could a variable be meant.
    for rule in rules():
        assert "$" not in json.dumps([query["model"] for query in rule["data"]])
        # Labels are filled in, annotations are not.
        assert "$" not in json.dumps(rule["labels"])


# --- Options of a fleet -------------------------------------------------------------------------------------------


def test_no_token_is_left() -> None:
    assert not re.search(r"@[a-z_:]+@", json.dumps(files(**REACHED)))


@pytest.mark.parametrize(
    ("built", "parameter", "watched", "gone"),
    [
        (["controlplane", "staging"], "", ["controlplane", "staging"], ["production", "testing"]),
        (
            ["controlplane"],
            '{"controlplane": "", "old": ""}',
            ["controlplane"],
            ["old", "production", "staging", "testing"],
        ),
    ],
    ids=["not built yet", "left the fleet"],
)
def test_members_that_are_built_are_watched_and_all_others_forgotten(
    monkeypatch: pytest.MonkeyPatch, built: list[str], parameter: str, watched: list[str], gone: list[str]
) -> None:
    names = [f"dataplatform/{member}/{document}" for member in built for document in ("issuer", "tls")]
    found = {name: dict[str, str]() for name in [*names, "dataplatform/old/tls"]}
    monkeypatch.setattr(fleet_members, "read_tags", lambda *_arguments: found)
    read = staticmethod(lambda _connection, _name: parameter or None)
    monkeypatch.setattr(fleet_parameter.LookupModule, "read", read)
    for kept in ("_rendered", "_last"):  # the same options give something else here
        monkeypatch.setattr(rendering, kept, {})
    data = only(render_role("alarms", fleet_values={CHECKSUM_KEY: "k" * 16}), "ConfigMap", "grafana-alerting")["data"]
    assert {name for name in data if name.startswith("rules_of_")} == {f"rules_of_{name}.yaml" for name in watched}
    retired = [each["uid"] for each in yaml.safe_load(data["retired.yaml"])["deleteRules"]]
    assert retired == sorted([*(f"{kind}-{name}" for kind in PER_MEMBER for name in gone), *WITHDRAWN])


def test_no_rule_is_both_provided_and_deleted() -> None:
    kept = [rule["uid"] for rule in rules()]
    assert forgotten(alarms_retired=["old", "cluster-silent-staging", kept[0]]) == [*WITHDRAWN, "old"]
    assert forgotten(alarms_members={"staging": {}}, alarms_former_members=["m" * 61, "staging"]) == [
        uid for uid in forgotten(alarms_members={"staging": {}}, alarms_former_members=["m" * 61]) if UID.fullmatch(uid)
    ]


def test_each_member_is_missed_when_silent() -> None:
    """Also a member whose agents were deployed during an outage of Kafka, and that has never sent data."""
    members = {"controlplane": {}, "staging": {"environment": "preproduction"}}
    for kind, source in (("ClusterSilent", "metrics"), ("MetricsMissing", "prometheus"), ("LogsMissing", "prometheus")):
        found = [rule for rule in rules(alarms_members=members) if rule["title"].split()[0] == kind]
        assert [rule["labels"]["cluster"] for rule in found] == ["controlplane", "staging"]
        assert [rule["labels"]["environment"] for rule in found] == ["controlplane", "preproduction"]
        for rule in found:
            query = rule["data"][0]["model"]["expr"]
            assert re.search(rf'"(metrics-|logs-)?{rule["labels"]["cluster"]}"', query)
            assert rule["data"][0]["datasourceUid"] == source, "the latter two do not go through what they watch"
            assert (rule["noDataState"], rule["execErrState"]) == ("Alerting", "Alerting")
            assert (rule["labels"]["severity"], rule["for"]) in (("critical", "5m"), ("critical", "10m"))


def test_a_long_name_fits_into_an_identifier() -> None:
    for rule in rules(alarms_members={"controlplane": {}, "m" * 60: {}, "m" * 61: {}}):
        check(rule["uid"], UID)


def test_the_pipelines_alarms_are_the_controlplanes() -> None:
    for rule in rules():
        if rule["data"][0]["datasourceUid"] == "prometheus" and "Missing " not in rule["title"]:
            assert rule["labels"]["cluster"] == "controlplane"


def test_the_runbook_may_be_elsewhere() -> None:
    for rule in rules(alarms_runbook_url="https://wiki.example/runbooks"):
        assert rule["annotations"]["runbook_url"].startswith("https://wiki.example/runbooks/")


def test_secrets_are_in_the_secret_alone() -> None:
    objects = objects_of(**REACHED)
    secret = only(objects, "Secret", "grafana-contact-points")
    assert secret["stringData"]["ALARMS_SLACK_URL"] == HOOK
    assert HOOK not in json.dumps([item for item in objects if item is not secret])


def test_the_secret_is_there_without_receivers() -> None:
    # The role grafana names it.
    assert only(objects_of(), "Secret")["stringData"] == {"ALARMS_SLACK_URL": "", "ALARMS_HEARTBEAT_URL": ""}


def test_the_webhook_is_read_from_secrets_manager() -> None:
    values = {
        "fleet_values": {"controlplane/slack/url": HOOK, CHECKSUM_KEY: "k" * 16},
        "alarms_slack_secret": "controlplane/slack/url",
    }
    assert only(objects_of(**values), "Secret")["stringData"]["ALARMS_SLACK_URL"] == HOOK


def test_the_webhook_of_an_environment_is_read_from_secrets_manager() -> None:
    values = {
        "fleet_values": {"controlplane/slack/test": HOOK, CHECKSUM_KEY: "k" * 16},
        "alarms_environments": {"testing": {"slack_secret": "controlplane/slack/test"}},
    }
    objects = objects_of(**values)
    assert only(objects, "Secret")["stringData"] == {
        "ALARMS_SLACK_URL": "",
        "ALARMS_SLACK_URL_TESTING": HOOK,
        "ALARMS_HEARTBEAT_URL": "",
    }
    assert "$ALARMS_SLACK_URL_TESTING" in only(objects, "ConfigMap", "grafana-alerting")["data"]["contact_points.yaml"]


def test_warns_about_alarms_without_receivers() -> None:
    first, second = warnings()
    assert first.startswith("controlplane: no alarm reaches anybody.")
    assert "alarms_email_addresses" in first
    assert "alarms_heartbeat_secret" in second
    assert warnings(**REACHED) == []
    elsewhere = {"testing": {"email_addresses": ["a@example.com"]}}
    assert len(warnings(alarms_environments=elsewhere)) == 1


def test_warns_of_addresses_that_no_mail_could_reach() -> None:
    (said,) = warnings(**REACHED | {"alarms_mail": False})
    assert "Grafana has no mail server, so that nothing is sent by email. Give grafana_smtp_host" in said
    elsewhere = {"testing": {"email_addresses": ["a@example.com"]}, "staging": None}
    assert "no mail server" in warnings(alarms_environments=elsewhere, alarms_mail=False)[0]
    assert warnings(**REACHED | {"alarms_mail": False, "alarms_email_addresses": []}) == []


# --- The restart --------------------------------------------------------------------------------------------------


def test_whatever_changes_makes_a_new_job() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"alarms_slack_url": HOOK},
        {"alarms_slack_url": HOOK + "2"},
        {"alarms_email_addresses": ["a@example.com"]},
        {"alarms_repeat_intervals": {"critical": "2h", "warning": "12h", "info": "24h"}},
        {"alarms_members": {"controlplane": {}}},
    ]
    names = [job(**options)["metadata"]["name"] for options in changes]
    assert len(set(names)) == len(changes)
    assert job()["metadata"]["name"] == names[0]


def test_the_job_may_change_grafana_and_nothing_else() -> None:
    (rule,) = only(objects_of(alarms_grafana="other"), "Role")["rules"]
    assert rule["resourceNames"] == ["other"]
    assert "delete" not in rule["verbs"]


@contextmanager
def api_server(codes: dict[str, int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """An API server that answers each kind of workload with a code, and keeps what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({"path": self.path, "headers": dict(self.headers), "body": json.loads(body)})
            self.send_response(next(code for kind, code in codes.items() if f"/{kind}/" in self.path))
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def restart(tmp_path: Path, port: int) -> subprocess.CompletedProcess[str]:
    (tmp_path / "token").write_text("the-token", encoding="utf-8")
    (tmp_path / "ca.crt").write_text("", encoding="utf-8")
    script = (ROLES / "alarms" / "files" / "restart.sh").read_text(encoding="utf-8")
    # TLS is curl's; the fake speaks plain HTTP.
    plain = script.replace('api="https://', 'api="http://')
    assert plain != script
    return subprocess.run(
        ["sh", "-c", plain],
        env=os.environ
        | {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(port),
            "SERVICE_ACCOUNT": str(tmp_path),
            "NAMESPACE": "grafana",
            "GRAFANA": "grafana",
            "HASH": "abc",
            "no_proxy": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("codes", "status", "asked", "says"),
    [
        ({"deployments": 200, "statefulsets": 404}, 0, ["deployments"], "deployment grafana reads alarms abc"),
        ({"deployments": 404, "statefulsets": 200}, 0, ["deployments", "statefulsets"], "statefulset grafana reads"),
        ({"deployments": 404, "statefulsets": 404}, 0, ["deployments", "statefulsets"], "There is no grafana yet"),
        ({"deployments": 403, "statefulsets": 403}, 1, ["deployments"], "answers 403"),
    ],
)
def test_the_script(tmp_path: Path, codes: dict[str, int], status: int, asked: list[str], says: str) -> None:
    with api_server(codes) as (port, requests):
        result = restart(tmp_path, port)
    assert result.returncode == status, result.stderr
    assert says in result.stdout + result.stderr
    assert [request["path"].split("?")[0] for request in requests] == [
        f"/apis/apps/v1/namespaces/grafana/{kind}/grafana" for kind in asked
    ]
    for request in requests:
        assert request["headers"]["Authorization"] == "Bearer the-token"
        assert request["headers"]["Content-Type"] == "application/strategic-merge-patch+json"
        annotations = request["body"]["spec"]["template"]["metadata"]["annotations"]
        assert annotations == {"dataplatform.fleet/alerting": "abc"}


def test_the_annotation_of_alarms_is_not_grafanas() -> None:
    """The next run of the role grafana would revert an annotation that it renders."""
    annotation = "dataplatform.fleet/alerting"
    assert annotation in (ROLES / "alarms" / "files" / "restart.sh").read_text()
    assert annotation not in json.dumps(render_role("grafana"))
