# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse PromQL, and report which parts of a query Elasticsearch does not evaluate.

The parser is the PyPI package promql-parser, which has the grammar of Prometheus. The limits are those of
Elasticsearch 9.5: the functions, their arguments and the checks of the verifier come from the published
org.elasticsearch.plugin:x-pack-esql 9.5.3 (PromqlFunctionRegistry, ResolvePromqlFunctions, PromqlCommand.verify), which
supports less than the documentation says; the other limits come from the documentation's page "PromQL limitations".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import promql_parser as promql
from promql_parser import Expr


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGGREGATIONS = _words("avg count max min quantile stddev stdvar sum")
# Functions that accept a range of a counter.
_OF_COUNTERS = _words("absent_over_time first_over_time increase irate last_over_time present_over_time rate")
FUNCTIONS = _OF_COUNTERS | _words(
    "abs acos acosh asin asinh atan atanh avg_over_time ceil clamp clamp_max clamp_min cos cosh count_over_time"
    " day_of_month day_of_week day_of_year days_in_month deg delta deriv exp floor histogram_avg histogram_count"
    " histogram_quantile histogram_sum hour idelta ln log10 log2 max_over_time min_over_time minute month pi"
    " quantile_over_time rad round scalar sgn sin sinh sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh"
    " time vector year"
)
# The built-in index template of metrics maps series with these suffixes as counters.
_COUNTER = re.compile(r"_(total|sum|count|bucket)$")
_COMPARISONS = _words("== != > < >= <=")
_OR_OPERANDS = 8
# The column of a result's timestamps.
_RESERVED_LABEL = "step"

# A dashboard's variables stand for numbers or are parts of strings. Grafana's built-in variables stand for durations.
_DURATIONS = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h", "__range_s": "3600"}
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_TEXTS = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")


class PromqlError(ValueError):
    """A query that is not valid PromQL."""


def without_variables(query: str) -> str:
    """Replace Grafana's variables in a dashboard's query with values; variables in strings are kept."""
    parts = _TEXTS.split(query)
    parts[::2] = [_VARIABLE.sub(lambda found: _DURATIONS.get(found[1], "1"), part) for part in parts[::2]]
    return "".join(parts)


@cache
def parse(query: str) -> Expr:
    """Return the syntax tree of a query, which may use Grafana's variables in strings, for durations and for numbers.

    Raises PromqlError for a query that Prometheus cannot parse.
    """
    try:
        return promql.parse(without_variables(query))
    except ValueError as error:
        raise PromqlError(f"{error} in {query!r}") from error


def children(node: Expr) -> tuple[Expr, ...]:
    match node:
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return (node.expr,)
        case promql.MatrixSelector():
            return (node.vector_selector,)
        case promql.Call():
            return tuple(node.args)
        case promql.AggregateExpr():
            return (node.expr,) if node.param is None else (node.param, node.expr)
        case promql.BinaryExpr():
            return (node.lhs, node.rhs)
        case _:
            return ()


def walk(node: Expr) -> Iterator[Expr]:
    yield node
    for child in children(node):
        yield from walk(child)


def _selectors(node: Expr) -> list[promql.VectorSelector]:
    return [one for one in walk(node) if isinstance(one, promql.VectorSelector)]


def selectors(query: str) -> list[promql.VectorSelector]:
    """Return every series selector of a query."""
    return _selectors(parse(query))


def grouping_labels(query: str) -> set[str]:
    """Return the labels that a query groups by or matches on."""
    found: set[str] = set()
    for node in walk(parse(query)):
        if isinstance(node, promql.AggregateExpr) and _by(node):
            found |= _grouping(node)
        elif isinstance(node, promql.BinaryExpr) and node.modifier is not None:
            found |= set(node.modifier.matching.labels if node.modifier.matching else ())
            found |= set(node.modifier.group_labels or ())
    return found


def _grouping(node: promql.AggregateExpr) -> frozenset[str]:
    return frozenset(node.modifier.labels) if node.modifier else frozenset()


def _by(node: promql.AggregateExpr) -> bool:
    """Whether an aggregation keeps the labels that it names ("by"), rather than the others ("without")."""
    return node.modifier is None or node.modifier.type == promql.AggModifierType.By


def _without(node: Expr) -> bool:
    return any(isinstance(one, promql.AggregateExpr) and not _by(one) for one in walk(node))


def _bare(node: Expr) -> Expr:
    return _bare(node.expr) if isinstance(node, promql.ParenExpr) else node


def _literal(node: Expr) -> bool:
    """Whether Elasticsearch folds the expression into one number while it parses."""
    kinds = promql.NumberLiteral | promql.ParenExpr | promql.UnaryExpr | promql.BinaryExpr
    return all(isinstance(one, kinds) for one in walk(node))


def _of_series(node: Expr) -> bool:
    return isinstance(node, promql.BinaryExpr) and bool(_selectors(node.lhs)) and bool(_selectors(node.rhs))


def _ends_in_offset(node: Expr) -> bool:
    """Whether the text of an operand ends in an offset."""
    match node:
        case promql.VectorSelector():
            return node.offset is not None
        case promql.MatrixSelector():
            return node.vector_selector.offset is not None
        case promql.UnaryExpr():
            return _ends_in_offset(node.expr)
        case promql.BinaryExpr():
            return _ends_in_offset(node.rhs)
        case _:
            return False


def _aggregations(node: Expr) -> int:
    """Return the nesting depth of the aggregations across series of an operand."""
    inner = max((_aggregations(child) for child in children(node)), default=0)
    return inner + isinstance(node, promql.AggregateExpr)


def _labels(node: Expr) -> frozenset[str] | None:
    """Return the labels of an aggregated operand, None if they cannot be determined."""
    match node:
        case promql.AggregateExpr():
            return _grouping(node) if _by(node) else None
        case promql.Call() if node.func.name == "histogram_quantile":
            inner = _labels(node.args[-1])
            return inner - {"le"} if inner is not None else None
        case _:
            found = {labels for child in children(node) if (labels := _labels(child)) is not None}
            return found.pop() if len(found) == 1 else None


def _binary_problems(node: promql.BinaryExpr, *, root: bool, top: bool) -> Iterator[str]:
    operator = str(node.op)
    if operator in ("and", "unless", "atan2"):
        yield f"operator {operator!r}"
    if operator == "or" and not top:
        yield "'or' below the top"
    if operator in _COMPARISONS and not (root and _selectors(node.lhs) and _literal(node.rhs)):
        yield f"comparison {operator!r} below the top, or of something else than series with a number on its right"
    if node.modifier is not None and (node.modifier.matching is not None or node.modifier.group_labels is not None):
        yield f"a modifier of {operator!r} that matches labels"
    if _without(node):
        yield f"'without' in an operand of {operator!r}"
    if _ends_in_offset(node.lhs):
        yield f"an offset before {operator!r}, which is taken for a part of its duration without brackets around it"
    if _of_series(node):
        depths = {_aggregations(node.lhs), _aggregations(node.rhs)}
        if (len(depths) > 1 and operator != "or") or max(depths) > 1:
            yield f"operands of {operator!r} that are not aggregated alike, or more than once"
    if operator != "or" and _of_series(node):
        left, right = _labels(node.lhs), _labels(node.rhs)
        if left is not None and right is not None and left != right:
            yield f"operands of {operator!r} with different labels, which match nothing"
    if operator != "or" and len({str(one.offset) for one in _selectors(node)}) > 1:
        yield f"different offsets on the sides of {operator!r}"


def _call_problems(node: promql.Call) -> Iterator[str]:
    name = node.func.name
    if name not in FUNCTIONS:
        yield f"function {name!r}"
    if len(node.args) > 1:
        numbers = (each for each, kind in zip(node.args, node.func.arg_types, strict=False) if _is_number(kind))
        if not all(_literal(each) for each in numbers):
            yield f"a parameter of {name!r} that is no number"
    for one in node.args:
        if isinstance(one, promql.MatrixSelector) and name not in _OF_COUNTERS:
            metric = one.vector_selector.name or ""
            if _COUNTER.search(metric):
                yield f"{name!r} of a range of {metric!r}, a counter by its name"
    if name == "histogram_quantile" and _without(node.args[-1]):
        yield "'without' in 'histogram_quantile'"


def _is_number(kind: promql.ValueType) -> bool:
    return bool(kind == promql.ValueType.Scalar)


def _aggregation_problems(node: promql.AggregateExpr) -> Iterator[str]:
    name = str(node.op)
    if name not in AGGREGATIONS:
        yield f"aggregation {name!r}"
    if node.param is not None and not _literal(node.param):
        yield f"a parameter of {name!r} that is no number"
    if _by(node) and _RESERVED_LABEL in _grouping(node):
        yield f"grouping by {_RESERVED_LABEL!r}, a column of the result"
    if not _by(node) and _without(node.expr):
        yield "'without' of 'without'"
    if any(_of_series(one) for one in walk(node.expr)):
        # The documentation lists arithmetic of series and of aggregated series, but not of one with the other.
        yield f"arithmetic of series inside {name!r}"


def _selector_problems(node: promql.VectorSelector) -> Iterator[str]:
    names = [one for one in node.matchers.matchers if one.name == "__name__"]
    if node.at is not None:
        yield "modifier '@'"
    if node.matchers.or_matchers:
        yield "'or' between a selector's labels"
    if not node.name and not names:
        yield "a selector without a metric"
    if any(one.op != promql.MatchOp.Equal for one in names):
        yield "a selector of several metrics"


def _problems(node: Expr, *, root: bool, top: bool) -> Iterator[str]:
    """Return the problems: ``root`` is the whole query, ``top`` the query or an operand of a chain of "or"."""
    match node:
        case promql.ParenExpr():
            yield from _problems(node.expr, root=root, top=top)
            return
        case promql.BinaryExpr():
            yield from _binary_problems(node, root=root, top=top)
        case promql.Call():
            yield from _call_problems(node)
        case promql.AggregateExpr():
            yield from _aggregation_problems(node)
        case promql.SubqueryExpr():
            yield "a subquery"
        case promql.UnaryExpr() if _without(node):
            yield "'without' after a sign"
        case promql.MatrixSelector() if root:
            yield "a range as the result"
        case promql.VectorSelector():
            yield from _selector_problems(node)
        case _:
            pass
    below = top and isinstance(node, promql.BinaryExpr) and str(node.op) == "or"
    for child in children(node):
        yield from _problems(child, root=False, top=below)


def _or_operands(node: Expr) -> int:
    node = _bare(node)
    if isinstance(node, promql.BinaryExpr) and str(node.op) == "or":
        return _or_operands(node.lhs) + _or_operands(node.rhs)
    return 1


def limits(query: str) -> list[str]:
    """Return the parts of a query that Elasticsearch rejects, empty if it evaluates the query."""
    node = parse(query)
    found = list(_problems(node, root=True, top=True))
    if _or_operands(node) > _OR_OPERANDS:
        found.append(f"more than {_OR_OPERANDS} operands of 'or'")
    return found
