# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads PromQL, and says where a query is outside of what Elasticsearch evaluates.

The limits are those of Elasticsearch 9.5, from its own pages "PromQL limitations" and "PromQL functions". The grammar
is Prometheus' without native histogram literals; https://prometheus.io/docs/prometheus/latest/querying/basics/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGGREGATIONS = _words("sum min max avg group stddev stdvar count count_values bottomk topk quantile limitk limit_ratio")
_PARAMETERISED = _words("count_values bottomk topk quantile limitk limit_ratio")
FUNCTIONS = _words(
    "abs absent absent_over_time avg_over_time ceil changes clamp clamp_max clamp_min count_over_time"
    " day_of_month day_of_week day_of_year days_in_month delta deriv exp floor histogram_avg"
    " histogram_count histogram_fraction histogram_quantile histogram_stddev histogram_stdvar"
    " histogram_sum hour idelta increase irate label_join label_replace last_over_time ln log10 log2"
    " max_over_time min_over_time minute month pi predict_linear present_over_time quantile_over_time rate"
    " resets round scalar sgn sort sort_by_label sort_by_label_desc sort_desc sqrt stddev_over_time"
    " stdvar_over_time sum_over_time time timestamp vector year"
)
_UNSUPPORTED_FUNCTIONS = _words(
    "absent changes count_values group histogram_fraction histogram_stddev histogram_stdvar label_join"
    " label_replace limit_ratio predict_linear resets sort sort_desc"
)
_SELECTING = _words("topk bottomk limitk")
_COMPARISONS = _words("== != > < >= <=")
_OR_OPERANDS = 8

# Grafana's own variables that stand where PromQL wants a duration; a dashboard's own may stand for numbers.
_VARIABLES = {
    "$__rate_interval": "5m",
    "$__interval": "1m",
    "$__range": "1h",
    "$__range_s": "3600",
}
_DURATION = r"(?:\d+(?:ms|[smhdwy]))+"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<duration>{_DURATION})
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf|nan)\b)
    | (?P<step>:[ ]*(?:{_DURATION})?(?=\s*\]))
    | (?P<variable>\$\{{?\w+\}}?)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<symbol>==|!=|>=|<=|=~|!~|[-+*/%^<>=(){{}}\[\],@])
    )""",
    re.VERBOSE,
)
_PRECEDENCE = [
    frozenset(["or"]),
    frozenset(["and", "unless"]),
    _COMPARISONS,
    frozenset(["+", "-"]),
    frozenset(["*", "/", "%", "atan2"]),
]


class PromqlError(ValueError):
    """A query that is no PromQL."""


@dataclass(frozen=True)
class Number:
    text: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Selector:
    """A vector selector; ``duration`` makes it a range."""

    name: str
    matchers: tuple[tuple[str, str, str], ...] = ()
    duration: str = ""
    offset: str = ""
    at: str = ""


@dataclass(frozen=True)
class Subquery:
    operand: Node
    duration: str


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Aggregation:
    operation: str
    operand: Node
    parameter: Node | None = None
    grouping: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Binary:
    operator: str
    left: Node
    right: Node
    modifiers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Negated:
    operand: Node


Node = Number | Text | Selector | Subquery | Call | Aggregation | Binary | Negated


@dataclass
class _Parser:
    query: str
    tokens: list[tuple[str, str]] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        text = self.query
        for name in sorted(_VARIABLES, key=len, reverse=True):
            text = text.replace(name, _VARIABLES[name])
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if not found or found.lastgroup is None:
                raise PromqlError(f"cannot read {text[position:].strip()[:20]!r} in {self.query!r}")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()

    def fail(self, wanted: str) -> PromqlError:
        got = self.tokens[self.at][1] if self.at < len(self.tokens) else "the end"
        return PromqlError(f"{wanted} expected instead of {got!r} in {self.query!r}")

    @property
    def next(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        if wanted and self.next not in wanted:
            raise self.fail(" or ".join(repr(one) for one in wanted))
        if self.at >= len(self.tokens):
            raise self.fail("more")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def take_kind(self, kind: str) -> str:
        if self.kind != kind:
            raise self.fail(f"a {kind}")
        return self.take()

    def accept(self, text: str) -> bool:
        if self.next == text and self.kind != "string":
            self.at += 1
            return True
        return False

    def parse(self) -> Node:
        node = self.binary(0)
        if self.at < len(self.tokens):
            raise self.fail("the end")
        return node

    def binary(self, level: int) -> Node:
        if level == len(_PRECEDENCE):
            return self.unary()
        node = self.binary(level + 1)
        while self.kind != "string" and self.next in _PRECEDENCE[level]:
            operator = self.take()
            modifiers, labels = self.modifiers()
            node = Binary(operator, node, self.binary(level + 1), modifiers, labels)
        return node

    def modifiers(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found: list[str] = []
        labels: tuple[str, ...] = ()
        while self.kind == "name" and self.next in ("bool", "on", "ignoring", "group_left", "group_right"):
            modifier = self.take()
            found.append(modifier)
            if modifier != "bool" and self.next == "(":
                labels += self.names()
        return tuple(found), labels

    def names(self) -> tuple[str, ...]:
        self.take("(")
        found = []
        while not self.accept(")"):
            found.append(self.take_kind("name"))
            if self.next != ")":
                self.take(",")
        return tuple(found)

    def unary(self) -> Node:
        if self.accept("-"):
            return Negated(self.unary())
        if self.accept("+"):
            return self.unary()
        node = self.postfix()
        if self.accept("^"):
            return Binary("^", node, self.unary())
        return node

    def postfix(self) -> Node:
        node = self.primary()
        if self.accept("["):
            duration = self.take_kind("duration")
            if self.kind == "step":
                self.take()
                self.take("]")
                node = Subquery(node, duration)
            elif isinstance(node, Selector):
                self.take("]")
                node = Selector(node.name, node.matchers, duration)
            else:
                raise self.fail("a step")
        while (self.kind == "name" and self.next == "offset") or self.next == "@":
            word, sign = self.take(), "-" if self.accept("-") else ""
            value = sign + self.take()
            if isinstance(node, Selector):
                offset, at = (value, node.at) if word == "offset" else (node.offset, value)
                node = Selector(node.name, node.matchers, node.duration, offset, at)
        return node

    def primary(self) -> Node:
        if self.kind in ("number", "variable"):
            return Number(self.take())
        if self.kind == "string":
            return Text(self.take()[1:-1])
        if self.accept("("):
            node = self.binary(0)
            self.take(")")
            return node
        return self.named() if self.next != "{" else Selector("", self.matchers())

    def named(self) -> Node:
        text = self.take_kind("name")
        if text in AGGREGATIONS and self.next in ("(", "by", "without"):
            return self.aggregation(text)
        if self.next == "(":
            if text not in FUNCTIONS:
                raise PromqlError(f"no function {text!r} in {self.query!r}")
            return Call(text, self.arguments())
        return Selector(text, self.matchers() if self.next == "{" else ())

    def aggregation(self, operation: str) -> Node:
        grouping = self.take() if self.next in ("by", "without") else ""
        labels = self.names() if grouping else ()
        arguments = self.arguments()
        if not grouping and self.kind == "name" and self.next in ("by", "without"):
            grouping = self.take()
            labels = self.names()
        if len(arguments) != (2 if operation in _PARAMETERISED else 1):
            raise PromqlError(f"{operation} has {len(arguments)} arguments in {self.query!r}")
        parameter = arguments[0] if len(arguments) > 1 else None
        return Aggregation(operation, arguments[-1], parameter, grouping, labels)

    def arguments(self) -> tuple[Node, ...]:
        self.take("(")
        found: list[Node] = []
        while not self.accept(")"):
            found.append(self.binary(0))
            if self.next != ")":
                self.take(",")
        return tuple(found)

    def matchers(self) -> tuple[tuple[str, str, str], ...]:
        self.take("{")
        found = []
        while not self.accept("}"):
            name = self.take_kind("name")
            operator = self.take("=", "!=", "=~", "!~")
            found.append((name, operator, self.take_kind("string")[1:-1]))
            if self.next != "}":
                self.take(",")
        return tuple(found)


@cache
def parse(query: str) -> Node:
    """Return the tree of a query, in which Grafana's variables may stand in strings and for durations.

    Raises PromqlError for what Prometheus would refuse to parse.
    """
    return _Parser(query).parse()


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Subquery() | Negated():
            return (node.operand,)
        case Call():
            return node.arguments
        case Aggregation():
            return (node.parameter, node.operand) if node.parameter is not None else (node.operand,)
        case Binary():
            return (node.left, node.right)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


def selectors(query: str) -> list[Selector]:
    """Return every series selector of a query."""
    return [node for node in walk(parse(query)) if isinstance(node, Selector)]


def grouping_labels(query: str) -> set[str]:
    """Return the labels that a query groups by or matches on."""
    found: set[str] = set()
    for node in walk(parse(query)):
        if (isinstance(node, Aggregation) and node.grouping == "by") or isinstance(node, Binary):
            found |= set(node.labels)
    return found


def _reads(node: Node) -> bool:
    return any(isinstance(one, Selector) for one in walk(node))


def _of_series(node: Node) -> bool:
    return isinstance(node, Binary) and _reads(node.left) and _reads(node.right)


def _aggregations(node: Node) -> int:
    """How deep the aggregations across series of an operand are nested."""
    inner = max((_aggregations(child) for child in children(node)), default=0)
    return inner + isinstance(node, Aggregation)


def _labels(node: Node) -> frozenset[str] | None:
    """The labels that an aggregated operand has, None where that cannot be told."""
    match node:
        case Aggregation():
            return frozenset(node.labels) if node.grouping != "without" else None
        case Call() if node.function == "histogram_quantile":
            inner = _labels(node.arguments[-1])
            return inner - {"le"} if inner is not None else None
        case _:
            found = {labels for child in children(node) if (labels := _labels(child)) is not None}
            return found.pop() if len(found) == 1 else None


def _binary_problems(node: Binary, *, top: bool) -> Iterator[str]:
    if node.operator in ("and", "unless"):
        yield f"set operator {node.operator!r}"
    if node.operator == "or" and not top:
        yield "'or' below the top"
    if node.operator == "atan2":
        yield "operator 'atan2'"
    if node.operator in _COMPARISONS and not (top and isinstance(node.right, Number | Negated)):
        yield f"comparison {node.operator!r} below the top, or with something else than a number on its right"
    yield from (f"modifier {modifier!r}" for modifier in node.modifiers if modifier != "bool")
    if node.operator != "or" and _of_series(node):
        depths = {_aggregations(node.left), _aggregations(node.right)}
        if len(depths) > 1 or max(depths) > 1:
            yield f"operands of {node.operator!r} that are not aggregated alike, or more than once"
        left, right = _labels(node.left), _labels(node.right)
        if left is not None and right is not None and left != right and "on" not in node.modifiers:
            yield f"operands of {node.operator!r} with different labels, which match nothing"
        for one in walk(node):
            if isinstance(one, Aggregation) and one.operation in _SELECTING:
                yield f"{one.operation!r} in an operand of {node.operator!r}"
        if {one.offset for one in walk(node.left) if isinstance(one, Selector)} != {
            one.offset for one in walk(node.right) if isinstance(one, Selector)
        }:
            yield f"different offsets on the sides of {node.operator!r}"


def _histogram_problems(node: Call) -> Iterator[str]:
    for one in walk(node.arguments[-1]):
        if isinstance(one, Aggregation) and (one.operation in _SELECTING or one.grouping == "without"):
            yield f"histogram_quantile over {one.grouping or one.operation!r}"


def _or_operands(node: Node) -> list[Node]:
    if isinstance(node, Binary) and node.operator == "or":
        return _or_operands(node.left) + _or_operands(node.right)
    return [node]


def _problems(node: Node, *, top: bool) -> Iterator[str]:
    match node:
        case Binary():
            yield from _binary_problems(node, top=top)
        case Call() if node.function in _UNSUPPORTED_FUNCTIONS:
            yield f"function {node.function!r}"
        case Call() if node.function == "histogram_quantile":
            yield from _histogram_problems(node)
        case Aggregation() if node.operation in _UNSUPPORTED_FUNCTIONS:
            yield f"aggregation {node.operation!r}"
        case Aggregation() if any(_of_series(one) for one in walk(node.operand)):
            # Its pages promise arithmetic of series, and of aggregated series, but say nothing of this.
            yield f"arithmetic of series inside {node.operation!r}"
        case Subquery():
            yield "a subquery"
        case Selector() if node.at:
            yield "modifier '@'"
        case Selector() if not node.name and not any(label == "__name__" for label, _, _ in node.matchers):
            yield "a selector without a metric"
        case _:
            pass
    below = isinstance(node, Binary) and node.operator == "or" and top
    for child in children(node):
        yield from _problems(child, top=below)


def limits(query: str) -> list[str]:
    """Return what Elasticsearch would refuse of a query, nothing if it evaluates it."""
    node = parse(query)
    found = list(_problems(node, top=True))
    if len(_or_operands(node)) > _OR_OPERANDS:
        found.append(f"more than {_OR_OPERANDS} operands of 'or'")
    return found
