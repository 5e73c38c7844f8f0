# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the receivers of alarms to Grafana's contact points, notification policies and mute timings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

SEVERITIES = ("critical", "warning", "info")
# Grafana requires a receiver, and a receiver requires an address. All routes to this receiver are always muted.
NOBODY = "nobody"
NOWHERE = "nobody@example.invalid"
NEVER = "never"
HEARTBEAT = "heartbeat"

_SLACK_URL = "ALARMS_SLACK_URL"
_KEYS = {"severities", "email_addresses", "slack_channel", "slack_secret", "mute_timings"}
_ORG = {"orgId": 1}


def alarm_routing(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return Grafana's provisioning files for ``wanted`` by name, and ``reached``: whether there is a receiver.

    In contact points and policies, Grafana replaces ``$NAME`` by an environment variable. Secrets are given that way,
    and dollar signs in option values are doubled. ``slack_secrets`` has, by variable, where the webhooks of
    environments are stored.
    """
    environments = wanted["environments"]
    timings = {str(timing["name"]) for timing in wanted["mute_timings"]}
    _check(environments, timings)
    hooks = _hooks(environments)
    points: list[dict[str, Any]] = []
    routes: list[dict[str, Any]] = []
    unused: list[dict[str, Any]] = []
    # Grafana uses the first matching route, so the routes of environments precede the general ones.
    for environment, settings in [*environments.items(), ("", {})]:
        for severity in SEVERITIES:
            name = f"{environment}-{severity}" if environment else severity
            receivers = _receivers(wanted, settings or {}, severity, name, hooks.get(environment))
            if receivers:
                points.append(_ORG | {"name": name, "receivers": receivers})
            unused += [_ORG | {"uid": uid} for uid in _uids(name) if uid not in {each["uid"] for each in receivers}]
            routes.append(_route(wanted, environment, settings or {}, severity, name if receivers else NOBODY))
    # An alert without a severity, such as an error of a data source, is routed as a warning.
    routes.append(routes[-2] | {"object_matchers": [["alertname", "=~", ".+"]]})
    reached = bool(points)
    heartbeat = wanted["heartbeat"]
    if heartbeat["configured"]:
        settings = {"url": "$ALARMS_HEARTBEAT_URL", "httpMethod": "POST", "maxAlerts": "1"}
        points.append(
            _ORG | {"name": HEARTBEAT, "receivers": [_receiver(HEARTBEAT, "webhook", settings, resolved=False)]}
        )
    else:
        unused.append(_ORG | {"uid": HEARTBEAT})
    points.append(
        _ORG | {"name": NOBODY, "receivers": [_receiver(NOBODY, "email", {"addresses": NOWHERE}, resolved=False)]}
    )
    root = _ORG | {
        "receiver": NOBODY,
        "group_by": list(wanted["group_by"]),
        "group_wait": wanted["group_wait"],
        "group_interval": wanted["group_interval"],
        "repeat_interval": wanted["repeat_intervals"]["warning"],
        "routes": [_heartbeat_route(heartbeat), *routes],
    }
    always = {"name": NEVER, "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]}
    return {
        "contact_points": {"apiVersion": 1, "contactPoints": points, "deleteContactPoints": unused},
        "policies": {"apiVersion": 1, "policies": [root]},
        "mute_timings": {
            "apiVersion": 1,
            "muteTimes": [_ORG | dict(each) for each in [always, *wanted["mute_timings"]]],
        },
        "retired": {"apiVersion": 1, "deleteRules": [_ORG | {"uid": uid} for uid in wanted["retired"]]},
        "reached": reached,
        "slack_secrets": {variable: environments[name]["slack_secret"] for name, variable in hooks.items()},
    }


def _check(environments: Mapping[str, Any], timings: Iterable[str]) -> None:
    for environment, settings in environments.items():
        for key, known in (("severities", SEVERITIES), ("mute_timings", sorted(timings))):
            for value in (settings or {}).get(key, ()):
                if value not in known:
                    raise AnsibleFilterError(
                        f"alarm_routing: {key} of the environment {environment} has {value!r}, which is none of "
                        f"{', '.join(known) or 'those that alarms_mute_timings defines: it is empty'}."
                    )
        strange = set(settings or {}) - _KEYS
        if strange:
            raise AnsibleFilterError(
                f"alarm_routing: the environment {environment} has no such option: {', '.join(sorted(strange))}. "
                f"There are {', '.join(sorted(_KEYS))}."
            )


def _hooks(environments: Mapping[str, Any]) -> dict[str, str]:
    """Return the variable of each environment with a separate webhook."""
    found: dict[str, str] = {}
    for name, settings in environments.items():
        if (settings or {}).get("slack_secret"):
            variable = f"{_SLACK_URL}_{re.sub('[^A-Za-z0-9]', '_', name).upper()}"
            if variable in found.values():
                raise AnsibleFilterError(
                    f"alarm_routing: the environment {name} has a slack_secret, and so has another one whose name "
                    f"differs in case or punctuation only: Grafana knows both by {variable}. Rename one of them."
                )
            found[name] = variable
    return found


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _uids(name: str) -> list[str]:
    """Return the identifiers of a contact point's receivers; Grafana allows 40 characters."""
    return [f"{kind}-{name}"[:40] for kind in ("email", "slack")]


def _receiver(uid: str, kind: str, settings: dict[str, Any], *, resolved: bool = True) -> dict[str, Any]:
    return {"uid": uid, "type": kind, "disableResolveMessage": not resolved, "settings": settings}


def _receivers(
    wanted: Mapping[str, Any], settings: Mapping[str, Any], severity: str, name: str, hook: str | None
) -> list[dict[str, Any]]:
    if severity not in settings.get("severities", SEVERITIES):
        return []
    email, slack = wanted["email"], wanted["slack"]
    found = []
    email_uid, slack_uid = _uids(name)
    addresses = settings.get("email_addresses", email["addresses"])
    if addresses and severity in email["severities"]:
        content = {
            "addresses": _literal(";".join(addresses)),
            "singleEmail": True,
            "subject": '{{ template "alarms.subject" . }}',
            "message": '{{ template "alarms.email" . }}',
        }
        found.append(_receiver(email_uid, "email", content))
    if (hook or slack["configured"]) and severity in slack["severities"]:
        # A webhook of another workspace cannot write to the general channel.
        channel = settings.get("slack_channel", "" if hook else slack["channel"])
        content = {
            "url": f"${hook or _SLACK_URL}",
            **({"recipient": _literal(channel)} if channel else {}),
            "title": '{{ template "alarms.slack.title" . }}',
            "text": '{{ template "alarms.slack.text" . }}',
        }
        found.append(_receiver(slack_uid, "slack", content))
    return found


def _route(
    wanted: Mapping[str, Any], environment: str, settings: Mapping[str, Any], severity: str, receiver: str
) -> dict[str, Any]:
    matchers = [["severity", "=", severity]]
    if environment:
        matchers.insert(0, ["environment", "=", _literal(environment)])
    quiet = [] if severity == "critical" else list(settings.get("mute_timings", ()))
    if receiver == NOBODY:
        quiet = [NEVER]
    return {
        "receiver": receiver,
        "object_matchers": matchers,
        "repeat_interval": wanted["repeat_intervals"][severity],
        **({"mute_time_intervals": quiet} if quiet else {}),
    }


def _heartbeat_route(heartbeat: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "receiver": HEARTBEAT if heartbeat["configured"] else NOBODY,
        "object_matchers": [["alertname", "=", "Watchdog"]],
        "group_wait": "0s",
        "group_interval": heartbeat["interval"],
        "repeat_interval": heartbeat["interval"],
        **({} if heartbeat["configured"] else {"mute_time_intervals": [NEVER]}),
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"alarm_routing": alarm_routing}
