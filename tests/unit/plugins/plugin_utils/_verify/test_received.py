# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test alarm's message in a mailbox and a channel, by imaplib and HTTPS over this machine's loopback.

The servers are small fakes, just of what is asked.
"""

from __future__ import annotations

import base64
import quopri
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.canary import Canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import AskError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.received import RESOLVED, Channel, Mailbox
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._verify.receivers import (
    ImapMailbox,
    SlackHistory,
    certificate,
    imap,
    slack,
)

RUN = "canary0123456789abcdef"
# 28 November 2026, 12:00 UTC.
SINCE = 1795867200.0
CANARY = Canary(RUN, "staging", SINCE)
USER, PASSWORD = "alarm-test@example.com", 'pass"word\\1'
TOKEN = "xoxb-not-a-real-one"
ARRIVED = "28-Nov-2026 13:00:42 +0100"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def context(tls: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's, whose root the controller trusts."""
    root, context = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    return context


def mail(text: str, subject: str = "[warning] Canary of verify on staging", encoding: str = "7bit") -> bytes:
    encoded = {
        "7bit": text.encode(),
        "base64": base64.encodebytes(text.encode()),
        "quoted-printable": quopri.encodestring(text.encode()),
    }[encoding]
    head = f"Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=UTF-8\r\n"
    return f"{head}Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + encoded.replace(b"\n", b"\r\n")


def mailbox(**settings: Any) -> ImapMailbox:
    return ImapMailbox(USER, PASSWORD, **settings)


def looked(box: ImapMailbox, context: ssl.SSLContext, password: str = PASSWORD, **settings: Any) -> float | None:
    starttls = settings.get("tls") == "starttls"
    with imap(box, context, starttls=starttls) as port:
        return Mailbox("localhost", USER, password, port=port, **settings)(CANARY)


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
def test_a_message_of_the_run_is_found_however_it_is_encoded_and_when_it_came(
    encoding: str, context: ssl.SSLContext
) -> None:
    # So long a line is broken in the middle of the name.
    text = f"<p>{'.' * 60} Test alarm {RUN} of verify: nothing is wrong.</p>\n"
    box = mailbox(messages=[(7, ARRIVED, mail("<p>hello</p>")), (12, ARRIVED, mail(text, encoding=encoding))])
    assert looked(box, context) == SINCE + 42
    assert not [line for line in box.commands if line.startswith(("SELECT", "UID STORE"))]
    assert "UID SEARCH SINCE 27-Nov-2026" in box.commands


def test_other_runs_messages_and_that_the_alarm_is_over_do_not_count(context: ssl.SSLContext) -> None:
    box = mailbox(
        messages=[
            (1, ARRIVED, mail("Test alarm canary0other of verify")),
            (2, ARRIVED, mail(f"Test alarm {RUN}", subject="[resolved] Canary of verify on staging")),
        ]
    )
    assert looked(box, context) is None
    assert looked(mailbox(), context) is None


def test_the_text_of_resolved_alarms_is_that_of_the_role_alarms() -> None:
    path = Path(__file__).parents[5] / "roles" / "alarms" / "files" / "templates.yaml"
    (templates,) = yaml.safe_load(path.read_text())["templates"]
    (subject,) = (line for line in templates["template"].splitlines() if "CommonLabels.severity" in line)
    assert f"{{{{ else }}}}{RESOLVED}{{{{ end }}}}" in subject


def test_starttls_and_login_do_as_well(context: ssl.SSLContext) -> None:
    messages = [(1, ARRIVED, mail(RUN))]
    box = ImapMailbox(USER, "plain", "IMAP4rev1 STARTTLS", messages=messages)
    assert looked(box, context, "plain", tls="starttls") == SINCE + 42
    assert box.commands.index("STARTTLS") < box.commands.index(f'LOGIN {USER} "plain"')


def test_no_password_is_sent_to_a_server_that_offers_no_tls_or_is_not_trusted(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = mailbox()
    with pytest.raises(AskError, match="TLS not supported"):
        looked(box, context, tls="starttls")
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(AskError, match="certificate verify failed"):
        looked(box, context)
    assert not [line for line in box.commands if line.startswith(("LOGIN", "AUTHENTICATE"))]


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 AUTH=PLAIN", "IMAP4rev1"])
@pytest.mark.parametrize("wrong", ["wrong-word", "wörd"])
def test_a_login_that_is_refused_is_reported_without_the_password(
    capabilities: str, wrong: str, context: ssl.SSLContext
) -> None:
    box = mailbox(capabilities=capabilities, echo=True)
    with pytest.raises(AskError, match=r"alarm-test@example\.com at localhost") as caught:
        looked(box, context, wrong)
    assert wrong not in str(caught.value)
    assert base64.b64encode(f"\0{USER}\0{wrong}".encode()).decode() not in str(caught.value)
    assert wrong not in repr(Mailbox("localhost", USER, wrong))


def test_a_folder_that_is_not_there_is_reported(context: ssl.SSLContext) -> None:
    with pytest.raises(AskError, match="the folder Alarms: no such folder"):
        looked(mailbox(), context, folder="Alarms")
    assert looked(mailbox(folder="Alarms"), context, folder="Alarms") is None


def test_an_unreachable_server_is_reported() -> None:
    with pytest.raises(AskError, match="refused"):
        Mailbox("127.0.0.1", USER, PASSWORD, port=1)(CANARY)


def posted(
    text: str, title: str = "[warning] Canary of verify on staging", ts: str = "1795867230.000200"
) -> dict[str, Any]:
    return {"type": "message", "subtype": "bot_message", "ts": ts, "attachments": [{"title": title, "text": text}]}


def shown(history: SlackHistory, context: ssl.SSLContext, token: str = TOKEN, channel: str = "C0") -> float | None:
    with slack(history, context) as url:
        return Channel(channel, token, url)(CANARY)


def test_a_message_in_the_channel_is_found_and_when_it_was_posted(context: ssl.SSLContext) -> None:
    history = SlackHistory("C0", TOKEN, [posted("other"), posted(f":fire: *Test alarm {RUN} of verify*")])
    assert shown(history, context) == SINCE + 30.0002
    (asked,) = history.asked
    assert asked["path"] == "/api/conversations.history"
    assert float(asked["oldest"]) == SINCE - 60
    others = [posted("other"), posted(RUN, "[resolved] Canary of verify"), posted(RUN, ts="1795860000.0")]
    assert shown(SlackHistory("C0", TOKEN, others), context) is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"answer": {"ok": False, "error": "missing_scope"}}, "missing_scope .*channels:history"),
        ({"answer": {"ok": False, "error": "not_in_channel"}}, "not_in_channel .*invite"),
        ({"answer": {"ok": False, "error": "account_inactive"}}, "account_inactive"),
        ({"answer": []}, "does not say why"),
        ({"answer": b"<html>"}, "not JSON"),
        ({"answer": {}, "status": 429}, "HTTP 429 .*rate of requests"),
        ({"answer": {}, "status": 302, "location": "https://localhost:1/"}, "HTTP 302"),
    ],
)
def test_an_error_of_slack_is_reported(settings: dict[str, Any], told: str, context: ssl.SSLContext) -> None:
    with pytest.raises(AskError, match=told):
        shown(SlackHistory("C0", TOKEN, **settings), context)


@pytest.mark.parametrize(
    ("token", "channel", "told"),
    [
        ("xoxb-wrong", "C0", "invalid_auth"),
        (TOKEN, "#alarm-test", "channel_not_found .*not its name"),
        ("xoxb-with\nline", "C0", "malformed"),
    ],
)
def test_the_token_is_not_shown(token: str, channel: str, told: str, context: ssl.SSLContext) -> None:
    with pytest.raises(AskError, match=told) as caught:
        shown(SlackHistory("C0", TOKEN), context, token, channel)
    assert "xoxb" not in str(caught.value)
    assert token not in repr(Channel(channel, token))


def test_a_slack_that_is_not_trusted_gets_no_token(context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    history = SlackHistory("C0", TOKEN)
    with pytest.raises(AskError, match="certificate verify failed"):
        shown(history, context)
    assert history.asked == []
