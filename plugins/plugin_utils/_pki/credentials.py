# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members' credentials for Kafka: made, rotated, and the ones before for a while. Random, else pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki import passwords
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.plan import Document, Times

DAY = "%Y-%m-%d"


def credential(live: Mapping[str, Any], member: str, times: Times, rotate: Collection[str]) -> Document:
    """Return a member's credential, and the one before while it is valid.

    A new one has another user name, so that Kafka takes both until the member's own run has come by. Asked for again
    in that time, it stays: the same command, run once more, must not take away what a member still uses.
    """
    username, password = str(live.get("username") or member), str(live.get("password") or "")
    previous = {key: str(live.get(f"previous_{key}") or "") for key in ("username", "password", "until")}
    overlap = times.credential_overlap
    valid = overlap > 0 and bool(previous["password"]) and times.now.strftime(DAY) <= previous["until"]
    if not valid:
        previous = dict.fromkeys(previous, "")
    if not password:
        username, password = member, passwords.generate()
    elif not valid and {"kafka", "all", f"kafka/{member}"} & set(rotate):
        if overlap > 0:
            until = (times.now + timedelta(days=overlap)).strftime(DAY)
            previous = {"username": username, "password": password, "until": until}
        username, password = _other_user(username, member), passwords.generate()
    return {
        "public": {"username": username} | {f"previous_{key}": previous[key] for key in ("username", "until")},
        "secret": {"password": password, "previous_password": previous["password"]},
    }


def _other_user(username: str, member: str) -> str:
    """Two names take turns. No member's name has a dot: EKS takes none in a cluster's."""
    return f"{member}.2" if username == member else member


def notices(documents: Sequence[Document]) -> list[str]:
    """Say until when credentials before are valid."""
    days: dict[str, list[str]] = {}
    for one in documents:
        until = one.get("public", {}).get("previous_until")
        if until:
            days.setdefault(until, []).append(one["tags"]["dataplatform.fleet/member"])
    return [
        f"The former Kafka credentials of {', '.join(sorted(found))} are valid until {until}: run site.yml on "
        f"{'this member' if len(found) == 1 else 'these members'} by then. "
        "No credential is renewed again before that day."
        for until, found in sorted(days.items())
    ]
