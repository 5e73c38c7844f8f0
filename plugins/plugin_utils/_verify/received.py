# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a test alarm has arrived: looked for in the mailbox and the Slack channel of the test receivers.

Grafana's own account ends at the mail server and at Slack's webhook. What is behind them is asked here, from the
controller.
"""

from __future__ import annotations

import base64
import email
import imaplib
import json
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

from .canary import Canary
from .pods import AskError

IMPLICIT: Final = "implicit"
STARTTLS: Final = "starttls"
SLACK_API: Final = "https://slack.com/api"
# How the subject of a message begins that says that an alarm is over: roles/alarms/files/templates.yaml.
RESOLVED: Final = "[resolved]"
_SECONDS: Final = 20.0
# The newest messages that are read, and how much of each, in bytes. Grafana's own page around the text has some 30 kB.
_MESSAGES: Final = 50
_BYTES: Final = 262144
_DAY: Final = 86400.0
# Slack's clock and the controller's differ.
_MARGIN: Final = 60.0
_HINTS: Final = {
    "channel_not_found": "verify_slack_channel is the channel's identifier, such as C0123456789, not its name",
    "not_in_channel": "invite the app's bot into the channel",
    "missing_scope": "give the app the scope channels:history, or groups:history for a private channel",
    "ratelimited": "Slack limits the app's rate of requests",
}


@dataclass(frozen=True)
class Mailbox:
    """A folder of an IMAP mailbox, RFC 3501, which is only read: nothing is marked as seen."""

    host: str
    user: str
    password: str = field(repr=False)
    port: int = 993
    tls: str = IMPLICIT
    folder: str = "INBOX"

    def __call__(self, canary: Canary) -> float | None:
        """When the mailbox got the canary's alarm, or 0 if it does not say. Raises AskError."""
        try:
            with self._session() as session:
                return self._newest(session, canary)
        except UnicodeError:
            # Its text has letters of the password.
            raise AskError(f"{self} takes no user, password or folder with other letters than ASCII's.") from None
        except (imaplib.IMAP4.error, OSError) as error:
            raise AskError(f"{self} cannot be read: {self._hidden(_said(error))}") from None

    def __str__(self) -> str:
        return f"The mailbox of {self.user} at {self.host}:{self.port}"

    @contextmanager
    def _session(self) -> Iterator[imaplib.IMAP4]:
        # imaplib's own context verifies nothing.
        context = ssl.create_default_context()
        session: imaplib.IMAP4
        if self.tls == IMPLICIT:
            session = imaplib.IMAP4_SSL(self.host, self.port, ssl_context=context, timeout=_SECONDS)
        else:
            session = imaplib.IMAP4(self.host, self.port, timeout=_SECONDS)
        try:
            if self.tls == STARTTLS:
                session.starttls(context)
            if "AUTH=PLAIN" in session.capabilities:
                # LOGIN takes ASCII only, and imaplib does not quote its user.
                session.authenticate("PLAIN", lambda _: self._plain())
            else:
                # imaplib quotes the password itself.
                session.login(self.user, self.password)
            yield session
        finally:
            with suppress(imaplib.IMAP4.error, OSError, ValueError):
                session.logout()

    def _plain(self) -> bytes:
        """RFC 4616."""
        return f"\0{self.user}\0{self.password}".encode()

    def _hidden(self, text: str) -> str:
        """A server may repeat what it does not take."""
        for secret in (self.password, _escaped(self.password), base64.b64encode(self._plain()).decode()):
            text = text.replace(secret, "***") if secret else text
        return text

    def _newest(self, session: imaplib.IMAP4, canary: Canary) -> float | None:
        _done(session.select(f'"{_escaped(self.folder)}"', readonly=True), f"the folder {self.folder}")
        # Servers compare days only, and each in a time zone of its own. Words are compared here: whether a server
        # finds one in an encoded body is up to it.
        day = imaplib.Time2Internaldate(canary.since - _DAY).strip('"').split()[0]
        (found,) = _done(session.uid("SEARCH", "SINCE", day), "the search")
        numbers = sorted((found or b"").split(), key=int)[-_MESSAGES:]
        if not numbers:
            return None
        query = f"(INTERNALDATE BODY.PEEK[]<0.{_BYTES}>)"
        items = _done(session.uid("FETCH", b",".join(numbers).decode(), query), "the messages")
        for head, body in _literals(items):
            if _tells(body, canary.run):
                return _arrived(head)
        return None


@dataclass(frozen=True)
class Channel:
    """A Slack channel, by its identifier, that the token's bot is a member of.

    https://docs.slack.dev/reference/methods/conversations.history
    """

    channel: str
    token: str = field(repr=False)
    url: str = SLACK_API

    def __call__(self, canary: Canary) -> float | None:
        """When the channel got the canary's alarm. Raises AskError."""
        for message in self._history(canary.since - _MARGIN):
            attachments = message.get("attachments") or ()
            over = any(str(item.get("title") or "").startswith(RESOLVED) for item in attachments)
            if canary.run in json.dumps(message) and not over:
                with suppress(ValueError, TypeError):
                    return float(message["ts"])
                return 0.0
        return None

    def _history(self, oldest: float) -> Sequence[dict[str, Any]]:
        query = urlencode({"channel": self.channel, "oldest": f"{oldest:.6f}", "limit": 100})
        try:
            answer = open_url(
                f"{self.url}/conversations.history?{query}",
                headers={"Authorization": f"Bearer {self.token}", "Accept": "application/json"},
                timeout=_SECONDS,
                # Another host would get the token as well.
                follow_redirects="none",
                use_netrc=False,
            )
            data = answer.read()
        except HTTPError as error:
            hint = _hint("ratelimited") if error.code == 429 else ""
            raise AskError(f"Slack answers HTTP {error.code}{hint}.") from None
        except ValueError:
            # Its text has the header's value, which is the token.
            raise AskError("Slack's API cannot be called: the token or the address is malformed.") from None
        except (OSError, HTTPException) as error:
            raise AskError(f"Slack does not answer: {_said(error)}") from None
        try:
            found = json.loads(data)
        except ValueError:
            raise AskError("Slack's answer is not JSON.") from None
        if not isinstance(found, dict) or not found.get("ok"):
            code = str((found.get("error") if isinstance(found, dict) else None) or "it does not say why")
            raise AskError(f"Slack does not show the channel {self.channel}: {code}{_hint(code)}.")
        messages: list[dict[str, Any]] = found.get("messages") or []
        return messages


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _hint(code: str) -> str:
    return f" ({_HINTS[code]})" if code in _HINTS else ""


def _said(error: Exception) -> str:
    reason = error.args[0] if len(error.args) == 1 else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason) or type(error).__name__


def _done(answer: tuple[str, list[Any]], what: str) -> list[Any]:
    status, data = answer
    if status != "OK":
        reason = b" ".join(item for item in data if isinstance(item, bytes)).decode(errors="replace")
        raise imaplib.IMAP4.error(f"{what}: {reason or status}")
    return data


def _literals(items: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """What is around each message of an answer to FETCH, and the message: a server chooses the order."""
    for index, item in enumerate(items):
        if isinstance(item, tuple):
            rest = items[index + 1] if index + 1 < len(items) else b""
            yield item[0] + b" " + (rest if isinstance(rest, bytes) else b""), item[1]


def _tells(raw: bytes, run: str) -> bool:
    """Whether a message is the alarm of this run, and not that it is over."""
    message = email.message_from_bytes(raw)
    if not any(run.encode() in _text(part) for part in message.walk() if part.get_content_maintype() == "text"):
        return False
    return not str(message["subject"] or "").lstrip().startswith(RESOLVED)


def _text(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _arrived(head: bytes) -> float:
    local = imaplib.Internaldate2tuple(head)
    return 0.0 if local is None else time.mktime(local)
