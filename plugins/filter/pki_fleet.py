# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the secrets that the controlplane's run creates for the fleet: root CA, issuers, Kafka credentials."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
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
    fleet: str,
    names: Mapping[str, Mapping[str, str]],
    days: Mapping[str, int],
    reserved: Collection[str] = (),
    rotate: Collection[str] = (),
    root_made: Mapping[str, Mapping[str, str]] | None = None,
    made: Mapping[str, Mapping[str, str]] | None = None,
    check_mode: bool = False,
) -> dict[str, Any]:
    """Return the secrets that are due and the documents to write. No output contains them."""
    times = plan.Times.of(days)
    root = plan.root(documents.get("ca", {}), times, rotate="root" in rotate)
    issuers = planned_issuers(documents, members, root, times, reserved=reserved, rotate=rotate)
    due = [one for one in issuers if one.due]
    written = root
    if root.due and root_made:
        (new,) = root_made.values()
        written = root.made(new["certificate"], new["private_key"])
    elif root.due and check_mode:
        written = root.made(PLACEHOLDER, PLACEHOLDER)
    made = made_or_placeholders(made, [one.member for one in due] if check_mode else [])
    complete = check_mode or (not root.due or written is not root)
    complete = complete and all(one.due != "now" or one.member in made for one in issuers)
    found = fleet_documents(documents, written, issuers, made, times=times, rotate=rotate) if complete else []
    return {
        "root": root.due,
        "root_until": times.until(times.root),
        "signer": {key: written.document.get(key, "") for key in ("certificate", "private_key")},
        "issuers": [
            {
                "name": one.member,
                "common_name": f"{fleet} {one.member}",
                "path_length": 0,
                "not_after": one.not_after,
                "excluded_dns_names": list(one.excluded),
            }
            for one in due
        ],
        "documents": found,
        "absent": plan.undeclared(names, members),
        "notices": [
            *root.notices,
            *(notice for one in issuers for notice in one.notices),
            *credentials.notices(found),
        ],
    }


def made_or_placeholders(
    made: Mapping[str, Mapping[str, str]] | None, due: Collection[str]
) -> dict[str, dict[str, str]]:
    """Return the certificates and private keys that were made, by name, and placeholders for those that are ``due``."""
    placeholder = {"certificate": PLACEHOLDER, "private_key": PLACEHOLDER}
    return {name: dict(placeholder) for name in due} | {name: dict(each) for name, each in (made or {}).items()}


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
