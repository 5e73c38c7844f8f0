# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the secrets that the controlplane's run creates for the fleet: root CA, issuers, Kafka credentials."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import PLACEHOLDER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki import credentials, plan
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.documents import fleet_documents
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.issuers import issuers as planned_issuers


def pki_fleet(
    documents: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Mapping[str, Any]],
    *,
    names: Mapping[str, Mapping[str, str]],
    days: Mapping[str, int],
    reserved: Collection[str] = (),
    rotate: Collection[str] = (),
    root_key: Mapping[str, Any] | None = None,
    root_certificate: Mapping[str, Any] | None = None,
    keys: Sequence[Mapping[str, Any]] = (),
    certificates: Sequence[Mapping[str, Any]] = (),
    check_mode: bool = False,
) -> dict[str, Any]:
    """Return the secrets that are due and the documents to write. No output contains them."""
    times = plan.Times.of(days)
    root = plan.root(documents.get("ca", {}), times, rotate="root" in rotate)
    issuers = planned_issuers(documents, members, root, times, reserved=reserved, rotate=rotate)
    due = [one for one in issuers if one.due]
    written = root
    if root.due and (root_certificate or {}).get("certificate"):
        written = root.made((root_certificate or {})["certificate"], (root_key or {})["privatekey"])
    elif root.due and check_mode:
        written = root.made(PLACEHOLDER, PLACEHOLDER)
    made = made_by(keys, certificates, [one.member for one in due] if check_mode else [])
    complete = check_mode or (not root.due or written is not root)
    complete = complete and all(one.due != "now" or one.member in made for one in issuers)
    found = fleet_documents(documents, written, issuers, made, times=times, rotate=rotate) if complete else []
    return {
        "root": root.due,
        "root_until": times.until(times.root),
        "signer": {key: written.document.get(key, "") for key in ("certificate", "private_key")},
        "issuers": [{"name": one.member, "not_after": one.not_after, "excluded": list(one.excluded)} for one in due],
        "documents": found,
        "absent": plan.undeclared(names, members),
        "notices": [
            *root.notices,
            *(notice for one in issuers for notice in one.notices),
            *credentials.notices(found),
        ],
    }


def made_by(
    keys: Sequence[Mapping[str, Any]], certificates: Sequence[Mapping[str, Any]], placeholders: Collection[str]
) -> dict[str, dict[str, str]]:
    """Return the results of looped tasks by the names of their items. In check mode the tasks were skipped."""
    made = {name: {"certificate": PLACEHOLDER, "private_key": PLACEHOLDER} for name in placeholders}
    for key, certificate in zip(keys, certificates, strict=False):
        if "certificate" in certificate and "privatekey" in key:
            name = key["item"]["name"]
            made[name] = {"certificate": certificate["certificate"], "private_key": key["privatekey"]}
    return made


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Report an error in the arguments as an error of the template, without the values."""

    def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a filter's
        try:
            return function(*args, **kwargs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AnsibleFilterError(f"{function.__name__}: {type(error).__name__}") from None

    return run


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"pki_fleet": checked(pki_fleet)}
