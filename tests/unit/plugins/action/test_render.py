# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of `make render`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.dataplatform.fleet.plugins.action.render import file_name, placed, roles_of, text_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CONTROLPLANE, render_role, role_names

CHECKOUT = Path(__file__).resolve().parents[4]


def run(dest: Path, inventory: str, playbook: str = "playbooks/render.yml", *arguments: str) -> str:
    """Run the playbook without a network; return its output as one line."""
    nobody = "http://127.0.0.1:9"
    env = {
        "HTTPS_PROXY": nobody,
        "HTTP_PROXY": nobody,
        "AWS_ENDPOINT_URL": nobody,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    options = ["-i", f"inventories/{inventory}", "-e", f"render_path={dest}", *arguments]
    done = ansible_playbook(playbook, *options, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def files(dest: Path) -> dict[str, str]:
    return {str(path.relative_to(dest)): path.read_text() for path in dest.rglob("*") if path.is_file()}


def playbook_with(tmp_path: Path, roles: list[str]) -> str:
    """Return the playbook with these roles only: all roles take seconds."""
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "site.yml").write_text(yaml.safe_dump([{"hosts": "managed", "roles": roles}]))
    playbook = parse((CHECKOUT / "playbooks" / "render.yml").read_text())
    playbook[0]["tasks"] = playbook[0]["tasks"][-1:]
    playbook[0]["tasks"][0]["dataplatform.fleet.render"]["playbook"] = str(folder / "site.yml")
    (folder / "render.yml").write_text(yaml.safe_dump(playbook))
    return str(folder / "render.yml")


def test_a_second_run_writes_the_same_and_deletes_old_values(tmp_path: Path) -> None:
    dest, playbook = tmp_path / "dest", playbook_with(tmp_path, ["ingress_nginx"])
    assert "changed=1 " in run(dest, "staging", playbook)
    first = files(dest)
    assert "staging/ingress_nginx/Deployment-ingress-nginx-ingress-nginx.yaml" in first
    (dest / "staging" / "left").mkdir()
    (dest / "staging" / "left" / "Job-a-b.yaml").write_text("old")
    assert "changed=1 " in run(dest, "staging", playbook)
    assert files(dest) == first
    assert not (dest / "staging" / "left").exists()
    assert "changed=0 " in run(dest, "staging", playbook)


def test_files_of_others_stay_and_check_mode_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "staging" / "notes").mkdir(parents=True)
    (tmp_path / "staging" / "notes" / "README.md").write_text("theirs")
    (tmp_path / "staging" / "kustomization.yaml").write_text("old")
    before = files(tmp_path)
    assert "changed=1 " in run(tmp_path, "staging", "playbooks/render.yml", "--check")
    assert files(tmp_path) == before
    run(tmp_path, "staging")
    left = files(tmp_path)
    assert left["staging/notes/README.md"] == "theirs"
    assert "staging/kustomization.yaml" not in left


@pytest.mark.parametrize("member", ["controlplane", "staging"])
def test_every_role_can_be_rendered_and_shows_no_secret(tmp_path: Path, member: str) -> None:
    roles = [role for role in role_names() if member == "controlplane" or role not in CONTROLPLANE]
    dest = tmp_path / "dest"
    run(dest, member, playbook_with(tmp_path, roles))
    found = files(dest / member)
    for role in roles:
        rendered = [parse(text) for name, text in found.items() if name.startswith(f"{role}/")]
        expected = render_role(role, host=member)
        assert sorted(item["kind"] for item in rendered) == sorted(item["kind"] for item in expected), role
        for item in rendered:
            if item["kind"] == "Secret":
                for value in {**item.get("data", {}), **item.get("stringData", {})}.values():
                    assert value == "<redacted>"


def test_the_data_of_secrets_is_left_out() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"password": "hidden"}}
    assert parse(text_of(secret))["stringData"] == {"password": "<redacted>"}


def test_texts_of_several_lines_stay_readable() -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a.conf": "one\ntwo\n"}}
    assert "  a.conf: |\n    one\n    two\n" in text_of(settings)


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"name": "web", "namespace": "n"}, "Role-n-web.yaml"),
        ({"name": "system:web"}, "Role-system_web.yaml"),
    ],
)
def test_file_names(metadata: dict[str, str], name: str) -> None:
    assert file_name({"kind": "Role", "metadata": metadata}) == name


def test_an_object_is_where_its_set_is() -> None:
    def where(kind: str, api: str) -> str | None:
        namespace: str | None = placed({"apiVersion": api, "kind": kind, "metadata": {"name": "a"}}, "n", [])[
            "metadata"
        ].get("namespace")
        return namespace

    assert where("ConfigMap", "v1") == "n"
    assert where("ClusterRole", "rbac.authorization.k8s.io/v1") is None


def test_the_roles_of_a_host(tmp_path: Path) -> None:
    (tmp_path / "inner.yml").write_text("- {hosts: 'purpose_controlplane:&managed', roles: [{role: a.b.kafka}]}\n")
    (tmp_path / "site.yml").write_text("- {hosts: managed, roles: [vpc]}\n- {import_playbook: inner.yml}\n")
    site = tmp_path / "site.yml"
    included = "{ansible.builtin.include_role: {name: a.b.kafka%s}, name: x}"
    tasks = ", ".join(included % more for more in ("", ", tasks_from: absent"))
    (tmp_path / "tasks.yml").write_text(f"- {{hosts: managed, tasks: [{tasks}]}}\n")
    assert [entry["role"] for entry in roles_of(str(tmp_path / "tasks.yml"), {"all", "managed"})] == ["a.b.kafka"]
    assert list(roles_of(str(site), {"all", "managed"})) == [{"role": "vpc"}]
    everywhere = {"all", "managed", "purpose_controlplane"}
    assert [entry["role"] for entry in roles_of(str(site), everywhere)] == ["vpc", "a.b.kafka"]
    with pytest.raises(AnsibleActionFail, match=r"nowhere\.yml cannot be read"):
        list(roles_of(str(tmp_path / "nowhere.yml"), set()))
