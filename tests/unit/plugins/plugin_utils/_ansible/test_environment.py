# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader
from ansible.template import Templar, trust_as_template
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.dataplatform.fleet.plugins.action import check_role_options
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import environment
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values import reader

TEMPLAR = Templar(DataLoader(), variables={"other": "b"})


def task(*given: Any) -> Task:
    made = Task()
    made.action, made.environment = "ansible.builtin.debug", list(given)
    return made


def test_the_innermost_value_counts_and_is_templated() -> None:
    outer = {"A": "a", "C": trust_as_template("{{ other }}")}
    found = environment.declared(task(outer, None, {"A": trust_as_template("{{ other }}"), "N": 5}), TEMPLAR)
    assert found == {"A": "b", "C": "b", "N": "5"}


def test_before_a_loop_what_uses_its_item_is_left_out() -> None:
    given = task({"AWS_PROFILE": trust_as_template("{{ item }}"), "AWS_REGION": trust_as_template("{{ other }}")})
    assert environment.declared(given, TEMPLAR, before_loop=True) == {"AWS_REGION": "b"}
    with pytest.raises(AnsibleUndefinedVariable):
        environment.declared(given, TEMPLAR)


def test_a_value_that_is_not_a_mapping_is_an_error() -> None:
    with pytest.raises(AnsibleError, match="is not a mapping of names to values"):
        environment.declared(task("text"), TEMPLAR)


def test_the_process_has_it_and_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "own")
    monkeypatch.delenv("https_proxy", raising=False)
    given = task({"AWS_PROFILE": "other", "https_proxy": "http://proxy"})
    with pytest.raises(ValueError, match="of what ran"), environment.environment_of(given, TEMPLAR):
        assert environment.way_to_aws().items() >= {("AWS_PROFILE", "other"), ("https_proxy", "http://proxy")}
        raise ValueError("of what ran")
    assert os.environ["AWS_PROFILE"] == "own"
    assert "https_proxy" not in os.environ


def test_a_lookup_in_an_environment_uses_the_outer_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Asking(Templar):
        def template(self, value: Any, **_: Any) -> Any:
            with environment.environment_of(task({"AWS_PROFILE": "inner"}), self):
                seen.append(os.environ["AWS_PROFILE"])
            return value

    monkeypatch.setenv("AWS_PROFILE", "own")
    with environment.environment_of(task({"AWS_PROFILE": "other"}), Asking(DataLoader())):
        assert os.environ["AWS_PROFILE"] == "other"
    assert seen == ["own"]


def test_without_a_task_a_lookup_has_the_process_own() -> None:
    before = dict(os.environ)
    with environment.environment_of_lookup(TEMPLAR):
        assert dict(os.environ) == before


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in environment.way_to_aws():
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize("name", [*reader.CREDENTIALS, "region", "endpoint_url"])
def test_lookups_know_the_variables_of_modules(clean: pytest.MonkeyPatch, name: str) -> None:
    _, variables = aws_argument_spec()[name]["fallback"]
    for variable in variables:
        with clean.context() as patch:
            patch.setenv(variable, "value")
            assert reader.completed({}) == {name: "value"}
            assert reader.completed({name: "mine"}) == {name: "mine"}


def test_keys_that_are_given_are_not_mixed_with_others(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("AWS_PROFILE", "other")
    clean.setenv("AWS_SESSION_TOKEN", "token")
    keys = {"access_key": "a", "secret_key": "b"}
    assert reader.completed({**keys, "session_token": None}) == keys
    with pytest.raises(reader.ReadError, match=r"a profile \(AWS_PROFILE\) and keys"):
        reader.completed({})


def test_every_action_has_it() -> None:
    names = {path.stem for path in Path(check_role_options.__file__).parent.glob("*.py")}
    plugins = {name: action_loader.get(f"dataplatform.fleet.{name}", class_only=True) for name in names}
    without = {name for name, plugin in plugins.items() if not hasattr(plugin.run, "__wrapped__")}
    assert without == {
        "check_alarms",
        "check_conditions",
        "check_role_options",
        "x509_certificates",
    }  # they read roles and variables only, and make no connection
