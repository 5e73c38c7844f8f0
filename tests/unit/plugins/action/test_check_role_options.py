# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.parsing.vault import EncryptedString
from ansible_collections.dataplatform.fleet.plugins.action.check_role_options import (
    from_vault,
    refused_keys,
    unknown_keys,
    unknown_options,
)
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

CHECKOUT = Path(__file__).resolve().parents[4]


def test_names_the_nearest_option() -> None:
    found = unknown_options("vpc", ["vpc_az_cuont", "vpc_cidr", "aws_region"], ["vpc_az_count", "vpc_cidr"])
    assert found == {"vpc_az_cuont": "vpc_az_count"}


def test_suggests_nothing_when_nothing_is_near() -> None:
    assert unknown_options("vpc", ["vpc_zzzzzzzzz"], ["vpc_cidr"]) == {"vpc_zzzzzzzzz": None}


def test_leaves_internals_and_roles_with_a_longer_name_alone() -> None:
    names = ["__vpc_net", "vpc_peering_accept", "vpcs"]
    assert unknown_options("vpc", names, ["vpc_cidr"], ["vpc", "vpc_peering"]) == {}


def test_looks_into_named_entries() -> None:
    groups = {"system": {"min_size": 1, "desired_szie": 2}, "broken": None}
    assert unknown_keys(groups, ["min_size", "desired_size"]) == {"system.desired_szie": "desired_size"}


def test_looks_at_the_keys_of_a_dictionary_and_at_what_they_take() -> None:
    allowed = {"acks": "-1 .. 1000", "codec": ["none", "zstd"], "keepalive": ["true", "false"], "client.id": None}
    assert refused_keys({"acks": -1, "codec": "ZSTD", "keepalive": True, "client.id": "x"}, allowed) == {}
    assert refused_keys({"akcs": 1, "codec": "zst", "acks": 1001}, allowed) == {
        "akcs": "acks",
        "codec: zst (it takes none, zstd)": None,
        "acks: 1001 (it takes -1 .. 1000)": None,
    }
    assert refused_keys({"acks": "all"}, allowed) == {"acks: all (it takes -1 .. 1000)": None}
    # YAML's true equals 1 in Python, but is not a number as text.
    assert refused_keys({"acks": True}, allowed) == {"acks: true (it takes -1 .. 1000)": None}
    assert refused_keys({"akcs": 1, "codec": "any"}, ["acks", "codec"]) == {"akcs": "acks"}


def test_a_key_may_have_any_end() -> None:
    allowed = ["listener.name.*", "log.dirs"]
    assert refused_keys({"listener.name.internal.ssl.client.auth": "required", "log.dirs": "/a"}, allowed) == {}
    assert refused_keys({"listener.names.a": 1, "log.dir": "/a"}, allowed) == {
        "listener.names.a": "listener.name.*",
        "log.dir": "log.dirs",
    }


def test_holds_a_key_to_a_pattern_for_all_of_its_text() -> None:
    allowed = {"size": {"pattern": "[0-9]+[km]?", "words": "a size such as 8k"}}
    assert refused_keys({"size": "8k"}, allowed) == refused_keys({"size": 8}, allowed) == {}
    for wrong in ("8kb", "8k\n", ""):
        assert refused_keys({"size": wrong}, allowed) == {f"size: {wrong} (it takes a size such as 8k)": None}


def test_a_text_made_of_a_vaulted_one_is_a_secret() -> None:
    secret = EncryptedString(ciphertext="$ANSIBLE_VAULT;1.1;AES256")
    variables = {"password": secret, "url": "{{ password | trim }}", "loop": "{{ loop }}", "host": "es"}
    assert from_vault(["{{ url }}"], variables)
    assert from_vault({"a": {"b": [secret]}}, variables)
    assert not from_vault("{{ host }}{{ loop }}", variables)
    assert not from_vault("password", variables)


@pytest.fixture
def play(tmp_path: Path) -> Path:
    role = tmp_path / "roles" / "cellar"
    (role / "meta").mkdir(parents=True)
    (role / "tasks").mkdir()
    (role / "meta" / "argument_specs.yml").write_text(
        "argument_specs: {main: {short_description: x, options: "
        "{cellar_depth: {type: int, description: x}, cellar_racks: {type: dict, description: x}, "
        "cellar_pump: {type: dict, description: x}}}}\n"
    )
    (role / "tasks" / "main.yml").write_text(
        "- name: Refuse misspelt options\n"
        "  dataplatform.fleet.check_role_options:\n"
        "    reserved: [cellar_discovered]\n"
        "    entries: {cellar_racks: [bottles]}\n"
        "    keys: {cellar_pump: {speed.rpm: 0 .. 900}}\n"
    )
    playbook = tmp_path / "play.yml"
    playbook.write_text("- hosts: localhost\n  gather_facts: false\n  roles: [cellar]\n")
    return playbook


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('{"cellar_depth": 3, "cellar_discovered": {}, "cellar_racks": {"a": {"bottles": 1}}}', None),
        ('{"cellar_dept": 3}', "cellar_dept (did you mean cellar_depth?)"),
        ('{"cellar_racks": {"a": {"botles": 1}}}', "cellar_racks.a.botles (did you mean bottles?)"),
        ('{"cellar_pump": {"speed.rpn": 1}}', "cellar_pump.speed.rpn (did you mean speed.rpm?)"),
        ('{"cellar_pump": {"speed.rpm": 901}}', "cellar_pump.speed.rpm: 901 (it takes 0 .. 900)"),
    ],
)
def test_in_a_role(play: Path, extra: str, message: str | None) -> None:
    status, output = run(play, extra)
    assert (status == 0) is (message is None), output
    assert (message or "failed=0") in output


@pytest.mark.parametrize(
    ("extra", "messages"),
    [
        ('{"vpc_cidr": "10.0.0.0/16", "eks_discovered": {}, "eks_nodegroups": {"a": "{{ eks_unknown_yet }}"}}', []),
        (
            '{"vpc_az_cuont": 3, "guardrails_tennants": []}',
            [
                "The role guardrails has no such option: guardrails_tennants (did you mean guardrails_tenants?)",
                "The role vpc has no such option: vpc_az_cuont (did you mean vpc_az_count?)",
                "variables of localhost",
            ],
        ),
        (
            '{"eks_nodegroups": {"general": {"min_szie": 2}}}',
            ["eks_nodegroups.general.min_szie (did you mean min_size?)"],
        ),
    ],
)
def test_all_roles_at_once(tmp_path: Path, extra: str, messages: list[str]) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        "- hosts: localhost\n  gather_facts: false\n"
        "  tasks: [{dataplatform.fleet.check_role_options: {roles: [all]}}]\n"
    )
    status, output = run(playbook, extra)
    assert (status == 0) is (not messages), output
    for message in messages or ["failed=0"]:
        assert message in output


def test_a_removal_is_not_refused_for_a_name_that_is_too_long(tmp_path: Path) -> None:
    hub = {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": "10.40.0.0/16"}
    extra = json.dumps({"fleet_name": "f" * 30, "fleet_members": {"m" * 40: hub}})
    for names, status in ((True, 2), (False, 0)):
        playbook = tmp_path / "play.yml"
        task = {"dataplatform.fleet.check_role_options": {"fleet": True, "names": names}}
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        found, output = run(playbook, extra)
        assert found == status, output
        assert ("characters; 64 are possible" in output) is names


def test_a_fleet_is_checked_without_the_roles(tmp_path: Path) -> None:
    hub = {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": "10.40.0.0/16"}
    extra = json.dumps({"fleet_name": "acme", "fleet_members": {"hub": hub}, "vpc_az_cuont": 3})
    playbook = tmp_path / "play.yml"
    for options, refused in (({"fleet": True}, False), ({"fleet": True, "roles": ["vpc"]}, True)):
        task = {"dataplatform.fleet.check_role_options": options}
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        status, output = run(playbook, extra)
        assert ("vpc_az_cuont" in output, status != 0) == (refused, refused), output


def test_check_mode_reports_the_same(play: Path) -> None:
    for extra in ('{"cellar_depth": 3}', '{"cellar_dept": 3}'):
        (status, output), (checked, announced) = run(play, extra), run(play, extra, "--check")
        assert (checked, announced) == (status, output)
        assert "changed=0" in output


def test_a_fleet_whose_members_cannot_be_read(tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks: [{dataplatform.fleet.check_role_options: {fleet: true}}]\n"
    )
    status, output = run(playbook, '{"fleet_name": "acme", "fleet_members": "{{ nowhere }}"}')
    assert status != 0
    assert "fleet_members cannot be read: 'nowhere' is undefined" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("options", "message"),
    [("{}", "needs the option roles outside of a role's tasks"), ("{roles: [cellar]}", "has no role cellar")],
)
def test_prints_its_usage(tmp_path: Path, options: str, message: str) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        f"- hosts: localhost\n  gather_facts: false\n  tasks: [{{dataplatform.fleet.check_role_options: {options}}}]\n"
    )
    status, output = run(playbook, "{}")
    assert status != 0
    assert message in output


def run(playbook: Path, extra: str, *arguments: str) -> tuple[int, str]:
    """Run a playbook; return its status and output as one line."""
    done = ansible_playbook(playbook, "-e", extra, *arguments, ANSIBLE_LOCALHOST_WARNING="false")
    return done.returncode, " ".join((done.stdout + done.stderr).split())
