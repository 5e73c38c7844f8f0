# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import EncryptedString
from ansible_collections.dataplatform.fleet.plugins.callback import option_types
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.options import (
    converted,
    role_of_options,
    specifications,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.options import refusals, rule_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.rules import COMPOUND
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

CHECKOUT = Path(__file__).resolve().parents[4]
# For each type of options: the text on a command line, and the expected value in the role.
TEXTS: dict[str, tuple[str, Any]] = {
    "bool": ("false", False),
    "int": ("7", 7),
    "float": ("0.5", 0.5),
    "list": ("a,b", ["a", "b"]),
    "dict": ('{"a":"b"}', {"a": "b"}),
    "str": ("false", "false"),
}


def declared() -> dict[str, dict[str, Any]]:
    """Return every option of every role, read without the tested code."""
    options: dict[str, dict[str, Any]] = {}
    for path in sorted(CHECKOUT.glob("roles/*/meta/argument_specs.yml")):
        for entry in parse(path.read_text())["argument_specs"].values():
            options.update(entry.get("options") or {})
    return options


def seen(variables: dict[str, str], tmp_path: Path, names: list[str], *, extra: bool) -> dict[str, Any]:
    """Return a task's values of text variables, set with -e name=value or in the inventory."""
    inventory = tmp_path / "hosts.yml"
    host = {"ansible_connection": "local"} | ({} if extra else variables)
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"cluster": host}}}))
    task = {"ansible.builtin.copy": {"content": "{{ __seen | to_json }}", "dest": str(tmp_path / "seen.json")}}
    template = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} }}"
    play = [{"hosts": "all", "gather_facts": False, "vars": {"__seen": template}, "tasks": [task]}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    given = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")] if extra else []
    done = ansible_playbook(tmp_path / "play.yml", "-i", str(inventory), *given)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads((tmp_path / "seen.json").read_text())
    return result


@pytest.mark.parametrize("extra", [True, False], ids=["extra variables", "inventory"])
def test_every_option_of_every_role_given_as_text_has_its_type(tmp_path: Path, extra: bool) -> None:
    options = {name: option for name, option in declared().items() if "choices" not in option}
    texts = {name: TEXTS[option["type"]] for name, option in options.items() if option["type"] in TEXTS}
    assert {"bool", "int", "list", "dict", "str"} <= {option["type"] for option in options.values()}
    # Lists of numbers and of dicts are tested below.
    texts = {name: text for name, text in texts.items() if options[name].get("elements", "str") == "str"}
    found = seen({name: text for name, (text, _) in texts.items()}, tmp_path, list(texts), extra=extra)
    assert found == {name: value for name, (_, value) in texts.items()}


def test_a_template_has_its_type_when_it_is_used(tmp_path: Path) -> None:
    variables = {
        "elasticsearch_nodes": "{{ 2 + 1 }}",
        "elasticsearch_snapshots": "{{ elasticsearch_nodes == 1 }}",
    }
    found = seen(variables, tmp_path, list(variables), extra=False)
    assert found == {"elasticsearch_nodes": 3, "elasticsearch_snapshots": False}


@pytest.mark.parametrize(
    ("value", "specification", "expected"),
    [
        ("maybe", {"type": "bool"}, "maybe"),
        ("three", {"type": "int"}, "three"),
        (1.36, {"type": "str"}, "1.36"),
        (None, {"type": "bool"}, None),
        ("1,2", {"type": "list", "elements": "int"}, [1, 2]),
        ("medium", {"type": "str", "choices": ["small"]}, "medium"),
        # An omitted part remains absent: the role sets its default.
        (
            [{"name": "a", "protected": "no"}],
            {
                "type": "list",
                "elements": "dict",
                "options": {"name": {"type": "str"}, "protected": {"type": "bool"}, "labels": {"type": "dict"}},
            },
            [{"name": "a", "protected": False}],
        ),
        (
            {"on": "yes", "more": "no"},
            {"type": "dict", "options": {"on": {"type": "bool"}}},
            {"on": True, "more": "no"},
        ),
        (["{{ a }}", "b"], {"type": "list", "elements": "int"}, ["{{ a }}", "b"]),
        ("{{ a }}", {"type": "list"}, "{{ a }}"),
        # A template beside it does not leave a part as text.
        (
            {"on": "no", "b": "{{ c }}"},
            {"type": "dict", "options": {"on": {"type": "bool"}}},
            {"on": False, "b": "{{ c }}"},
        ),
        ("", {"type": "list"}, []),
        (" ", {"type": "dict"}, {}),
        ('["a", "b,c"]', {"type": "list", "elements": "str"}, ["a", "b,c"]),
        ("[1, 2]", {"type": "list", "elements": "int"}, [1, 2]),
        ("10.0.0.0/8\n192.168.0.0/16\n", {"type": "list", "elements": "str"}, ["10.0.0.0/8", "192.168.0.0/16"]),
        ('[{"on": "no"}]', {"type": "list", "elements": "dict", "options": {"on": {"type": "bool"}}}, [{"on": False}]),
        ("a=b", {"type": "dict"}, {"a": "b"}),
    ],
)
def test_converts_as_a_module_does(value: Any, specification: dict[str, Any], expected: Any) -> None:
    result = converted("option", value, specification)
    assert (result, type(result)) == (expected, type(expected))


def test_a_vaulted_text_is_not_decrypted() -> None:
    vaulted = EncryptedString(ciphertext="no key opens this")
    assert converted("option", vaulted, {"type": "str"}) is vaulted
    assert converted("option", {"a": vaulted}, {"type": "dict"}) == {"a": vaulted}


@pytest.mark.parametrize("given", ["-e elasticsearch_nodes=3", '-e {"elasticsearch_delete_snapshots":"false"}'])
def test_text_is_refused_where_the_callback_is_not_enabled(tmp_path: Path, given: str) -> None:
    play = tmp_path / "play.yml"
    task = {"dataplatform.fleet.check_role_options": {"roles": ["elasticsearch"]}}
    play.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    arguments = (play, *given.split(" ", 1))
    assert ansible_playbook(*arguments).returncode == 0
    (tmp_path / "other.cfg").write_text(f"[defaults]\ncollections_path = {CHECKOUT / 'collections'}\n")
    refused = ansible_playbook(*arguments, config=tmp_path / "other.cfg")
    assert refused.returncode != 0
    assert "and is the text" in refused.stdout + refused.stderr
    assert "dataplatform.fleet.option_types" in refused.stdout + refused.stderr


def test_a_boolean_for_a_text_option_becomes_the_text_in_yaml() -> None:
    assert converted("a_text", False, {"type": "str"}) == "false"
    assert converted("a_list", [True, 1, "on"], {"type": "list", "elements": "str"}) == ["true", "1", "on"]
    assert converted(
        "a_list", [{"name": True}], {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}}}
    ) == [{"name": "true"}]


def test_other_variables_are_unchanged_and_nothing_is_printed(tmp_path: Path) -> None:
    given = ["vpc_az_cuont", "__vpc_az_count", "site_debug", "aws_region"]
    for extra in (True, False):
        found = seen({"vpc_az_count": "3"} | dict.fromkeys(given, "1"), tmp_path, ["vpc_az_count", *given], extra=extra)
        assert found == {"vpc_az_count": 3} | dict.fromkeys(given, "1")
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": []}]))
    (tmp_path / "without.cfg").write_text(f"[defaults]\ncollections_path = {CHECKOUT / 'collections'}\n")
    arguments = (tmp_path / "play.yml", "-e", "vpc_az_count=3", "-e", "vpc_flow_logs=maybe")
    plain = {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_LOCALHOST_WARNING": "false"}
    without, enabled = (
        ansible_playbook(*arguments, config=tmp_path / "without.cfg", **plain, **more)
        for more in ({}, {"ANSIBLE_CALLBACKS_ENABLED": "dataplatform.fleet.option_types"})
    )
    assert (enabled.stdout, enabled.stderr) == (without.stdout, without.stderr)


def numbers(rule: Any) -> Iterator[tuple[Any, Any]]:
    """Yield dictionaries and lists with one text in place of another type, with the expected result."""
    rule = COMPOUND.get(rule, rule) if isinstance(rule, str) else rule
    for each in rule if isinstance(rule, list) else [rule]:
        if isinstance(each, dict):
            for key, part in each.items():
                for text, value in numbers(part):
                    yield {KEYS.get(key, key): text}, {KEYS.get(key, key): value}
        elif each == "boolean":
            yield "false", False
        elif " .. " in each:
            least = each.split(" .. ")[0]
            yield from [(least, int(least))] if least.lstrip("-").isdigit() else []


# A key of each kind that a rule names.
KEYS = {
    "<annotation>": "a",
    "<label_key>": "a",
    "<nodegroup_name>": "a",
    "<quota_name>": "count/pods",
    "<resource_name>": "a",
    "<secret_key>": "a",
    "<some_text>": "a",
    "<topic>": "a",
    "<word>": "coredns",
}
INSIDE = [
    (role, name, text, value)
    for name, role in role_of_options().items()
    for text, value in numbers(rule_of(role, name) or "anything")
    if isinstance(text, dict)
]


def test_numbers_and_booleans_inside_are_found() -> None:
    """Every rule of every role, those of parts that have a name of their own too."""
    found = {(name, *_path(text)) for _, name, text, _ in INSIDE}
    assert {
        ("eks_addons", "coredns"),
        ("eks_nodegroups", "a", "min_size"),
        ("kafka_topics", "a", "retention_bytes"),
        ("kafka_tolerations", "tolerationSeconds"),
        ("logstash_pipelines", "logs", "workers"),
    } <= found


def _path(value: Any) -> list[str]:
    return [str(key) for key, part in value.items() for key in (key, *_path(part))] if isinstance(value, dict) else []


@pytest.mark.parametrize(("role", "name", "text", "value"), INSIDE, ids=[f"{i[1]}-{i[2]}" for i in INSIDE])
def test_a_number_or_a_boolean_inside_of_an_option_has_its_type(role: Path, name: str, text: Any, value: Any) -> None:
    # What else an entry must have is not of interest.
    option = {key: part for key, part in specifications(role)[name].items() if key != "options"}
    if option["type"] == "list":
        text, value = [text], [value]
    for given in (text, json.dumps(text)):
        changed = option_types._changed({name: given})
        assert changed[name] == value
        assert refusals(role, name, changed[name], option) == []
    assert option_types._changed({name: value}) == {}


def test_options_that_also_accept_text_keep_text() -> None:
    given = {
        "eks_nodegroups": {"a": {"labels": {"one": "1", "yes": "true"}, "version": "1.35", "min_size": "two"}},
        "kafka_topics": {"a": {"config": {"retention.ms": "1000", "preallocate": "true"}}},
    }
    assert option_types._changed(given) == {}
