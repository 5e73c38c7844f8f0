# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the certificates and passwords that a member's run creates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.filter.pki_fleet import checked, made_or_placeholders
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import PLACEHOLDER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki import passwords, plan


def pki_member(
    documents: Mapping[str, Mapping[str, Any]],
    member: str,
    *,
    certificates: Mapping[str, Collection[str]],
    days: Mapping[str, int],
    passwords_wanted: Mapping[str, str],
    common_names: Collection[str] = (),
    rotate: Collection[str] = (),
    made: Mapping[str, Mapping[str, str]] | None = None,
    check_mode: bool = False,
) -> dict[str, Any]:
    """Return the secrets that are due and the documents to write. No output contains them."""
    times = plan.Times.of(days)
    issuer = documents.get(f"{member}/issuer", {})
    live = documents.get(f"{member}/tls", {})
    wanted = {name: {*names, *common_names} for name, names in certificates.items()}
    due = plan.certificates(live, issuer, wanted, times, rotate)
    new = made_or_placeholders(made, [one["name"] for one in due] if check_mode else [])
    for entry in new.values():
        if entry["certificate"] != PLACEHOLDER:
            entry["certificate"] = entry["certificate"].rstrip("\n") + "\n" + issuer["certificate"]
    tls = {name: new.get(name) or live[name] for name in certificates if name in new or name in live}
    texts, _made = passwords.complete(documents.get(f"{member}/passwords", {}), passwords_wanted, rotate)
    tags = {"dataplatform.fleet/member": member}
    found = [{"name": f"{member}/tls", "secret": tls, "tags": tags}]
    if texts:
        found.append({"name": f"{member}/passwords", "secret": texts, "tags": tags})
    return {
        "issuer": {key: issuer.get(key, "") for key in plan.PARTS},
        "ended": plan.ended_issuer(issuer, times),
        "certificates": due,
        "documents": found,
        "notices": plan.issuer_notices(member, issuer, times),
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"pki_member": checked(pki_member)}
