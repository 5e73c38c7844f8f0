# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups, with responses of AWS from botocore's stubber."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from ansible._internal._task import TaskContext
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar, trust_as_template
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values import reader
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.lookup import placeholders
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import shared_values, variables
from botocore.stub import Stubber

SECRET = "dataplatform.fleet.fleet_secret"
PARAMETER = "dataplatform.fleet.fleet_parameter"
MEMBERS = "dataplatform.fleet.fleet_members"
SESSION = botocore.session.Session()
GROUPS = {"managed": ["staging"], "purpose_workload": ["staging"]}


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    found: dict[str, Stubber] = {}

    def client(service: str) -> Any:
        made = SESSION.create_client(
            service, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        found[service] = Stubber(made)
        found[service].activate()
        return made

    clients = {service: client(service) for service in ("secretsmanager", "ssm")}
    monkeypatch.setattr(reader, "_connect", lambda _connection, service: clients[service])
    monkeypatch.setattr(reader, "_clients", {})
    reader.forget()
    yield found
    for stub in found.values():
        stub.assert_no_pending_responses()
    reader.forget()


def look_up(plugin: str, *paths: str, **options: Any) -> Any:
    known = {**variables("vpc"), "fleet_values": {}, "groups": GROUPS, **options}
    terms = ", ".join(f"'{path}'" for path in paths)
    return Templar(DataLoader(), variables=known).template(trust_as_template(f"{{{{ lookup('{plugin}', {terms}) }}}}"))


def test_explicit_values_take_precedence(stubs: dict[str, Stubber]) -> None:
    assert look_up(SECRET, "a/b/c", fleet_values={"a/b/c": "mine"}) == "mine"
    assert look_up(PARAMETER, "a/b", fleet_values={"a/b": "mine"}) == "mine"


def test_a_document_is_read_once(stubs: dict[str, Stubber]) -> None:
    document = json.dumps({"username": "staging", "password": "generated"})
    stubs["secretsmanager"].add_response(
        "get_secret_value", {"SecretString": document}, {"SecretId": "dataplatform/staging/kafka"}
    )
    assert look_up(SECRET, "staging/kafka/username", "staging/kafka/password") == "staging,generated"
    assert look_up(SECRET, "staging/kafka/password") == "generated"


def test_a_parameter(stubs: dict[str, Stubber]) -> None:
    stubs["ssm"].add_response(
        "get_parameter",
        {"Parameter": {"Value": "kafka:9094"}},
        {"Name": "/dataplatform/kafka/bootstrap", "WithDecryption": True},
    )
    assert look_up(PARAMETER, "kafka/bootstrap") == "kafka:9094"


def test_omitted_values_are_not_part_of_a_connection(
    stubs: dict[str, Stubber], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    connect = reader._connect
    monkeypatch.setattr(reader, "_connect", lambda given, service: seen.append(dict(given)) or connect(given, service))
    stubs["ssm"].add_response(
        "get_parameter", {"Parameter": {"Value": "v"}}, {"Name": "/dataplatform/a/b", "WithDecryption": True}
    )
    there = {"profile": trust_as_template("{{ omit }}"), "region": "eu-west-1"}
    known = {**variables("vpc"), "fleet_values": {}, "groups": GROUPS, "there": there}
    text = trust_as_template(f"{{{{ lookup('{PARAMETER}', 'a/b', connection=there) }}}}")
    assert Templar(DataLoader(), variables=known).template(text) == "v"
    assert seen == [{"region": "eu-west-1"}]


def test_a_missing_value_is_an_error_and_is_not_cached(stubs: dict[str, Stubber]) -> None:
    for _ in range(2):
        stubs["secretsmanager"].add_client_error("get_secret_value", "ResourceNotFoundException")
        with pytest.raises(AnsibleError, match="Run first: ansible-playbook site"):
            look_up(SECRET, "staging/kafka/password", ansible_check_mode=True)


def test_a_deleted_secret_is_missing(stubs: dict[str, Stubber]) -> None:
    stubs["secretsmanager"].add_client_error(
        "get_secret_value",
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
    )
    with pytest.raises(AnsibleError, match="does not exist in eu-central-1"):
        look_up(SECRET, "staging/kafka/password")


def test_check_mode_stands_in_for_what_the_run_makes(stubs: dict[str, Stubber]) -> None:
    both = {"managed": ["controlplane", "staging"], "purpose_controlplane": ["controlplane"]}
    stubs["secretsmanager"].add_client_error("get_secret_value", "ResourceNotFoundException")
    found = look_up(SECRET, "staging/kafka/password", groups=both, ansible_check_mode=True)
    assert found == "made-by-this-run:staging/kafka/password"
    stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")
    found = look_up(PARAMETER, "kafka/bootstrap", groups=both, ansible_check_mode=True)
    assert found == "made-by-this-run:kafka/bootstrap"


def test_no_variable_allows_a_text_in_place_of_a_value(stubs: dict[str, Stubber]) -> None:
    secret = {"SecretString": json.dumps({"password": "generated"})}
    stubs["secretsmanager"].add_response("get_secret_value", secret, None)
    assert look_up(SECRET, "staging/kafka/password", fleet_stand_ins=True) == "generated"
    with placeholders():
        assert look_up(SECRET, "staging/kafka/password") == "made-by-this-run:staging/kafka/password"


@pytest.mark.parametrize(("excepted", "is_placeholder"), [(None, True), (True, True), (False, False)])
def test_a_task_that_check_mode_excepts_has_no_placeholder(
    stubs: dict[str, Stubber], excepted: bool | None, is_placeholder: bool
) -> None:
    both = {"managed": ["controlplane"], "purpose_controlplane": ["controlplane"]}
    stubs["secretsmanager"].add_client_error("get_secret_value", "ResourceNotFoundException")
    task = Task.load(
        {"name": "x", "ansible.builtin.debug": {}, "check_mode": excepted} if excepted is not None else {"debug": {}}
    )
    with TaskContext.create(task=task, task_vars={}, host_name="staging"):
        if is_placeholder:
            assert look_up(SECRET, "a/kafka/b", groups=both, ansible_check_mode=True) == "made-by-this-run:a/kafka/b"
        else:
            with pytest.raises(AnsibleError, match="does not exist"):
                look_up(SECRET, "a/kafka/b", groups=both, ansible_check_mode=True)


def test_a_refusal_names_the_refused_object(stubs: dict[str, Stubber]) -> None:
    stubs["secretsmanager"].add_client_error("get_secret_value", "AccessDeniedException", "no")
    with pytest.raises(
        AnsibleError, match="dataplatform/staging/kafka could not be read in eu-central-1: AccessDenied"
    ):
        look_up(SECRET, "staging/kafka/password", ansible_check_mode=True)


def test_no_error_carries_a_value(stubs: dict[str, Stubber]) -> None:
    stubs["secretsmanager"].add_response("get_secret_value", {"SecretString": "hunter2, not JSON"})
    with pytest.raises(AnsibleError) as caught:
        look_up(SECRET, "staging/kafka/password")
    assert "is not JSON" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_values_for_tests_have_every_kind() -> None:
    values = shared_values()
    assert values["staging/kafka/username"] == "staging"
    assert "-----BEGIN PRIVATE KEY-----" in values["controlplane/tls/kafka/private_key"]
    assert "staging/tls/kafka/certificate" not in values
    assert len(values["controlplane/passwords/kafka-cluster-id"]) == 22
    assert all(len(value) == 22 for path, value in values.items() if "/kafka-directory-" in path)


def test_a_parameter_may_have_a_default(stubs: dict[str, Stubber]) -> None:
    def look(**options: Any) -> Any:
        known = {**variables("vpc"), "fleet_values": {}, "groups": GROUPS, **options}
        text = f"{{{{ lookup('{PARAMETER}', 'members', default='none') }}}}"
        return Templar(DataLoader(), variables=known).template(trust_as_template(text))

    stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")
    assert look() == "none"
    with placeholders():
        assert look() == "none"
    stubs["ssm"].add_response("get_parameter", {"Parameter": {"Value": "some"}}, None)
    assert look() == "some"


# -- members that have been built


DECLARED = [f"{member}/tls" for member in ("controlplane", "production", "staging", "testing")]


def listed(stubs: dict[str, Stubber], *names: str, late: Sequence[str] = (), tagged: bool = True) -> None:
    """Existing secrets. Those in ``late`` are missing in lists."""
    wanted = {"Filters": [{"Key": "name", "Values": ["dataplatform/"]}]}
    shown = [{"Name": f"dataplatform/{name}"} for name in set(names) ^ set(late)]
    stubs["secretsmanager"].add_response("list_secrets", {"SecretList": shown}, wanted)
    for name in sorted({*DECLARED, *(name for name in set(names) ^ set(late) if name.endswith("/tls"))}):
        asked = {"SecretId": f"dataplatform/{name}"}
        tags = [{"Key": "dataplatform.fleet/member", "Value": name.split("/")[0]}] if tagged else []
        deleted = {} if name in names else {"DeletedDate": datetime(2026, 1, 1, tzinfo=UTC)}
        if name in names or name in late:
            stubs["secretsmanager"].add_response("describe_secret", {"Name": name, "Tags": tags, **deleted}, asked)
        else:
            stubs["secretsmanager"].add_client_error(
                "describe_secret", "ResourceNotFoundException", expected_params=asked
            )


def test_members_are_built_once_they_have_certificates(stubs: dict[str, Stubber]) -> None:
    listed(stubs, "ca", "staging/issuer", "staging/tls", "production/issuer", "gone/tls", "controlplane/tls")
    assert look_up(MEMBERS) == "controlplane,staging"


def test_members_that_are_built_and_not_declared(stubs: dict[str, Stubber]) -> None:
    known = {**variables("vpc"), "fleet_values": {}, "groups": GROUPS}
    text = trust_as_template(f"{{{{ query('{MEMBERS}', undeclared=true) }}}}")
    listed(stubs, "ca", "staging/tls", "gone/tls", "left/issuer", "deep/er/tls")
    assert Templar(DataLoader(), variables=known).template(text) == ["gone"]
    reader.forget()
    listed(stubs, "mine/tls", tagged=False)
    assert Templar(DataLoader(), variables=known).template(text) == []
    with placeholders():
        assert Templar(DataLoader(), variables=known).template(text) == []


def test_a_list_that_lags_behind_is_not_believed(stubs: dict[str, Stubber]) -> None:
    known = {**variables("vpc"), "fleet_values": {}, "groups": GROUPS}
    listed(stubs, "controlplane/tls", "staging/tls", late=["staging/tls", "production/tls", "gone/tls"])
    assert look_up(MEMBERS) == "controlplane,staging"
    reader.forget()
    listed(stubs, "controlplane/tls", late=["gone/tls"])
    text = trust_as_template(f"{{{{ query('{MEMBERS}', undeclared=true) }}}}")
    assert Templar(DataLoader(), variables=known).template(text) == []


def test_members_given_by_hand_hide_none_that_left(stubs: dict[str, Stubber]) -> None:
    given = {"staging/tls/a/certificate": "c", "mine/tls/a/certificate": "c", "typed/tls/a/certificate": "c"}
    known = {**variables("vpc"), "fleet_values": given, "groups": GROUPS, "remove": "typed"}
    listed(stubs, "gone/tls")
    text = trust_as_template(f"{{{{ query('{MEMBERS}', undeclared=true) }}}}")
    assert Templar(DataLoader(), variables=known).template(text) == ["gone", "mine"]


def test_check_mode_counts_those_that_the_run_builds(stubs: dict[str, Stubber]) -> None:
    listed(stubs, "controlplane/tls")
    assert look_up(MEMBERS, ansible_check_mode=True) == "controlplane,staging"


def test_playbooks_that_remove_members_create_none(stubs: dict[str, Stubber]) -> None:
    listed(stubs, "controlplane/tls")
    known = {**variables("vpc"), "fleet_values": {}, "groups": GROUPS, "ansible_check_mode": True}
    text = trust_as_template(f"{{{{ query('{MEMBERS}', planned=false) }}}}")
    assert Templar(DataLoader(), variables=known).template(text) == ["controlplane"]


def test_members_without_aws(stubs: dict[str, Stubber]) -> None:
    with placeholders():
        assert look_up(MEMBERS) == "controlplane,production,staging,testing"
    assert (
        look_up(MEMBERS, fleet_values={"staging/tls/a/certificate": "c", "other/tls/a/certificate": "c"}) == "staging"
    )


def test_members_that_cannot_be_listed(stubs: dict[str, Stubber]) -> None:
    stubs["secretsmanager"].add_client_error("list_secrets", "AccessDeniedException", "no")
    with pytest.raises(AnsibleError, match=r"dataplatform/\*/tls could not be read in eu-central-1: AccessDenied"):
        look_up(MEMBERS)


def test_names_and_parameters_are_read_once(stubs: dict[str, Stubber]) -> None:
    listed(stubs, "staging/tls")
    stubs["ssm"].add_response(
        "get_parameter", {"Parameter": {"Value": "v"}}, {"Name": "/dataplatform/a/b", "WithDecryption": True}
    )
    for _ in range(2):
        assert look_up(MEMBERS) == "staging"
        assert look_up(PARAMETER, "a/b") == "v"
