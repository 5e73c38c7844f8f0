# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML and JSON as kubectl reads them: JSON's types only, and each document by itself.

kubectl reads with sigs.k8s.io/yaml, which is go-yaml v2, whose words and numbers are neither YAML 1.1's nor 1.2's.
Source: go.yaml.in/yaml/v2 (resolve.go, decode.go), sigs.k8s.io/yaml (yaml.go), k8s.io/apimachinery (pkg/util/yaml,
pkg/util/json); tests/integration/apply/test_kubectl.py compares. Stricter than kubectl: no key and no anchor
twice, no bytes that are not text. More lenient: characters that JSON writes as two escapes.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

try:
    import yaml
except ImportError:  # where a module runs; the controller has PyYAML
    yaml = None  # type: ignore[assignment]

Value = Any  # whatever JSON or YAML can hold

Node = Any  # of PyYAML
HAS_YAML: Final = yaml is not None
_SafeLoader: Value = getattr(yaml, "CSafeLoader", getattr(yaml, "SafeLoader", object))
_SafeDumper: Value = getattr(yaml, "SafeDumper", object)

_YAML: Final = "tag:yaml.org,2002:"
_BINARY, _MERGE, _STR, _TIMESTAMP = (_YAML + name for name in ("binary", "merge", "str", "timestamp"))
_TYPES: Final[dict[str, type]] = {
    _YAML + "bool": bool,
    _YAML + "float": float,
    _YAML + "int": int,
    _YAML + "null": type(None),
}
_PLAIN: Final = ""  # no tag, and no quotes: what it is follows from its letters

_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
}
_INT: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_SIGNED_BINARY: Final = re.compile(r"0b([-+][01]+)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_POINT: Final = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_TIME: Final = r"\d\d?:\d\d?:\d\d?([.,]\d+)?"
_DATE: Final = re.compile(rf"\d{{4}}-\d\d?-\d\d?([Tt]{_TIME}(Z|[-+]\d\d:\d\d)| {_TIME})?")
_INT64: Final = 1 << 63

_ESCAPE: Final = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.DOTALL)
# Where a line begins with a byte order mark, libyaml skips it, and go-yaml keeps it but at a document's start.
_MARK: Final = re.compile("(?<!---)[\n\r\x85\u2028\u2029]\ufeff")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class Document:
    """A document's value, the line (from 1) on which it begins, and its node; JSON has none. Or an *item* of a List."""

    value: Value
    line: int
    node: Node = None
    item: bool = False


class TextError(Exception):
    """What is wrong and what to do, and the line (from 1). Never shows a value, which may be a secret."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


class _Loader(_SafeLoader):  # type: ignore[misc]
    """Only composes nodes; a scalar's tag is what is written, or nothing."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def resolve(self, kind: type, _value: str, implicit: Value) -> str:
        return _PLAIN if kind is not yaml.ScalarNode or implicit[0] else _STR


def documents(text: str) -> list[Document]:
    """The documents of a text. Raises TextError."""
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] == "{":
        try:
            return list(_json(text))
        except ValueError:
            pass  # a flow mapping of YAML, or wrong: the other parser says where
        except RecursionError:
            raise TextError(1, "it is nested too deeply") from None
    try:
        return [Document(_Reader().value(node), node.start_mark.line + 1, node) for node in nodes(text)]
    except RecursionError:
        raise TextError(1, "it is nested too deeply") from None


def nodes(text: str) -> list[Node]:
    """The documents' nodes. Raises TextError."""
    text = text.removeprefix("\ufeff")
    if found := _MARK.search(text):
        line = text.count("\n", 0, found.end()) + 1
        raise TextError(line, "the line begins with a byte order mark (U+FEFF), which is not seen: take it out")
    try:
        return [node for node in yaml.compose_all(_whole_characters(text), Loader=_Loader) if node is not None]
    except yaml.reader.ReaderError as error:
        line = text.encode(errors="replace")[: error.position].count(b"\n") + 1
        what = "a character" if not isinstance(error.character, int) else f"the character U+{error.character:04X}"
        problem = f'{what} cannot be written in YAML: write it as an escape in double quotes, "\\u…"'
        raise TextError(line, problem) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        raise TextError(mark.line + 1 if mark else 1, _advice(str(getattr(error, "problem", None) or error))) from None
    except UnicodeEncodeError as error:
        raise TextError(text.count("\n", 0, error.start) + 1, "it has half of a character, which is no text") from None


_ADVICE: Final[Mapping[str, str]] = {
    "cannot start any token": "; indent with spaces, and put text that begins with such a character in quotes",
    "invalid Unicode character escape code": "; half of a character is no text: write the whole one",
    "mapping values are not allowed": "; put text with a colon in quotes, and look at the indentation",
    "unknown escape character": "; put text with backslashes in single quotes",
    "undefined alias": "; put text that begins with * in quotes",
}


def _advice(problem: str) -> str:
    return problem + next((advice for part, advice in _ADVICE.items() if part in problem), "")


def _whole_characters(text: str) -> str:
    r"""JSON, and Ansible's filters for it, write a character beyond U+FFFF as two escapes (RFC 8259, 7).

    YAML's parsers take none of the two. In double quotes they become the character; elsewhere they are letters.
    """
    if not _SURROGATE.search(text):
        return text
    # An escape of the same length that is allowed, so that places are the same in both texts.
    masked = _SURROGATE.sub(r"\\u0041", text)
    parts: list[str] = []
    end = 0
    for event in yaml.parse(masked, Loader=_Loader):
        if isinstance(event, yaml.ScalarEvent) and event.style == '"':
            first: Node = event.start_mark
            last: Node = event.end_mark
            parts += [text[end : first.index], _ESCAPE.sub(_character, text[first.index : last.index])]
            end = last.index
    return "".join([*parts, text[end:]])


def _character(escape: re.Match[str]) -> str:
    high, low = escape.groups()
    if not high:
        return escape[0]
    return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))


def _json(text: str) -> Iterator[Document]:
    """One object after the other. Raises ValueError if it is not JSON."""
    end = 0
    while True:
        begin = end + len(text[end:]) - len(text[end:].lstrip(" \t\r\n"))
        if begin == len(text):
            return
        value, end = _DECODER.raw_decode(text, begin)
        encode(value)
        yield Document(value, text.count("\n", 0, begin) + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def number(value: float) -> int | float:
    """A number as Kubernetes keeps it: an integer of 64 bits, or else a float. Raises ValueError for infinity."""
    try:
        finite = math.isfinite(value)
    except OverflowError:
        raise ValueError("JSON has no number so large") from None
    if not finite:
        raise ValueError(f"JSON has no number {value}")
    whole = value == int(value) and -_INT64 <= value < _INT64
    return int(value) if whole else float(value)


def _constant(text: str) -> float:
    raise ValueError(text)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=lambda text: number(int(text)),
    parse_float=lambda text: number(float(text)),
    parse_constant=_constant,
)
# What JSON allows in a string and YAML does not, or takes for the end of a line.
_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def encode(value: Value) -> bytes:
    """JSON that YAML's parsers read alike: the API server takes what is applied for YAML.

    Raises ValueError for half of a character, and for numbers that JSON does not have.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Texts of several lines stay readable."""

    def ignore_aliases(self, data: Value) -> bool:  # noqa: ARG002 - the base class' signature
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if isinstance(_plain(value), str) and value not in ("<<", "=") else "'"
    if "\n" in value:
        style = "|"
    if _NOT_IN_YAML.search(value):
        style = '"'
    return dumper.represent_scalar(_STR, value, style=style)


if HAS_YAML:
    _Dumper.add_representer(str, _text)


def dump(value: Value) -> str:
    """YAML that kubectl reads as the same value: PyYAML alone leaves y, 1e3 and 0o7 without quotes."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))


def plain(value: Value) -> Value:
    """A variable's value as Kubernetes would read it, without Ansible's tags. Raises ValueError if JSON has no such."""
    if isinstance(value, Mapping):
        found = {plain(key_text(key)): plain(item) for key, item in value.items()}
        if len(found) != len(value):
            raise ValueError(f"of the keys {', '.join(map(repr, value))}, two are the same text")
        return found
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, bytes):
        raise ValueError("bytes are no text")
    text = str(value)
    if not text.isprintable():
        encode(text)
    return text


def child(node: Node, step: str | int) -> tuple[Node, Node] | None:
    """(key node, value node) of a mapping's field, or a sequence's item twice."""
    if isinstance(node, yaml.MappingNode) and isinstance(step, str):
        return next((pair for pair in node.value if pair[0].value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


class _Reader:
    """From a document's nodes to its value."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._count = self._aliased = self._depth = 0

    def value(self, node: Node) -> Value:
        """A node's value; one that was met before is there by its alias."""
        alias = id(node) in self._seen
        self._seen.add(id(node))
        self._depth += alias
        self._measure(node, 1 + alias)
        if isinstance(node, yaml.ScalarNode):
            found = _scalar(node)
        else:
            if id(node) in self._open:
                raise _error(node, "an anchor's value contains itself")
            self._open.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                found = [self.value(item) for item in node.value]
            else:
                found = {}
                self._fill(found, node)
            self._open.discard(id(node))
        self._depth -= alias
        return found

    def _measure(self, node: Node, steps: int) -> None:
        """As go-yaml does against a few lines that grow to gigabytes."""
        self._count += steps
        if self._depth:
            self._aliased += steps
        allowed = 0.99 - 0.89 * min(max((self._count - 400_000) / 3_600_000, 0), 1)
        if self._aliased > 100 and self._count > 1000 and self._aliased > allowed * self._count:
            raise _error(node, "it has too many aliases (*…) of anchors in anchors: write the values")

    def _fill(self, found: dict[str, Any], node: Node) -> None:
        own: set[str] = set()
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                self._merge(found, value_node)
                continue
            key = self._key(key_node)
            if key in own:
                raise _error(key_node, f"the key {key!r} is there twice: take one of them out")
            own.add(key)
            found[key] = self.value(value_node)

    def _merge(self, found: dict[str, Any], node: Node) -> None:
        """What is merged replaces what is written above it: go-yaml takes things in their order."""
        several = isinstance(node, yaml.SequenceNode)
        for item in reversed(node.value) if several else [node]:
            if not isinstance(item, yaml.MappingNode):
                raise _error(item, "<< merges a mapping, or a list of them: put a key of this name in quotes")
            found.update(self.value(item))

    def _key(self, node: Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _error(node, "a key is a list or a mapping: only text can be one, so put it in quotes")
        key = self.value(node) if node.tag != _PLAIN else _plain(node.value)
        try:
            return key_text(key)
        except ValueError:
            raise _error(node, f"the key {node.value!r} is not text: write it in quotes") from None


def _is_merge(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and node.tag in (_PLAIN, _MERGE)


def key_text(key: Value) -> str:
    """A mapping's key as JSON has it. Raises ValueError for what can be none."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str):
        return str(key)
    if isinstance(key, int) and -_INT64 <= key < _INT64:
        return str(int(key))
    if isinstance(key, float):
        return _short(key)
    raise ValueError(f"{key!r} is no key")


def _short(value: float) -> str:
    """As Go's strconv.FormatFloat(value, 'g', -1, 32), which sigs.k8s.io/yaml writes a float's key with."""
    try:
        (single,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        single = math.copysign(math.inf, value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    texts = (f"{single:.{digits}e}" for digits in range(9))
    text = next(text for text in texts if struct.pack("f", float(text)) == struct.pack("f", single))
    digits, _, exponent = text.partition("e")
    decimals = len(digits.lstrip("-").replace(".", "")) - 1 - int(exponent)
    return f"{float(text):.{max(decimals, 0)}f}" if -4 <= int(exponent) < 6 else text


def _scalar(node: Node) -> Value:
    tag, text = node.tag, node.value
    if tag == _BINARY:
        return _binary(node)
    if tag == _TIMESTAMP and not _DATE.fullmatch(text):
        raise _error(node, "it is tagged !!timestamp and is none: remove the tag")
    if tag != _PLAIN and tag not in _TYPES:
        return text
    value = _plain(text)
    if tag != _PLAIN:
        wanted = _TYPES[tag]
        if wanted is float and type(value) is int and value < _INT64:
            value = float(value)
        if type(value) is not wanted:
            raise _error(node, f"it is tagged !!{tag.removeprefix(_YAML)} and is none: remove the tag")
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return number(value)
        except ValueError:
            raise _error(node, f"JSON has no number {text.strip()}: put it in quotes if it is meant as text") from None
    return value


def _binary(node: Node) -> str:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", node.value), validate=True).decode()
    except UnicodeDecodeError:
        problem = "is not text, and would not arrive as it is"
    except ValueError:
        problem = "is not base64"
    raise _error(node, f"the value with !!binary {problem}. Leave !!binary out: a Secret's data is base64 without it")


def _plain(text: str) -> Value:
    """What letters without quotes and tag mean."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _finite(text.replace("_", ""), text) if _POINT.fullmatch(text) else text
    if text[0] not in "0123456789+-":
        return text
    bare = text.replace("_", "")
    whole = _integer(bare)
    if whole is not None:
        return whole
    return _finite(bare, text) if _FLOAT.fullmatch(bare) else text


def _integer(bare: str) -> int | None:
    """As Go's ParseInt and ParseUint with base 0, and go-yaml's own binary numbers with a sign behind ``0b``."""
    value: int | None = None
    if found := _INT.fullmatch(bare):
        sign, *parts = found.groups()
        base, digits = next((base, part) for base, part in zip((16, 2, 8, 10), parts, strict=True) if part)
        # Python refuses to read integers of thousands of digits; none of 64 bits has more than 66.
        value = int(sign + digits, base) if len(digits.lstrip("0_")) <= 80 else None
    elif found := _SIGNED_BINARY.fullmatch(bare):
        sign, value = "+", int(found[1], 2)
    return value if value is not None and -_INT64 <= value < (_INT64 if sign else 2 * _INT64) else None


def _finite(bare: str, text: str) -> float | str:
    value = float(bare)
    return value if math.isfinite(value) else text


def _error(node: Node, problem: str) -> TextError:
    return TextError(node.start_mark.line + 1, problem)
