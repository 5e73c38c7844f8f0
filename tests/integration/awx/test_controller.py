# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/controller.yml with a fake of AWX's API (see api.py), and the modules of awx.awx."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.artifacts.cache import Cache
from localcloud.host.files import home
from tests.integration.awx.api import Awx, playbooks_of, serving
from tests.integration.awx.controller import CHECKOUT, copy_sources

pytestmark = pytest.mark.integration

PACKAGE = "ansible==12.3.0 --hash=sha256:cd156f82fa87f7a899212b0efa9f7ca3a24d609212de9f78428a572eb01e5414"
SECRETS = {
    "CONTROLLER_AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "CONTROLLER_AWS_SECRET_ACCESS_KEY": "a-secret-key-of-aws",
    "CONTROLLER_VAULT_PASSWORD": "a-vault-password",
}
DATA = CHECKOUT / "inventories" / "controller" / "group_vars" / "controller"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    copy_sources(project)
    return project


def templates() -> list[dict[str, Any]]:
    class Loader(yaml.SafeLoader):
        """A loader that reads unevaluated values as text."""

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
    found: list[dict[str, Any]] = Loader((DATA / "templates.yml").read_text()).get_single_data()["controller_templates"]
    return found


def collection() -> Path:
    """The path of the collection awx.awx, from the last package `ansible` that contains it, downloaded once."""

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            requirement = Path(scratch) / "requirements.txt"
            requirement.write_text(PACKAGE)
            options = ("--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", scratch)
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *options]
            subprocess.run([*command, "--requirement", requirement], check=True)
            (wheel,) = Path(scratch).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if name.startswith("ansible_collections/awx/")]
                archive.extractall(target, names)

    return Cache(home(os.environ)).get("awx.awx", "awx.awx-24.6.1", make)


class Run:
    """One run of the playbook."""

    def __init__(self, url: str, place: Path | None, *arguments: str, **secrets: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "CONTROLLER_"))}
        command = [Path(sys.executable).with_name("ansible-playbook"), "playbooks/controller.yml"]
        done = subprocess.run(
            [*command, "-i", "inventories/controller", *arguments],
            cwd=CHECKOUT,
            env={
                **kept,
                **(secrets or SECRETS),
                "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, filter(None, [CHECKOUT / "collections", place]))),
                "CONTROLLER_HOST": url,
                "CONTROLLER_OAUTH_TOKEN": "token",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.status, self.output = done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.fixture(scope="module")
def awx(project: Path) -> Awx:
    return Awx(playbooks_of(project))


@pytest.fixture(scope="module")
def url(awx: Awx) -> Iterator[str]:
    with serving(awx, "token") as url:
        yield url


@pytest.fixture(scope="module")
def place() -> Path:
    return collection()


@pytest.fixture(scope="module")
def first(url: str, place: Path) -> Run:
    """The run that creates everything."""
    run = Run(url, place, "-v")
    assert run.status == 0, run.output[-3000:]
    return run


def test_the_playbooks_are_those_that_awx_offers(project: Path) -> None:
    offered = playbooks_of(project)
    assert {template["playbook"] for template in templates()} <= offered
    assert "playbooks/unlock.yml" in offered


def test_without_the_collection_one_sentence_reports_it(url: str) -> None:
    run = Run(url, None)
    assert run.status != 0
    assert "ansible-galaxy collection install awx.awx" in run.output


@pytest.mark.exhaustive
def test_a_check_of_an_empty_awx_writes_nothing(project: Path, place: Path) -> None:
    empty = Awx(playbooks_of(project))
    with serving(empty, "token") as url:
        run = Run(url, place, "--check")
    assert run.status == 0, run.output[-3000:]
    assert "changed=1 " in run.output
    assert empty.writes == []


def test_it_creates_the_declared_objects(awx: Awx, first: Run) -> None:
    for secret in SECRETS.values():
        assert secret not in first.output.replace("AKIAEXAMPLE", "")
    (organization,) = awx.all("organizations")
    assert organization["name"] == "Data platform"
    assert {each["name"] for each in awx.all("job_templates")} == {each["name"] for each in templates()}
    vault = awx.named("credentials", "Data platform vault")
    assert awx.hidden[vault["id"]] == {"vault_password": "a-vault-password"}
    kind = awx.objects[vault["credential_type"]]
    assert kind["injectors"] == {
        "file": {"template": "{{ vault_password }}"},
        "env": {"ANSIBLE_VAULT_PASSWORD_FILE": "{{ tower.filename }}"},
    }
    assert awx.hidden[awx.named("credentials", "Data platform AWS")["id"]]["password"] == "a-secret-key-of-aws"
    staging = awx.named("inventory_sources", "staging")
    assert staging["source_path"] == "inventories/staging/hosts.yml"
    assert staging["credential"] == vault["id"]
    assert staging["overwrite"] and staging["overwrite_vars"] and staging["update_on_launch"]
    destroy = awx.named("job_templates", "Destroy")
    assert awx.surveys[destroy["id"]]["spec"][0]["variable"] == "destroy"
    assert destroy["survey_enabled"] is True
    assert awx.linked(destroy, "credentials") == ["Data platform AWS", "Data platform vault"]
    assert awx.linked(destroy, "notification_templates_error") == ["Data platform"]
    drift = awx.named("job_templates", "Drift")
    assert (drift["job_type"], drift["diff_mode"]) == ("check", True)
    assert awx.named("schedules", "Nightly drift")["unified_job_template"] == drift["id"]
    approve = awx.named("workflow_job_template_nodes", "approve production")
    assert awx.objects[approve["unified_job_template"]]["timeout"] == 86400
    assert awx.linked(awx.named("workflow_job_template_nodes", "verify staging"), "success_nodes") == [
        "approve production"
    ]
    assert awx.linked(approve, "success_nodes") == ["site production"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("arguments", [["--check"], []], ids=["check", "run"])
def test_a_second_run_changes_nothing(awx: Awx, url: str, place: Path, first: Run, arguments: list[str]) -> None:
    made = json.dumps([*awx.objects.values()])
    awx.writes.clear()
    again = Run(url, place, *arguments)
    assert again.status == 0, again.output[-3000:]
    assert "changed=0" in again.output
    assert awx.writes == []
    assert json.dumps([*awx.objects.values()]) == made


@pytest.mark.exhaustive
def test_it_repairs_what_was_changed(awx: Awx, url: str, place: Path, first: Run) -> None:
    site = awx.named("job_templates", "Site")
    awx.change(site["id"], {"ask_limit_on_launch": False})
    awx.surveys[awx.named("job_templates", "Destroy")["id"]] = {}
    assert "changed=1 " in Run(url, place, "--check").output
    assert awx.objects[site["id"]]["ask_limit_on_launch"] is False
    assert "changed=1 " in Run(url, place).output
    assert awx.objects[site["id"]]["ask_limit_on_launch"] is True
    assert awx.surveys[awx.named("job_templates", "Destroy")["id"]]["spec"]
