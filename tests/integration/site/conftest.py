"""A fleet in a local cloud, and `ansible-playbook` with a user's environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration import commands

from localcloud.artifacts.binaries import Binaries

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Run:
    """One finished ansible-playbook run: its output and the results of its tasks."""

    returncode: int
    output: str
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def announced(self) -> set[tuple[str, str, str | None, str]]:
        """Return the changes (in check mode, the announced changes): host, task, item, and each field or object."""
        rows: set[tuple[str, str, str | None, str]] = set()
        for result in self.results:
            if not result["changed"]:
                continue
            details = (
                [
                    f"{entry['action']} {entry['kind']} {entry.get('namespace') or ''}/{entry['name']} {name}"
                    for entry in result["objects"]
                    for name in (entry.get("fields") or ["."])
                ]
                or result["fields"]
                or ["."]
            )
            rows |= {(result["host"], result["task"], result["item"], detail) for detail in details}
        return rows

    @property
    def failures(self) -> list[str]:
        return [f"{r['host']} | {r['task']}: {r['message']}" for r in self.results if r["failed"]]


Playbook = Callable[..., Run]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's directory with the built collection in ``collections`` and inventories, without ansible.cfg."""
    folder = tmp_path_factory.mktemp("a fleet of mine")
    galaxy = [Path(sys.executable).with_name("ansible-galaxy"), "collection", "install", ROOT, "--no-deps", "--force"]
    subprocess.run([*galaxy, "--collections-path", folder / "collections"], check=True, capture_output=True)
    shutil.copytree(ROOT / "inventories", folder / "inventories")
    return folder


@pytest.fixture(scope="session")
def playbook(local_cloud: Any, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Playbook:
    """``playbook("site.yml", "staging", "--check", "--diff")``: a run on those inventories and the local overlay.

    A playbook that is named as one of the collection is the installed one.
    """

    def run(name: str, inventories: str, *args: str, succeed: bool | None = True) -> Run:
        record = tmp_path_factory.mktemp("run") / "results.jsonl"
        place, settings = ROOT, {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        if name.startswith("dataplatform.fleet."):
            place = request.getfixturevalue("installed")
            settings = {"ANSIBLE_COLLECTIONS_PATH": str(place / "collections"), "ANSIBLE_FORKS": "10"}
        command = ["ansible-playbook", name]
        for inventory in (*inventories.split(), "local"):
            command += ["-i", f"inventories/{inventory}"]
        done = commands.run(
            *(*command, "-e", f"@{Path(__file__).parent / 'viewers.yml'}", *args),
            cwd=place,
            env={
                **{key: value for key, value in local_cloud.env.items() if not key.startswith("ANSIBLE_")},
                **settings,
                "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback_plugins"),
                "ANSIBLE_CALLBACKS_ENABLED": "record,dataplatform.fleet.option_types,dataplatform.fleet.run_cache",
                "ANSIBLE_NOCOLOR": "1",
                "RECORD_FILE": str(record),
            },
        )
        output = done.stdout + done.stderr
        results = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        finished = Run(done.returncode, output, results)
        if succeed is not None:
            assert (done.returncode == 0) is succeed, "\n".join([*finished.failures, output[-3000:]])
        return finished

    return run


@pytest.fixture(scope="session")
def fleet(playbook: Playbook, local_cloud: Any) -> Run:
    """Two clusters, created by the one command; the first run's record."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}
    local_cloud.client("iam").create_role(
        RoleName="dataplatform-viewers",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    return playbook("site.yml", "controlplane staging", "--diff", "-vvv")


def _testing_exists(local_cloud: Any) -> bool:
    return "dataplatform-testing" in local_cloud.client("eks").list_clusters()["clusters"]


@pytest.fixture
def testing(fleet: Run, playbook: Playbook, local_cloud: Any) -> None:
    """A third cluster, for tests that remove it."""
    if not _testing_exists(local_cloud):
        playbook("site.yml", "testing")


@pytest.fixture
def no_testing(fleet: Run, playbook: Playbook, local_cloud: Any) -> None:
    """Two clusters only; clusters of other tests are removed."""
    if _testing_exists(local_cloud):
        playbook("destroy.yml", "testing", "-e", "destroy=testing")


@pytest.fixture(scope="session")
def kubeconfig(fleet: Run, playbook: Playbook, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kube") / "kubeconfig"
    playbook("playbooks/kubeconfig.yml", "controlplane staging", "-e", f"kubeconfig_path={path}")
    return path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``kubectl(*args)`` on staging, with the kubeconfig of `make kubeconfig`."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [
            str(Binaries().resolve("kubectl")),
            "--kubeconfig",
            str(kubeconfig),
            "--context",
            "staging",
        ]
        return subprocess.run([*command, *args], capture_output=True, text=True, check=False)

    return run
