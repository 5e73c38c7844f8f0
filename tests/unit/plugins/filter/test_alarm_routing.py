# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter.alarm_routing import FilterModule, alarm_routing

NIGHTS = {"name": "nights", "time_intervals": [{"times": [{"start_time": "20:00", "end_time": "24:00"}]}]}


def wanted(**options: Any) -> dict[str, Any]:
    return {
        "email": {"addresses": [], "severities": ["critical", "warning"]},
        "slack": {"configured": False, "channel": "", "severities": ["critical", "warning", "info"]},
        "heartbeat": {"configured": False, "interval": "1m"},
        "environments": {},
        "mute_timings": [],
        "group_by": ["alertname"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_intervals": {"critical": "1h", "warning": "12h", "info": "24h"},
        "retired": [],
    } | options


EMAIL = {"email": {"addresses": ["a@example.com", "b@example.com"], "severities": ["critical", "warning"]}}
SLACK = {"slack": {"configured": True, "channel": "", "severities": ["critical", "warning", "info"]}}


def points(**options: Any) -> dict[str, dict[str, Any]]:
    """Return the settings of each receiver by contact point and kind."""
    return {
        point["name"]: {receiver["type"]: receiver["settings"] for receiver in point["receivers"]}
        for point in alarm_routing(wanted(**options))["contact_points"]["contactPoints"]
    }


def receiver(labels: dict[str, str], **options: Any) -> tuple[str, list[str]]:
    """Return where an alarm goes, and the timings at which it does not: the first route that matches."""
    (root,) = alarm_routing(wanted(**options))["policies"]["policies"]
    for route in root["routes"]:
        if all(
            labels.get(name) == value if operator == "=" else name in labels
            for name, operator, value in route["object_matchers"]
        ):
            return route["receiver"], route.get("mute_time_intervals", [])
    return root["receiver"], []


def test_every_receiver_gets_alarms() -> None:
    found = alarm_routing(wanted())
    assert found["reached"] is False
    assert list(points()) == ["nobody"]
    for labels in (
        {"alertname": "A", "severity": "critical"},
        {"alertname": "DatasourceError"},
        {"alertname": "Watchdog"},
    ):
        assert receiver(labels) == ("nobody", ["never"])
    (never,) = found["mute_timings"]["muteTimes"]
    assert never["time_intervals"] == [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]


@pytest.mark.parametrize(
    ("options", "severity", "kinds"),
    [
        (EMAIL, "critical", ["email"]),
        (EMAIL | SLACK, "critical", ["email", "slack"]),
        (EMAIL | SLACK, "warning", ["email", "slack"]),
        (EMAIL | SLACK, "info", ["slack"]),
        (SLACK, "warning", ["slack"]),
    ],
)
def test_receivers_by_severity(options: dict[str, Any], severity: str, kinds: list[str]) -> None:
    assert list(points(**options)[severity]) == kinds
    assert receiver({"alertname": "A", "severity": severity}, **options) == (severity, [])


def test_a_severity_without_receivers_is_muted() -> None:
    assert receiver({"alertname": "A", "severity": "info"}, **EMAIL) == ("nobody", ["never"])


def test_secrets_are_named_and_a_sites_dollars_kept() -> None:
    found = points(
        email={"addresses": ["a$b@example.com"], "severities": ["critical"]},
        slack={"configured": True, "channel": "#on$call", "severities": ["critical"]},
        heartbeat={"configured": True, "interval": "1m"},
    )
    assert found["critical"]["email"]["addresses"] == "a$$b@example.com"
    assert found["critical"]["slack"]["url"] == "$ALARMS_SLACK_URL"
    assert found["critical"]["slack"]["recipient"] == "#on$$call"
    assert found["heartbeat"]["webhook"]["url"] == "$ALARMS_HEARTBEAT_URL"


def test_an_environment_has_its_own_receivers_severities_and_mute_timings() -> None:
    options = EMAIL | {
        "environments": {
            "testing": {
                "severities": ["critical", "warning"],
                "email_addresses": ["c@example.com"],
                "mute_timings": ["nights"],
            }
        },
        "mute_timings": [NIGHTS],
    }
    labels = {"alertname": "A", "environment": "testing"}
    assert receiver(labels | {"severity": "critical"}, **options) == ("testing-critical", [])
    assert receiver(labels | {"severity": "warning"}, **options) == ("testing-warning", ["nights"])
    assert receiver(labels | {"severity": "info"}, **options) == ("nobody", ["never"])
    assert receiver(labels | {"severity": "warning", "environment": "production"}, **options) == ("warning", [])
    assert points(**options)["testing-warning"]["email"]["addresses"] == "c@example.com"


def test_an_environment_may_have_a_webhook_of_its_own() -> None:
    environments = {"my-test": {"slack_secret": "controlplane/slack/test"}, "staging": None}
    alone = alarm_routing(wanted(environments=environments))
    assert alone["slack_secrets"] == {"ALARMS_SLACK_URL_MY_TEST": "controlplane/slack/test"}
    assert alone["reached"] is True
    assert list(points(environments=environments)) == ["my-test-critical", "my-test-warning", "my-test-info", "nobody"]

    both = points(environments=environments, slack=SLACK["slack"] | {"channel": "#alarms"})
    assert both["my-test-info"]["slack"]["url"] == "$ALARMS_SLACK_URL_MY_TEST"
    assert "recipient" not in both["my-test-info"]["slack"]
    assert both["staging-info"]["slack"]["url"] == both["info"]["slack"]["url"] == "$ALARMS_SLACK_URL"
    assert both["staging-info"]["slack"]["recipient"] == "#alarms"


def test_environments_whose_webhooks_would_be_one_variable_are_refused() -> None:
    settings = {"slack_secret": "controlplane/slack/test"}
    with pytest.raises(AnsibleFilterError, match=r"environment a_b has a slack_secret.*ALARMS_SLACK_URL_A_B"):
        alarm_routing(wanted(environments={"a-b": settings, "a_b": settings}))


def test_the_watchdog_is_sent_only_to_the_heartbeat() -> None:
    options = EMAIL | {"heartbeat": {"configured": True, "interval": "2m"}}
    assert receiver({"alertname": "Watchdog", "severity": "info"}, **options) == ("heartbeat", [])
    first = alarm_routing(wanted(**options))["policies"]["policies"][0]["routes"][0]
    assert (first["group_wait"], first["group_interval"], first["repeat_interval"]) == ("0s", "2m", "2m")


def test_an_alarm_without_severity_is_a_warning() -> None:
    assert receiver({"alertname": "DatasourceError"}, **EMAIL) == ("warning", [])


def test_receivers_that_are_not_used_any_more_are_deleted() -> None:
    found = alarm_routing(wanted(**EMAIL))["contact_points"]
    used = {each["uid"] for point in found["contactPoints"] for each in point["receivers"]}
    unused = {each["uid"] for each in found["deleteContactPoints"]}
    assert not used & unused
    assert unused == {"slack-critical", "slack-warning", "slack-info", "email-info", "heartbeat"}


def test_retired_rules_are_deleted() -> None:
    assert alarm_routing(wanted(retired=["a"]))["retired"]["deleteRules"] == [{"orgId": 1, "uid": "a"}]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mute_timings": ["nights"]}, "'nights', which is none of those that alarms_mute_timings defines"),
        ({"severities": ["urgent"]}, "'urgent', which is none of critical, warning, info"),
        ({"adresses": []}, "no such option: adresses"),
    ],
)
def test_names_the_environment_and_what_is_wrong_with_it(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"environment testing.*{message}"):
        alarm_routing(wanted(environments={"testing": settings}))


def test_is_a_filter() -> None:
    assert FilterModule().filters()["alarm_routing"] is alarm_routing


# -- whole files, as Grafana's documentation of file provisioning has them:
# https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/

ALL = "controlplane/slack/production"
WHOLE = (
    EMAIL
    | {"slack": {"configured": True, "channel": "#alarms", "severities": ["critical"]}}
    | {
        "heartbeat": {"configured": True, "interval": "2m"},
        "environments": {"pro$d": {"severities": ["critical"], "slack_secret": ALL, "mute_timings": ["nights"]}},
        "mute_timings": [NIGHTS],
        "retired": ["a", "b"],
    }
)


def email(uid: str, addresses: str = "a@example.com;b@example.com") -> dict[str, Any]:
    settings = {
        "addresses": addresses,
        "singleEmail": True,
        "subject": '{{ template "alarms.subject" . }}',
        "message": '{{ template "alarms.email" . }}',
    }
    return {"uid": uid, "type": "email", "disableResolveMessage": False, "settings": settings}


def slack(uid: str, url: str, **recipient: str) -> dict[str, Any]:
    texts = {"title": '{{ template "alarms.slack.title" . }}', "text": '{{ template "alarms.slack.text" . }}'}
    return {"uid": uid, "type": "slack", "disableResolveMessage": False, "settings": {"url": url, **recipient, **texts}}


def point(name: str, *receivers: dict[str, Any]) -> dict[str, Any]:
    return {"orgId": 1, "name": name, "receivers": list(receivers)}


def test_the_whole_contact_points() -> None:
    calls = {"url": "$ALARMS_HEARTBEAT_URL", "httpMethod": "POST", "maxAlerts": "1"}
    never = {"addresses": "nobody@example.invalid"}
    found = alarm_routing(wanted(**WHOLE))
    assert found["contact_points"] == {
        "apiVersion": 1,
        "contactPoints": [
            point(
                "pro$d-critical",
                email("email-pro$d-critical"),
                slack("slack-pro$d-critical", "$ALARMS_SLACK_URL_PRO_D"),
            ),
            point(
                "critical", email("email-critical"), slack("slack-critical", "$ALARMS_SLACK_URL", recipient="#alarms")
            ),
            point("warning", email("email-warning")),
            point(
                "heartbeat",
                {"uid": "heartbeat", "type": "webhook", "disableResolveMessage": True, "settings": calls},
            ),
            point("nobody", {"uid": "nobody", "type": "email", "disableResolveMessage": True, "settings": never}),
        ],
        "deleteContactPoints": [
            {"orgId": 1, "uid": uid}
            for uid in (
                "email-pro$d-warning",
                "slack-pro$d-warning",
                "email-pro$d-info",
                "slack-pro$d-info",
                "slack-warning",
                "email-info",
                "slack-info",
            )
        ],
    }
    assert found["slack_secrets"] == {"ALARMS_SLACK_URL_PRO_D": ALL}
    assert found["reached"] is True
    assert found["retired"] == {
        "apiVersion": 1,
        "deleteRules": [{"orgId": 1, "uid": "a"}, {"orgId": 1, "uid": "b"}],
    }


def test_the_whole_policies_and_mute_timings() -> None:
    found = alarm_routing(wanted(**WHOLE))

    def route(receiver: str, repeat: str, *matchers: list[str], **more: Any) -> dict[str, Any]:
        return {"receiver": receiver, "object_matchers": list(matchers), "repeat_interval": repeat, **more}

    def severity(name: str) -> list[str]:
        return ["severity", "=", name]

    environment, never = ["environment", "=", "pro$$d"], {"mute_time_intervals": ["never"]}
    root = {
        "orgId": 1,
        "receiver": "nobody",
        "group_by": ["alertname"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "12h",
        "routes": [
            route("heartbeat", "2m", ["alertname", "=", "Watchdog"], group_wait="0s", group_interval="2m"),
            route("pro$d-critical", "1h", environment, severity("critical")),
            route("nobody", "12h", environment, severity("warning"), **never),
            route("nobody", "24h", environment, severity("info"), **never),
            route("critical", "1h", severity("critical")),
            route("warning", "12h", severity("warning")),
            route("nobody", "24h", severity("info"), **never),
            route("warning", "12h", ["alertname", "=~", ".+"]),
        ],
    }
    assert found["policies"] == {"apiVersion": 1, "policies": [root]}
    always = {"name": "never", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]}
    assert found["mute_timings"] == {"apiVersion": 1, "muteTimes": [{"orgId": 1, **always}, {"orgId": 1, **NIGHTS}]}


def test_without_a_heartbeat_the_watchdog_is_not_sent() -> None:
    first = alarm_routing(wanted(**EMAIL))["policies"]["policies"][0]["routes"][0]
    assert first == {
        "receiver": "nobody",
        "object_matchers": [["alertname", "=", "Watchdog"]],
        "group_wait": "0s",
        "group_interval": "1m",
        "repeat_interval": "1m",
        "mute_time_intervals": ["never"],
    }


def test_a_uid_has_forty_characters_at_most() -> None:
    """Grafana refuses longer ones."""
    name = "e" * 50
    found = alarm_routing(wanted(environments={name: {}}, **EMAIL))["contact_points"]["contactPoints"]
    assert found[0]["name"] == f"{name}-critical"
    assert found[0]["receivers"][0]["uid"] == f"email-{'e' * 34}"


def test_an_environment_may_have_a_channel_of_its_own() -> None:
    environments = {"a": {"slack_channel": "#a"}, "b": {"slack_channel": "#b", "slack_secret": "x"}}
    found = points(environments=environments, slack=SLACK["slack"] | {"channel": "#alarms"})
    assert [found[f"{name}info"]["slack"]["recipient"] for name in ("a-", "b-", "")] == ["#a", "#b", "#alarms"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"mute_timings": ["nights"]},
            "mute_timings of the environment testing has 'nights', which is none of those that alarms_mute_timings"
            " defines: it is empty.",
        ),
        (
            {"severities": ["urgent"]},
            "severities of the environment testing has 'urgent', which is none of critical, warning, info.",
        ),
        (
            {"b": 1, "a": 1},
            "the environment testing has no such option: a, b. There are email_addresses, mute_timings, severities,"
            " slack_channel, slack_secret.",
        ),
    ],
)
def test_errors_of_invalid_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as said:
        alarm_routing(wanted(environments={"testing": settings}))
    assert said.value.message == f"alarm_routing: {message}"


def test_errors_of_two_environments_with_the_same_variable() -> None:
    with pytest.raises(AnsibleFilterError) as said:
        alarm_routing(wanted(environments={"a-b": {"slack_secret": "x"}, "A_b": {"slack_secret": "y"}}))
    assert said.value.message == (
        "alarm_routing: the environment A_b has a slack_secret, and so has another one whose name differs in case or"
        " punctuation only: Grafana knows both by ALARMS_SLACK_URL_A_B. Rename one of them."
    )
    timings = {"mute_timings": [{"name": 7, "time_intervals": []}, NIGHTS]}
    with pytest.raises(AnsibleFilterError, match=r"has 'x', which is none of 7, nights\."):
        alarm_routing(wanted(environments={"a": {"mute_timings": ["x"]}}, **timings))
