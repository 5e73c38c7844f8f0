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


def test_nobody_is_a_receiver_that_is_never_sent_anything() -> None:
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


def test_a_severity_that_nobody_wants_is_muted() -> None:
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


def test_an_environment_has_its_own_people_severities_and_nights() -> None:
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


def test_the_watchdog_calls_the_heartbeat_and_nobody_else() -> None:
    options = EMAIL | {"heartbeat": {"configured": True, "interval": "2m"}}
    assert receiver({"alertname": "Watchdog", "severity": "info"}, **options) == ("heartbeat", [])
    first = alarm_routing(wanted(**options))["policies"]["policies"][0]["routes"][0]
    assert (first["group_wait"], first["group_interval"], first["repeat_interval"]) == ("0s", "2m", "2m")


def test_what_has_no_severity_is_taken_for_a_warning() -> None:
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
