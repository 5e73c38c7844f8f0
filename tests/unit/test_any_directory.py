# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of a checkout in another working directory, without ansible.cfg, with an unusual environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]


def start(
    directory: Path, *arguments: str, prefix: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook in a directory, with a minimal environment: no HOME, LANG=C, a TMPDIR with spaces."""
    # Ansible itself binds a socket below TMPDIR, whose path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="of mine ") as scratch:
        Path(scratch).chmod(0o777)
        return subprocess.run(
            [*prefix, Path(sys.executable).with_name("ansible-playbook"), *arguments],
            cwd=directory,
            env={"PATH": os.environ["PATH"], "LANG": "C", "TMPDIR": scratch, **environment},
            capture_output=True,
            text=True,
            check=False,
        )


def rendered(tmp_path: Path) -> tuple[str, ...]:
    """Arguments that render one role, which is quicker than all of them."""
    roles = [path.name for path in (CHECKOUT / "roles").iterdir() if path.name != "node_exporter"]
    options = tmp_path / "options.yml"
    options.write_text(yaml.safe_dump({f"{role}_enabled": False for role in roles}))
    return (
        str(CHECKOUT / "playbooks" / "render.yml"),
        "-i",
        str(CHECKOUT / "inventories/staging"),
        "-e",
        f"@{options}",
    )


def test_playbooks_find_the_collection_and_write_where_they_are_started(tmp_path: Path) -> None:
    directory = tmp_path / "a directory of mine"
    directory.mkdir()
    done = start(directory, *rendered(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    written = {path.parent.name for path in directory.glob("build/render/staging/*/*.yaml")}
    assert written == {"node_exporter"}


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "mine"
    directory.mkdir()
    (directory / "build").write_text("no directory, for root too")
    done = start(directory, *rendered(tmp_path))
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{directory}/build/render" in said
    assert "Give dest another path" in said
    assert "Traceback" not in said and "bug" not in said


def another_user() -> list[str]:
    """What starts a command as a user without a name, who may read everything and write nothing of the checkout.

    Whoever runs the tests without being the superuser may write to the checkout; the rest is tried all the same.
    """
    if os.geteuid() or not shutil.which("setpriv"):
        return []
    reads = "+dac_read_search"
    user = ["--reuid", "1000650000", "--regid", "0", "--clear-groups"]
    return ["setpriv", *user, "--inh-caps", reads, "--ambient-caps", reads]


def test_a_user_without_a_home_and_a_checkout_that_cannot_be_written(tmp_path: Path) -> None:
    """As in a container of OpenShift: ANSIBLE_HOME is the one place for what Ansible keeps."""
    home = tmp_path / "ansible home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    play = str(CHECKOUT / "playbooks" / "clusters.yml")
    inventory = str(CHECKOUT / "inventories" / "staging")
    unreachable = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "1"}
    done = start(
        tmp_path,
        *(play, "-i", inventory, "--check", "-e", '{"eks_public_access_cidrs": ["192.0.2.0/24"]}'),
        prefix=another_user(),
        ANSIBLE_HOME=str(home),
        HOME=str(tmp_path / "no home"),
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        **unreachable,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2, said
    assert "staging: the AWS credentials of the run do not work: " in said, said
    assert "Could not connect to the endpoint URL" in said, said
    assert "unreachable=0" in said, said


def test_init_writes_an_inventory_that_site_takes_and_overwrites_none(tmp_path: Path) -> None:
    directory = tmp_path / "a directory of mine"
    directory.mkdir()
    init = (str(CHECKOUT / "playbooks" / "init.yml"), "-e", "init_fleet=acme", "-e", "init_region=eu-west-1")
    done = start(directory, *init)
    assert done.returncode == 0, done.stdout + done.stderr
    written = directory / "inventory" / "group_vars" / "managed" / "fleet.yml"
    found, given = (yaml.safe_load(path.read_text()) for path in (written, CHECKOUT / "inventories" / "fleet.yml"))
    # What is derived from the members is the same in each inventory.
    assert found.keys() - {"eks_public_access_cidrs"} == given.keys()
    differing = {name for name in given if found[name] != given[name]}
    assert differing == {"fleet_name", "fleet_region", "fleet_members"}
    # The controlplane's workloads do not fit on the role's default nodes.
    nodes = directory / "inventory" / "host_vars" / "controlplane" / "eks.yml"
    ours = CHECKOUT / "inventories" / "controlplane" / "host_vars" / "controlplane" / "eks.yml"
    groups, labelled = (yaml.safe_load(path.read_text())["eks_nodegroups"] for path in (nodes, ours))
    assert groups == {name: {key: group[key] for key in group if key != "labels"} for name, group in labelled.items()}
    before = written.read_text()
    again = start(directory, *init)
    assert again.returncode == 2, again.stdout + again.stderr
    assert "is there already, and nothing was written" in " ".join(again.stdout.split())
    assert written.read_text() == before
    wrong = start(directory, init[0], "-e", "init_fleet=Acme_1", "-e", "init_path=other")
    assert wrong.returncode == 2 and "init_fleet is Acme_1" in wrong.stdout
    assert not (directory / "other").exists()
    checked = start(directory, str(CHECKOUT / "playbooks" / "site.yml"), "-i", "inventory", "--check", "-l", "staging")
    said = " ".join((checked.stdout + checked.stderr).split())
    assert "eks_public_access_cidrs is empty" in said, said
