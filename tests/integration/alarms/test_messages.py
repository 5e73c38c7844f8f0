# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first alarm from a busy processor to an email and a Slack message, by what the roles render, in real programs.

A Prometheus with the edge's rule scrapes a synthetic processor. Its ALERTS go by remote write to a second one, which
stands for Elasticsearch, and for what evaluates in Grafana: it has the rule that Grafana is provisioned with. An
Alertmanager has the rendered contact points, message templates, policies and mute timings, and sends to a mail server
and a webhook of the test.

Grafana has a fork of Alertmanager inside, and it is not here. What differs:
- `configuration` puts its provisioning files into Alertmanager's words; how Grafana reads them is not tested.
- Only Grafana's templates know SilenceURL, so a fixed address is in its place.
- Grafana puts an email's text into a page of its own, and has an SMTP client of its own. A Slack message gets its
  colour, footer and link from Grafana: the role does not choose them.
- Minutes are seconds: the rule's range and duration, the policies' waits.
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import alarm
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.canary import Canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.received import Channel, Mailbox
from ansible_collections.dataplatform.fleet.tests.integration.alarms.receivers import (
    HOST,
    Mail,
    Received,
    page,
    receivers,
)
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import running
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._verify.receivers import (
    ImapMailbox,
    SlackHistory,
    certificate,
    imap,
    slack,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role, rendered_role

from localcloud.artifacts.programs import go_program
from localcloud.host.loopback import fetch, free_port
from localcloud.testing import eventually

pytestmark = pytest.mark.integration
SILENCE = "https://grafana.example.com/alerting/silence/new"
RUNBOOK = "https://runbooks.example.com/AverageCpuHigh.md"
OPTIONS = {
    "alarms_members": {"controlplane": {}, "staging": {}},
    "alarms_former_members": [],
    "alarms_runbook_url": "https://runbooks.example.com",
    "alarms_email_addresses": ["oncall@example.com", "second@example.com"],
    "alarms_slack_channel": "#alarms",
    "alarms_group_wait": "1s",
    "alarms_group_interval": "2s",
    "alarms_heartbeat_url": "HEARTBEAT",
    "alarms_environments": {
        "rehearsal": {"email_addresses": ["alarm-test@example.com"], "slack_secret": "controlplane/alarm-test/webhook"},
        "quiet": {"severities": ["critical"]},
    },
}


def rendered(web_port: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Return Grafana's provisioning files, and the variables that contact points name."""
    objects = render_role(
        "alarms",
        **OPTIONS
        | {
            "alarms_slack_url": f"http://{HOST}:{web_port}/slack",
            "alarms_heartbeat_url": f"http://{HOST}:{web_port}/beat",
            "fleet_values": {
                "controlplane/alarm-test/webhook": f"http://{HOST}:{web_port}/rehearsal",
                "controlplane/passwords/checksum-key": "k" * 16,
            },
        },
    )
    data = only(objects, "ConfigMap", "grafana-alerting")["data"]
    files = {name.removesuffix(".yaml"): yaml.safe_load(text) for name, text in data.items()}
    return files, only(objects, "Secret", "grafana-contact-points")["stringData"]


def expanded(value: Any, variables: dict[str, str]) -> Any:
    """Expand a value of a contact point or policy like Grafana: $NAME is a variable, and $$ a dollar sign."""
    if isinstance(value, str):
        return re.sub(r"\$(\$|\w+)", lambda found: "$" if found[1] == "$" else variables[found[1]], value)
    if isinstance(value, list):
        return [expanded(item, variables) for item in value]
    return {key: expanded(item, variables) for key, item in value.items()} if isinstance(value, dict) else value


def configuration(files: dict[str, Any], variables: dict[str, str], mail_port: int) -> dict[str, Any]:
    """Convert Grafana's contact points, policies and mute timings to Alertmanager's configuration."""
    kinds = {"email": _email, "slack": _slack, "webhook": _webhook}
    named = []
    for point in expanded(files["contact_points"]["contactPoints"], variables):
        receiver: dict[str, Any] = {"name": point["name"]}
        for each in point["receivers"]:
            config = kinds[each["type"]](dict(each["settings"]))
            config["send_resolved"] = not each["disableResolveMessage"]
            receiver.setdefault(f"{each['type']}_configs", []).append(config)
        named.append(receiver)
    (policy,) = expanded(files["policies"]["policies"], variables)
    return {
        "global": {
            "smtp_smarthost": f"{HOST}:{mail_port}",
            "smtp_from": "grafana@example.com",
            "smtp_require_tls": False,
        },
        "receivers": named,
        "route": _route(policy),
        "time_intervals": [
            {key: value for key, value in timing.items() if key != "orgId"}
            for timing in files["mute_timings"]["muteTimes"]
        ],
        "templates": ["*.tmpl"],
    }


def _email(settings: dict[str, Any]) -> dict[str, Any]:
    to = settings.pop("addresses").replace(";", ", ")
    # One message for all, which Alertmanager always sends.
    assert settings.pop("singleEmail", True)
    subject, text = settings.pop("subject", "x"), settings.pop("message", "x")
    assert settings == {}
    return {"to": to, "headers": {"Subject": subject}, "text": text, "html": ""}


def _slack(settings: dict[str, Any]) -> dict[str, Any]:
    assert set(settings) | {"recipient"} == {"url", "recipient", "title", "text"}
    # Alertmanager wants a channel where Grafana leaves it to the webhook.
    return {
        "api_url": settings["url"],
        "channel": settings.get("recipient", ""),
        "title": settings["title"],
        "text": settings["text"],
    }


def _webhook(settings: dict[str, Any]) -> dict[str, Any]:
    return {"url": settings["url"], "max_alerts": int(settings["maxAlerts"])}


def _route(policy: dict[str, Any]) -> dict[str, Any]:
    found = {key: policy[key] for key in ("receiver", "group_by", "mute_time_intervals") if key in policy}
    found |= {key: policy[key] for key in ("group_wait", "group_interval", "repeat_interval") if key in policy}
    if "object_matchers" in policy:
        found["matchers"] = [f"{label}{how}{json.dumps(value)}" for label, how, value in policy["object_matchers"]]
    return found | ({"routes": [_route(each) for each in policy["routes"]]} if "routes" in policy else {})


def edge_rule() -> dict[str, Any]:
    """The rule that the role prometheus ships, of seconds for its minutes."""
    data = only(rendered_role("prometheus"), "ConfigMap", "prometheus-rules")["data"]
    rules = [rule for text in data.values() for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    (rule,) = (rule for rule in rules if rule.get("alert") == alarm.NAME)
    assert (rule["expr"].count("[5m]"), rule["for"]) == (1, "5m")
    return {**rule, "expr": rule["expr"].replace("[5m]", "[5s]"), "for": "5s"}


def grafana_rule(files: dict[str, Any]) -> dict[str, Any]:
    """The rule that Grafana is provisioned with, for Prometheus' engine."""
    rules = [rule for group in files["rules"]["groups"] for rule in group["rules"]]
    (rule,) = (rule for rule in rules if rule["uid"] == alarm.UID)
    query, threshold = (item["model"] for item in rule["data"])
    (condition,) = threshold["conditions"]
    assert (threshold["expression"], condition["evaluator"]) == ("A", {"type": "gt", "params": [0]})
    # Of its own name it would take what it says itself for what the edge says.
    return {
        "alert": f"Grafana{rule['title']}",
        "expr": f"{query['expr']} > 0",
        "labels": rule["labels"],
        "annotations": rule["annotations"],
    }


@dataclass
class Processor:
    """The CPU of a node. ``idle`` is the idle share of its time."""

    idle: float = 0.5
    _at: float = 0.0
    _idle: float = 0.0
    _busy: float = 0.0

    def page(self) -> str:
        now = time.time()
        passed = now - (self._at or now)
        self._at, self._idle, self._busy = now, self._idle + passed * self.idle, self._busy + passed * (1 - self.idle)
        lines = (f'node_cpu_seconds_total{{cpu="0",mode="{mode}"}} {value}' for mode, value in self.modes())
        return "# TYPE node_cpu_seconds_total counter\n" + "\n".join(lines) + "\n"

    def modes(self) -> list[tuple[str, float]]:
        return [("idle", self._idle), ("user", self._busy)]


@dataclass
class Chain:
    """The running programs."""

    received: Received
    processor: Processor
    alertmanager: int
    edge: int
    folder: Path

    def fire(self, summary: str = "Posted", **labels: str) -> None:
        """Post an alert as Grafana's rules would."""
        alerts = [{"labels": {"alertname": "Posted", **labels}, "annotations": {"summary": summary}}]
        request = json.dumps(alerts).encode()
        _post(f"http://{HOST}:{self.alertmanager}/api/v2/alerts", request)

    def alerts(self) -> list[str]:
        """Names of the edge's alerts, pending and firing."""
        found = json.loads(fetch(f"http://{HOST}:{self.edge}/api/v1/alerts"))
        return [item["labels"]["alertname"] for item in found["data"]["alerts"]]

    def mail(self, start: str) -> Mail:
        """Wait for the mail whose subject has this prefix."""
        return eventually(
            lambda: next((mail for mail in self.received.mails if mail.subject.startswith(start)), None),
            60,
            log=self.folder / "alertmanager.log",
        )

    def slack(self, start: str, hook: str = "/slack") -> dict[str, Any]:
        """Wait for the Slack message whose title has this prefix, at the webhook with that path."""

        def found() -> dict[str, Any] | None:
            posts = [body for path, body in self.received.posts if path == hook]
            return next((body for body in posts if body["attachments"][0]["title"].startswith(start)), None)

        return eventually(found, 60, log=self.folder / "alertmanager.log")


def _post(url: str, data: bytes) -> None:
    import urllib.request  # noqa: PLC0415

    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - loopback
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        assert answer.status == 200


@contextlib.contextmanager
def prometheus(folder: Path, name: str, config: dict[str, Any], rules: list[Any], *flags: str) -> Iterator[int]:
    port = free_port()
    own = folder / name
    own.mkdir()
    (own / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": name, "interval": "500ms", "rules": rules}]}))
    (own / "prometheus.yml").write_text(yaml.safe_dump({**config, "rule_files": ["rules.yml"]}))
    command = [go_program("prometheus"), f"--web.listen-address={HOST}:{port}", f"--storage.tsdb.path={own / 'data'}"]
    with running([*command, f"--config.file={own / 'prometheus.yml'}", *flags], folder, name):
        eventually(lambda: fetch(f"http://{HOST}:{port}/-/ready"), log=folder / f"{name}.log")
        yield port


@contextlib.contextmanager
def alertmanager(folder: Path, config: dict[str, Any], templates: list[dict[str, Any]]) -> Iterator[int]:
    port = free_port()
    for each in templates:
        text = each["template"].replace(".SilenceURL", json.dumps(SILENCE))
        (folder / f"{each['name']}.tmpl").write_text(text)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    command = [go_program("alertmanager"), f"--config.file={folder / 'alertmanager.yml'}"]
    command += [f"--storage.path={folder / 'am'}", f"--web.listen-address={HOST}:{port}", "--cluster.listen-address="]
    with running([*command, "--web.external-url=https://grafana.example.com"], folder, "alertmanager"):
        eventually(lambda: fetch(f"http://{HOST}:{port}/-/ready"), log=folder / "alertmanager.log")
        yield port


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("alarm")
    processor = Processor()
    with contextlib.ExitStack() as stack:
        received = stack.enter_context(receivers())
        files, variables = rendered(received.web_port)
        config = configuration(files, variables, received.mail_port)
        sender = stack.enter_context(alertmanager(folder, config, files["templates"]["templates"]))
        managers: dict[str, Any] = {
            "alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{sender}"]}]}],
            "alert_relabel_configs": [{"target_label": "alertname", "replacement": alarm.NAME}],
        }
        central = stack.enter_context(
            prometheus(
                folder, "central", {"alerting": managers}, [grafana_rule(files)], "--web.enable-remote-write-receiver"
            )
        )
        nodes = stack.enter_context(page(processor.page))
        edge = {
            "global": {
                "scrape_interval": "500ms",
                "scrape_timeout": "500ms",
                "external_labels": {"cluster": "staging", "environment": "rehearsal"},
            },
            "scrape_configs": [{"job_name": "node-exporter", "static_configs": [{"targets": [f"{HOST}:{nodes}"]}]}],
            "remote_write": [{"url": f"http://{HOST}:{central}/api/v1/write"}],
        }
        port = stack.enter_context(prometheus(folder, "edge", edge, [edge_rule()]))
        yield Chain(received, processor, sender, port, folder)


def test_high_cpu_usage_sends_an_email_and_a_slack_message_and_both_are_resolved(chain: Chain) -> None:
    # Half idle for longer than the rule looks back, and waits: a series that is younger looks busier than it is.
    time.sleep(12)
    assert chain.alerts() == []
    assert chain.received.mails == chain.received.posts == []

    chain.processor.idle = 0.05
    mail = chain.mail("[warning]")
    assert mail.subject == "[warning] AverageCpuHigh on staging"
    assert mail.to == ["alarm-test@example.com"]
    text = mail.text
    assert "Firing" in text
    assert "The nodes of staging use more than 80 % of their CPU on average" in text
    assert "Cluster staging, severity warning, since 20" in text
    assert "The average CPU usage of the cluster has been above 80 %" in text
    assert f"What to do: {RUNBOOK}" in text
    assert f"Silence: {SILENCE}" in text

    message = chain.slack("[warning]", "/rehearsal")
    # The webhook knows its channel.
    (attachment,) = message["attachments"]
    assert attachment["title"] == mail.subject
    assert ":fire: *The nodes of staging use more than 80 % of their CPU on average*" in attachment["text"]
    assert "Cluster `staging`, severity `warning`" in attachment["text"]
    assert f"<{RUNBOOK}|What to do> · <{SILENCE}|Silence>" in attachment["text"]

    chain.processor.idle = 0.9
    over = chain.mail("[resolved]")
    assert over.subject == "[resolved] AverageCpuHigh on staging"
    assert "Resolved" in over.text
    assert "Firing" not in over.text
    (attachment,) = chain.slack("[resolved]", "/rehearsal")["attachments"]
    assert ":white_check_mark:" in attachment["text"]
    assert {tuple(mail.to) for mail in chain.received.mails} == {("alarm-test@example.com",)}
    assert {path for path, _ in chain.received.posts} == {"/rehearsal"}


@pytest.mark.parametrize(
    ("labels", "mails", "hook"),
    [
        ({"environment": "staging", "severity": "critical"}, ["oncall@example.com", "second@example.com"], "/slack"),
        ({"environment": "staging", "severity": "info"}, None, "/slack"),
        ({"environment": "staging"}, ["oncall@example.com", "second@example.com"], "/slack"),
        ({"environment": "rehearsal", "severity": "critical"}, ["alarm-test@example.com"], "/rehearsal"),
        ({"environment": "quiet", "severity": "critical"}, ["oncall@example.com", "second@example.com"], "/slack"),
    ],
    ids=["critical", "info", "without severity", "rehearsal", "quiet"],
)
def test_an_alarm_reaches_its_severitys_and_environments_receivers(
    labels: dict[str, str], mails: list[str] | None, hook: str, chain: Chain
) -> None:
    cluster = f"of-{labels['environment']}-{labels.get('severity', 'none')}"
    chain.fire(cluster=cluster, **labels)
    title = f"[{labels.get('severity', 'alarm')}] Posted on {cluster}"
    assert chain.slack(title, hook).get("channel") == ("#alarms" if hook == "/slack" else None)
    if mails is None:
        time.sleep(2)
        assert [mail for mail in chain.received.mails if cluster in mail.subject] == []
    else:
        assert chain.mail(title).to == mails


def test_verify_finds_its_own_alarm_in_both(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """verify's search finds the messages sent here: see tests/unit/plugins/plugin_utils/_verify."""
    run = "canary0123456789abcdef"
    canary = Canary(run, "staging", time.time() - 1)
    labels = {"alertname": "Canary of verify", "environment": "rehearsal", "severity": "warning", "run": run}
    chain.fire(f"Test alarm {run} of verify: nothing is wrong.", **labels)
    mail, message = chain.mail("[warning] Canary of verify"), chain.slack("[warning] Canary of verify", "/rehearsal")
    assert f"Test alarm {run} of verify: nothing is wrong." in mail.text
    # Its rule has neither a description nor a runbook.
    assert "no value" not in mail.text + json.dumps(message)

    root, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    box = ImapMailbox("me", "word", messages=[(1, imaplib.Time2Internaldate(time.time()).strip('"'), mail.raw)])
    history = SlackHistory("C0", "token", [{"ts": f"{time.time():.6f}", "attachments": message["attachments"]}])
    with imap(box, context) as port, slack(history, context) as url:
        for look in (Mailbox("localhost", "me", "word", port), Channel("C0", "token", url)):
            assert abs((look(canary) or 0) - time.time()) < 60
            assert look(Canary("canary0other", "staging", canary.since)) is None


def test_severities_that_an_environment_leaves_out_are_not_sent(chain: Chain) -> None:
    # A separate group: alarms with the same name and environment share a message.
    chain.fire(alertname="Muted", cluster="hushed", environment="quiet", severity="warning")
    chain.fire(alertname="Muted", cluster="heard", environment="quiet", severity="critical")
    chain.mail("[critical] Muted on heard")
    time.sleep(2)
    told = [mail.subject for mail in chain.received.mails] + [json.dumps(body) for _, body in chain.received.posts]
    assert [text for text in told if "hushed" in text] == []


def test_the_watchdog_is_sent_only_to_the_heartbeat(chain: Chain) -> None:
    before = len(chain.received.mails)
    chain.fire(alertname="Watchdog", cluster="watched", severity="info")
    eventually(lambda: [body for path, body in chain.received.posts if path == "/beat"])
    time.sleep(2)
    assert len(chain.received.mails) == before
    assert [body for path, body in chain.received.posts if path == "/slack" and "watched" in json.dumps(body)] == []
