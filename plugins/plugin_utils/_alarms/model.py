# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of an alarm, and its reader from YAML."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.dataplatform.fleet.plugins.module_utils import _texts
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.kinds import KINDS
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.rules import shown

Value = Any  # whatever a YAML file holds
RUNBOOKS = "https://github.com/dataplatform-fleet/dataplatform.fleet/blob/main/docs/runbooks"
# Of a member's name in an identifier of Grafana's.
LONGEST_MEMBER = 20
# Where a selector takes a matcher of namespaces, with the label's name if it is another one than namespace.
NAMESPACES = re.compile(r"@namespaces(?::(?P<label>\w+))?@")
_MARK = NAMESPACES.pattern.replace("?P<label>", "?:")
_UNUSED = re.compile(rf"{{\s*{_MARK}\s*,?\s*}}|\s*,\s*{_MARK}|{_MARK}\s*,\s*")
# Of PromQL: what a quote or a comment hides, brackets without others in them, and the operators that bind more loosely
# than a comparison.
_HIDDEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`|#[^\n]*')
_BRACKETS = re.compile(r"[({\[][^(){}\[\]]*[)}\]]")
_SET_OPERATOR = re.compile(r"(?<![\w:])(and|or|unless)(?![\w:])", re.IGNORECASE)


class Severity(StrEnum):
    """How soon someone has to respond: now, today, some day."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Where(StrEnum):
    """Where an alarm is evaluated.

    EDGE: an alerting rule in each cluster's own Prometheus; Grafana reads its ALERTS series from Elasticsearch.
    METRICS: Grafana on Elasticsearch (data source ``metrics``): what crosses clusters.
    PROMETHEUS: Grafana on the controlplane's own Prometheus (data source ``prometheus``): the pipeline itself.
    LOGS: Grafana on Elasticsearch (data source ``logs``), with a Lucene query instead of PromQL.
    """

    EDGE = "edge"
    METRICS = "grafana-elasticsearch"
    PROMETHEUS = "grafana-prometheus"
    LOGS = "grafana-logs"


class Unit(StrEnum):
    """How texts write the threshold: as it is, as a percentage, a duration or a size."""

    NUMBER = ""
    PERCENT = "percent"
    SECONDS = "seconds"
    BYTES = "bytes"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm.

    ``query`` gives a number for each thing watched; the alarm fires where ``query op threshold`` holds for ``hold``.
    An edge alarm whose condition is not one comparison has it all in ``query`` and no ``op``.
    ``summary`` and ``description`` may have ``@threshold@`` and ``@hold@`` in them, and ``query`` ``@namespaces@``.
    """

    name: str
    severity: Severity
    component: str
    where: Where = Where.EDGE
    query: str
    op: str = ""
    threshold: float = 0
    unit: Unit = Unit.NUMBER
    hold: str = "5m"
    summary: str
    description: str
    # Grafana alarms: no data is an alarm, because where all is well there is data.
    must_exist: bool = False
    # Grafana alarms: one for each member of the fleet that has been built, with @member@ in the query.
    per_member: bool = False
    # Edge alarms about the way to Elasticsearch: also read from the controlplane's own Prometheus.
    direct: bool = False
    # Fires always.
    always: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    # Only of a site's own alarms; the collection's have a page in docs/runbooks.
    runbook_url: str = ""

    @property
    def condition(self) -> str:
        """The whole condition, with the place for a matcher of namespaces."""
        return f"{_operand(self.query)} {self.op} {number(self.threshold)}" if self.op else self.query

    @property
    def expression(self) -> str:
        """The whole condition as PromQL."""
        return selected(self.condition)

    @property
    def uid(self) -> str:
        """Name in Grafana: at most 40 characters, of letters, digits, dashes and underscores."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", self.name).lower()


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Alarms that are kept together: one rule file, one Grafana group, one heading of the index."""

    name: str
    title: str
    alarms: tuple[Alarm, ...]


class AlarmError(ValueError):
    """Invalid definitions or overrides; each fault is a sentence that says what, where and what to do."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = list(faults)


def number(value: float) -> str:
    """Return a number as short text: 80, 0.05, 604800."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def _operand(query: str) -> str:
    """Return a query as the left side of a comparison: in parentheses where only a part of it would be compared."""
    if any(hidden.startswith("#") for hidden in _HIDDEN.findall(query)):
        return f"({query}\n)"
    bare, before = _HIDDEN.sub(" ", query), ""
    while bare != before:
        bare, before = _BRACKETS.sub(" ", bare), bare
    return f"({query})" if _SET_OPERATOR.search(bare) else query


def selected(query: str, only: Sequence[str] = (), without: Sequence[str] = ()) -> str:
    """Return a query whose marked selectors have matchers of the namespaces ``only`` and of those ``without``."""

    def matchers(mark: re.Match[str]) -> str:
        label = mark["label"] or "namespace"
        # Names of namespaces have no character that a regular expression reads otherwise.
        pairs = ((only, "=~"), (without, "!~"))
        return ",".join(f'{label}{op}"{"|".join(names)}"' for names, op in pairs if names)

    if only or without:
        return NAMESPACES.sub(matchers, query)
    # Of two marks side by side, one goes at a time.
    while (less := _UNUSED.sub("", query)) != query:
        query = less
    return query


# --- Reading ------------------------------------------------------------------------------------------------------
# Extra variables, surveys of AWX and quoted values are text: the text of a number or a boolean is read as one.

Reader = Callable[[Value], Value]


def _text(value: Value) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value


def _matching(pattern: str, words: str) -> Reader:
    def read(value: Value) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise ValueError(words)
        return value

    return read


def _one_of(kind: type[StrEnum]) -> Reader:
    def read(value: Value) -> StrEnum:
        if value not in list(kind):
            raise ValueError(", ".join(repr(each.value) for each in kind if each.value))
        return kind(value)

    return read


def read_number(value: Value) -> float:
    """Return a number, also of its text. Raises ValueError with the words that say what is taken."""
    words = "a number such as 85 or 0.5"
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise ValueError(words)
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+(\.\d+)?([eE][-+]?\d+)?\s*", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):  # noqa: PLR0124 - not a number
        raise ValueError(words)
    return int(value) if float(value).is_integer() else float(value)


def read_boolean(value: Value) -> bool:
    """Return a boolean, also of its text. Raises ValueError with the words that say what is taken."""
    if not isinstance(value, bool | str | int):
        raise ValueError("true or false")
    try:
        return bool(boolean(value.strip() if isinstance(value, str) else value))
    except TypeError as error:
        raise ValueError("true or false") from error


def read_duration(value: Value) -> str:
    """Return a duration of Prometheus; of 0 it is 0m. Raises ValueError with the words that say what is taken."""
    if value in (0, "0", "0s", "0m") and not isinstance(value, bool):
        return "0m"
    if not isinstance(value, str) or not KINDS["prometheus_time"].takes(value.strip()):
        raise ValueError("a duration such as 30s, 10m or 1h30m, or 0m")
    return value.strip()


def read_namespaces(value: Value) -> tuple[str, ...]:
    """Return names of namespaces, also of text with commas. Raises ValueError with the words that say what is taken."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ValueError("a list of namespaces")
    found = tuple(name.strip() if isinstance(name, str) else name for name in names)
    if isinstance(value, str) and found == ("",):
        return ()
    if not all(KINDS["dns_label"].takes(name) for name in found):
        raise ValueError("a list of namespaces, each a DNS label such as team-a")
    return found


def _labels(value: Value) -> dict[str, str]:
    words = "a dictionary of labels and their values"
    if not isinstance(value, Mapping):
        raise ValueError(words)
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z_]\w*", name) or isinstance(text, Mapping | list):
            raise ValueError(words)
    return {name: _texts.text(text) for name, text in value.items()}


read_severity: Reader = _one_of(Severity)
_FIELDS: Mapping[str, Reader] = {
    "name": _matching(r"([A-Z][A-Za-z0-9]*)", "a name such as CheckoutErrors: letters and digits, the first a capital"),
    "severity": read_severity,
    "component": _matching(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", "a word such as shop or shop-database"),
    "where": _one_of(Where),
    "query": _text,
    "op": _matching("[<>]=?|[=!]=", "one of >, <, >=, <=, ==, !="),
    "threshold": read_number,
    "unit": _one_of(Unit),
    "hold": read_duration,
    "summary": _text,
    "description": _text,
    "must_exist": read_boolean,
    "per_member": read_boolean,
    "direct": read_boolean,
    "always": read_boolean,
    "labels": _labels,
    "runbook_url": _matching(r"https?://\S+", "an address such as https://wiki.example.com/checkout"),
}
_REQUIRED = ("name", "severity", "component", "query", "summary", "description")
# Of Grafana's rules.
LONGEST_UID = 40
# Labels that a rule has of itself.
_RESERVED = ("alertname", "severity", "component", "cluster", "environment", "threshold", "hold")


def fields(
    value: Mapping[str, Value], readers: Mapping[str, Reader], place: str, faults: list[str], others: Sequence[str] = ()
) -> dict[str, Value]:
    """Return the fields of ``value`` as ``readers`` read them; what is unknown or not read is added to ``faults``.

    ``others`` are fields that there are too, for messages.
    """
    found = {}
    for name, given in value.items():
        if name not in readers:
            faults.append(f"{place} has the unknown field {shown(name)}{nearest(str(name), [*readers, *others])}")
            continue
        try:
            found[str(name)] = readers[name](given)
        except ValueError as error:
            faults.append(f"{place}: {name} is {shown(given)}, and takes {error}.")
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a name that is not known: the nearest one, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f": did you mean {close[0]}?" if close else f": there are {', '.join(names)}."


def alarm(value: Value, place: str) -> Alarm:
    """Return the alarm of one definition. Raises AlarmError with every fault of it."""
    faults: list[str] = []
    if not isinstance(value, Mapping):
        raise AlarmError([f"{place} is {shown(value)}, and takes a dictionary with the fields of an alarm."])
    read = fields(value, _FIELDS, place, faults)
    faults += [f"{place} lacks the field {name}: give it." for name in _REQUIRED if name not in value]
    if faults:
        raise AlarmError(faults)
    found = Alarm(**read)
    if "threshold" in read and not found.op:
        faults.append(f"{place} has a threshold and no op: give op, or take the threshold out.")
    faults += [f"{place}: {fault}" for fault in _unfit(found)]
    if faults:
        raise AlarmError(faults)
    return found


def _unfit(found: Alarm) -> Iterator[str]:
    """Yield what does not fit together in an alarm."""
    if found.where is not Where.EDGE and not found.op:
        yield "Grafana evaluates one comparison: give op and threshold, and a query without them."
    if found.where is Where.EDGE and (found.must_exist or found.per_member):
        yield "must_exist and per_member are for alarms that Grafana evaluates: give where, or leave them out."
    if found.where is not Where.EDGE and (found.direct or found.always):
        yield "direct and always are for alarms that a cluster's Prometheus evaluates: leave them out."
    if not found.op and "@threshold@" in found.summary + found.description:
        yield "summary or description has @threshold@, and there is no op and no threshold: give them."
    if found.where is Where.LOGS and "@namespaces" in found.query:
        yield "query has @namespaces@, which is for PromQL: take it out."
    elif "@namespaces" in selected(found.query):
        yield (
            "query has @namespaces where no matcher can be: write @namespaces@ between the braces of a selector, with"
            ' commas between it and the others, as in {code="500",@namespaces@}.'
        )
    if found.where is not Where.EDGE and "$" in found.query:
        yield "query has a dollar sign, which Grafana cannot be given: take it out."
    for name, text in found.labels.items():
        if name in _RESERVED:
            yield f"labels has {name}, which the rule sets itself: give it another name."
        if "$" in text:
            yield f"labels has a dollar sign in {name}, where Grafana reads an environment variable: take it out."
    if len(found.uid) > LONGEST_UID - (len("-") + LONGEST_MEMBER if found.per_member else len("-direct")):
        yield f"its identifier in Grafana, {found.uid}, is too long: give it a shorter name."
