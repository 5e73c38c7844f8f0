# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing of YAML. tests/integration/apply/test_kubectl.py compares with kubectl; here are also the differences."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import yaml
from ansible.parsing.yaml.loader import AnsibleLoader
from ansible.template import trust_as_template
from ansible_collections.dataplatform.fleet.plugins.module_utils import _yamltext as yamltext
from hypothesis import given
from hypothesis import strategies as st

ROCKET = "\U0001f680"


def read(text: str) -> Any:
    (document,) = yamltext.documents(text)
    return document.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # Words: go-yaml's resolve.go.
        ("=", "="),
        ("<<", "<<"),
        ("y", True),
        ("Off", False),
        ("yEs", "yEs"),
        ("~", None),
        ("nUll", "nUll"),
        ("! 12", 12),
        ("!!str 12", "12"),
        ("!!value x", "x"),
        ("!<tag:example> x", "x"),
        ("!!binary |\n  aGVs\n  bG8=", "hello"),
        # Numbers: strconv's ParseInt with base 0, and go-yaml's own pattern of a float.
        ("0644", 420),
        ("0o644", 420),
        ("0x1F", 31),
        ("0b_11", 3),
        ("0b-11", -3),
        ("08", 8),
        ("1_000", 1000),
        ("_1", "_1"),
        ("12:30:45", "12:30:45"),
        ("1e3", 1000),
        ("1.5e3", 1500),
        (".5", 0.5),
        ("1e400", "1e400"),
        ("-0.0", 0),
        ("9223372036854775807", 9223372036854775807),
        ("18446744073709551615", 18446744073709551616.0),
        ("99999999999999999999", 1e20),
        ("2026-01-01", "2026-01-01"),
        ("!!timestamp 2026-01-01", "2026-01-01"),
        ("!!float 1", 1),
        # Keys become text.
        ("{1: a, 1.5: b, y: c, 1e7: d, .inf: e}", {"1": "a", "1.5": "b", "true": "c", "1e+07": "d", ".inf": "e"}),
        # Things are taken in their order.
        ("{a: &a {k: 1}, b: {k: 2, <<: *a}, c: {<<: *a, k: 2}}", {"a": {"k": 1}, "b": {"k": 1}, "c": {"k": 2}}),
        ("[&a {k: 1}, &b {k: 2}, {<<: [*a, *b]}]", [{"k": 1}, {"k": 2}, {"k": 1}]),
        ('{"<<": 1}', {"<<": 1}),
        ("!!set {a, b}", {"a": None, "b": None}),
        # JSON is parsed as JSON: line ends are only those of JSON, and strings can contain every character.
        ('{"a": "\x7f\x85\u2028", "b": 1.0}', {"a": "\x7f\x85\u2028", "b": 1}),
        ('\ufeff{"a":\t"\\ud83d\\ude80"}', {"a": ROCKET}),
        # Two escapes are one character, but only where they are escapes.
        ('a: "\\ud83d\\ude80"', {"a": ROCKET}),
        ("é: '\\ud83d\\ude80'", {"é": "\\ud83d\\ude80"}),
        ('é: ["\\\\ud83d\\\\ude80", "\\\\\\ud83d\\ude80"]', {"é": ["\\ud83d\\ude80", "\\" + ROCKET]}),
        ("é: [1, \\ud83d\\ude80]", {"é": [1, "\\ud83d\\ude80"]}),
        ('é: |\n  "\\ud83d\\ude80"\nb: "\\ud83d\\ude80"', {"é": '"\\ud83d\\ude80"\n', "b": ROCKET}),
        (f"a: {ROCKET}", {"a": ROCKET}),
    ],
)
def test_requests_of_the_read_step(text: str, value: Any) -> None:
    found = read(text)
    assert found == value
    assert json.dumps(found) == json.dumps(value)


def test_a_few_lines_that_grow_to_gigabytes_are_refused() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    with pytest.raises(yamltext.TextError, match="too many aliases"):
        yamltext.documents(text)


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, '{"a":' * 50_000 + "1" + "}" * 50_000])
def test_too_deeply_nested_documents_are_refused(text: str) -> None:
    with pytest.raises(yamltext.TextError, match="nested too deeply"):
        yamltext.documents(text)


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("form", ["a: {}", '{{"a": {}}}', "a: -{}", "a: 0x{}"])
def test_a_number_of_many_digits_is_text(form: str, digits: int) -> None:
    assert isinstance(read(form.format("9" * digits))["a"], str)


texts = st.text(st.characters(exclude_categories=["Cs"]))
# YAML limits a key to 1024 characters as it is written (https://yaml.org/spec/1.2.2/#742-flow-mappings).
LONGEST_KEY = 1024
keys = texts.filter(lambda key: len(json.dumps(key)) <= LONGEST_KEY)
# Difficult inputs for parsers, with a higher probability.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False).map(yamltext.number),
    texts,
    st.text("0123456789.eE+-_xob:yYnN~=<!'\"\\u \n\t\r\x85\u2028\ufeff\x7f\x00" + ROCKET, max_size=6),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


@given(values)
def test_requests_are_equal_as_json_and_yaml(value: Any) -> None:
    sent = yamltext.encode(value)
    assert json.loads(sent) == value
    # A list, so that it is not taken for JSON.
    assert read(f"[{sent.decode()}]") == [value]


@given(values)
def test_ansible_s_json_is_read_as_it_was(value: Any) -> None:
    assert read(f"a: [{json.dumps(value)}]\n") == {"a": [value]}


@pytest.mark.parametrize(("longer", "taken"), [(0, True), (1, False)])
def test_keys_are_as_long_as_yaml_allows(longer: int, taken: bool) -> None:
    key = ROCKET + "k" * (LONGEST_KEY - len(json.dumps(ROCKET)) + longer)
    text = f"a: [{json.dumps({key: 1})}]\n"
    if taken:
        assert read(text) == {"a": [{key: 1}]}
    else:
        with pytest.raises(yamltext.TextError):
            read(text)
    # Ansible's own parser takes no more.
    plain = text.replace("\\ud83d\\ude80", "x" * 12)
    with contextlib.nullcontext() if taken else pytest.raises(yaml.YAMLError):
        assert AnsibleLoader(plain).get_single_data()


@given(values)
def test_human_readable_output_can_be_parsed(value: Any) -> None:
    assert read(yamltext.dump({"a": value})) == {"a": value}


def test_variables_lose_their_tags_and_keep_their_types() -> None:
    value = {trust_as_template("a"): [trust_as_template("x"), 1, 1.5, True, None, ("y",)], 1: 2.0}
    plain = yamltext.plain(value)
    assert plain == {"a": ["x", 1, 1.5, True, None, ["y"]], "1": 2}
    assert [type(item) for item in plain["a"]] == [str, int, float, bool, type(None), list]
    assert [type(key) for key in plain] == [str, str]


@pytest.mark.parametrize("value", ["\ud83d", float("inf"), b"x", {"1": 1, 1: 2}, {None: 1}, ["a", {"\ud83d": 1}]])
def test_variables_that_json_has_not_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        yamltext.plain(value)
