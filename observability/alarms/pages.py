# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook pages and their index. Pages are hand-written, except for the table and the condition of each alarm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import Alarm, Topic, Where, number
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.rules import numbers_of, with_numbers

FOLDER = Path("docs/runbooks")
INDEX = FOLDER / "README.md"
HEADINGS = ("Impact", "Diagnosis", "Mitigation")
_PAGE = re.compile(
    r"# (?P<name>\w+)\n\n(?P<meaning>.+?)\n\n(?P<facts>\| \| \|\n.+?```promql\n.+?\n```)\n\n"
    + "".join(rf"## {heading}\n\n(?P<{heading.lower()}>.+?)\n" + "\n?" for heading in HEADINGS)
    + r"\Z",
    re.DOTALL,
)
_WHERE = {
    Where.EDGE: "In each cluster's Prometheus; Grafana reads the result from Elasticsearch",
    Where.METRICS: "In Grafana, on Elasticsearch",
    Where.PROMETHEUS: "In Grafana, on the controlplane's own Prometheus",
    Where.LOGS: "In Grafana, on the logs in Elasticsearch",
}


class PageError(ValueError):
    """The page does not have the format of a runbook page."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """The parts of a runbook page, as Markdown; ``facts`` are the table and the condition."""

    name: str
    meaning: str
    facts: str
    impact: str
    diagnosis: str
    mitigation: str

    @property
    def lines(self) -> list[str]:
        """The lines and commands of diagnosis and mitigation; a command starts with ``$ ``."""
        found = [line.strip().removeprefix("- ") for line in f"{self.diagnosis}\n{self.mitigation}".splitlines()]
        return [line for line in found if line and not line.startswith("```")]


def page(text: str) -> Page:
    """Return the parts of a page. Raises PageError."""
    found = _PAGE.match(text)
    if found is None:
        raise PageError(f"a page needs a title, a meaning, a table, a condition and the headings {', '.join(HEADINGS)}")
    return Page(**found.groupdict())


def read(root: Path, alarm: Alarm) -> Page:
    """Return the page of an alarm. Raises PageError."""
    return page((root / FOLDER / f"{alarm.name}.md").read_text(encoding="utf-8"))


def facts(alarm: Alarm) -> str:
    """Return the table and the condition of an alarm's page."""
    rows = {
        "Severity": alarm.severity.value,
        "Component": alarm.component,
        "Evaluated": _WHERE[alarm.where]
        + ("; also directly from the controlplane's Prometheus" if alarm.direct else ""),
        "Fires after": alarm.hold,
    }
    if alarm.must_exist:
        rows["No data"] = "fires too"
    condition = (
        f"count({alarm.query}) {alarm.op} {number(alarm.threshold)}" if alarm.where is Where.LOGS else alarm.expression
    )
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"| | |\n| --- | --- |\n{table}\n\n```promql\n{condition}\n```"


def refreshed(text: str, alarm: Alarm) -> str:
    """Return a page with the current table and condition of its alarm. Raises PageError."""
    return text.replace(page(text).facts, facts(alarm))


def index(text: str, topics: tuple[Topic, ...]) -> str:
    """Return the index: its hand-written introduction, and a table of alarms for each topic."""
    parts = [text.split("\n## ", maxsplit=1)[0].rstrip("\n") + "\n"]
    for topic in topics:
        rows = "\n".join(
            f"| [{alarm.name}]({alarm.name}.md) | {alarm.severity.value} | {_described(alarm)} |"
            for alarm in topic.alarms
        )
        parts.append(f"\n## {topic.title}\n\n| Alarm | Severity | When |\n| --- | --- | --- |\n{rows}\n")
    return "".join(parts)


def _described(alarm: Alarm) -> str:
    return with_numbers(re.sub(r"{{ \$labels\.(\w+) }}", r"`\1`", alarm.description), numbers_of(alarm))
