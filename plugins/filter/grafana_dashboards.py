# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboards of the role grafana and custom dashboards, with their faults."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ansible.errors import AnsibleFilterError
from ansible.plugins.filter.core import to_nice_json

# A ConfigMap can have 1 MiB, including names and managed fields.
MOST_CHARACTERS: Final = 921600
_UID: Final = re.compile(r"(?=.{1,40}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?")

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard and its source, for messages."""

    uid: str
    folder: str
    source: str
    text: str


def grafana_dashboards(
    given: Sequence[Given], folders: Mapping[str, str], shipped: Mapping[str, str], files: Mapping[str, str]
) -> dict[str, Any]:
    """Return ``dashboards``, the shipped ones first, and ``faults``: sentences.

    ``shipped`` has the role's dashboards by uid, ``files`` the custom dashboards by path, each as text.
    Raises AnsibleFilterError if a text is not a JSON object.
    """
    found = [
        Dashboard(uid, folders[uid], f"roles/grafana/files/dashboards/{uid}.json", shipped[uid])
        for uid in sorted(folders)
    ]
    faults = []
    for number, item in enumerate(given, start=1):
        if ("file" in item) == ("json" in item):
            faults.append(f"Number {number} of grafana_dashboards needs either file or json.")
        else:
            found.append(_of_a_site(number, item, files))
    return {"dashboards": [asdict(one) for one in found], "faults": [*faults, *_faults(found)]}


def _of_a_site(number: int, item: Given, files: Mapping[str, str]) -> Dashboard:
    value = item["json"] if "json" in item else files[item["file"]]
    text = value if isinstance(value, str) else to_nice_json(value)
    source = item.get("file") or f"grafana_dashboards, number {number}"
    try:
        dashboard = json.loads(text)
    except ValueError as error:
        raise AnsibleFilterError(f"grafana_dashboards: {source} is not JSON: {error}") from error
    if not isinstance(dashboard, Mapping):
        raise AnsibleFilterError(f"grafana_dashboards: {source} is not a JSON object")
    if "file" not in item:
        source += f' ("{dashboard.get("title", "no title")}")'
    return Dashboard(str(dashboard.get("uid") or ""), item["folder"], source, text)


def _faults(found: Sequence[Dashboard]) -> Iterator[str]:
    for uid in sorted({one.uid for one in found}):
        same = [one for one in found if one.uid == uid]
        for one in same:
            if not uid:
                yield f"{one.source}: the dashboard has no uid. Give it one."
            elif not _UID.fullmatch(uid):
                yield f'{one.source}: the uid "{uid}" may have at most 40 lowercase letters, digits and dashes.'
            if len(one.text) > MOST_CHARACTERS:
                yield (
                    f"{one.source}: the dashboard has {len(one.text)} characters, more than the {MOST_CHARACTERS} that "
                    "fit in a ConfigMap. Split it into two dashboards."
                )
        if uid and len(same) > 1:
            yield (
                f'The uid "{uid}" is in {" and in ".join(one.source for one in same)}: Grafana would show only one of '
                "the dashboards. Change the uid of your dashboard."
            )


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"grafana_dashboards": grafana_dashboards}
