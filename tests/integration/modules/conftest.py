# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules with an AWS account of the local cloud in which clusters have no control planes and are created quickly."""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import waiters

from localcloud.daemon.server import STATUS_PATH
from localcloud.daemon.state import StateDir
from localcloud.kubernetes.control_plane import free_port
from localcloud.model import ADMIN_ACCESS_KEY, SECRET_KEY

REGION = "eu-central-1"
_numbers = itertools.count(1)
_QUICK = {
    "LOCALCLOUD_CLUSTER_SECONDS": "0.2",
    "LOCALCLOUD_UPDATE_SECONDS": "0.2",
    "LOCALCLOUD_NODEGROUP_SECONDS": "0.2",
    "LOCALCLOUD_ADDON_SECONDS": "0.2",
    "LOCALCLOUD_CONSISTENCY_DELAY": "0.2",
}


@dataclass(frozen=True)
class Account:
    """A quick AWS account."""

    endpoint_url: str
    state: StateDir

    @property
    def options(self) -> dict[str, str]:
        """The AWS options of any module."""
        return {
            "endpoint_url": self.endpoint_url,
            "access_key": ADMIN_ACCESS_KEY,
            "secret_key": SECRET_KEY,
            "region": REGION,
        }

    @property
    def env(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
        return {
            **kept,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ADMIN_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=ADMIN_ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
        )

    def eks_calls(self, *more: str) -> list[str]:
        """Return the names of the mutating calls of EKS and of *more* services."""
        if not self.state.aws_calls.exists():
            return []
        lines = [json.loads(line) for line in self.state.aws_calls.read_text().splitlines()]
        return [line["action"] for line in lines if line["service"] in ("eks", *more)]


@contextlib.contextmanager
def quick_account(directory: Path, **settings: str) -> Iterator[Account]:
    """Serve an account; *settings* are environment variables of the emulator."""
    port = free_port()
    state = StateDir(directory)
    state.prepare()
    env = {**os.environ, **_QUICK, **settings}
    command = [sys.executable, "-m", "localcloud.daemon.server", "--api-only"]
    command += ["--state-dir", str(directory), "--port", str(port)]
    log = directory / "server.out"
    checkout = Path(__file__).resolve().parents[3]
    with log.open("w") as out, subprocess.Popen(command, env=env, cwd=checkout, stdout=out, stderr=out) as server:
        try:
            _await(f"http://127.0.0.1:{port}{STATUS_PATH}", server, log)
            yield Account(f"http://127.0.0.1:{port}", state)
        finally:
            server.terminate()
            server.wait(30)


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own URL
            return
        time.sleep(0.1)
    pytest.fail(f"the local cloud did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with quick_account(tmp_path_factory.mktemp("quick-account")) as served:
        yield served


class ModuleFailedError(AssertionError):
    """A module that was expected to succeed has failed."""


@dataclass
class Runner:
    """Runs modules of this collection in this process, through their own argument specs."""

    account: Account
    options: dict[str, Any] = field(default_factory=dict)

    def raw(self, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """The module's result, failed or not."""
        arguments = {
            **self.account.options,
            **options,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": "/tmp",
        }
        code = importlib.import_module(f"ansible_collections.dataplatform.fleet.plugins.modules.{module}")
        out = io.StringIO()
        basic._PARSED_MODULE_ARGS = None
        with patch_module_args(arguments), contextlib.redirect_stdout(out), pytest.raises(SystemExit):
            code.main()
        found: dict[str, Any] = json.loads(out.getvalue().strip().splitlines()[-1])
        return found

    def __call__(self, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        found = self.raw(module, check=check, **options)
        if found.get("failed"):
            raise ModuleFailedError(found["msg"])
        return found

    def fails(self, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        found = self.raw(module, check=check, **options)
        assert found.get("failed"), f"expected {module} to fail, got {found}"
        return found

    def same(self, module: str, **options: Any) -> dict[str, Any]:
        """Run in check mode, then normally, then again: the first two report the same, the third changes nothing."""
        before = self.account.eks_calls("ec2")
        announced = self(module, check=True, **options)
        assert self.account.eks_calls("ec2") == before, "check mode has changed something"
        done = self(module, **options)
        assert announced["changed"] == done["changed"]
        assert announced["diff"] == done["diff"]
        assert announced["actions"] == done["actions"]
        made = self.account.eks_calls("ec2")[len(before) :]
        assert list(dict.fromkeys(made)) == list(dict.fromkeys(a["operation"] for a in done["actions"]))
        again = self(module, **options)
        assert not again["changed"], again["actions"]
        assert again["actions"] == []
        return done


@pytest.fixture
def run(account: Account, monkeypatch: pytest.MonkeyPatch) -> Runner:
    # Resources of a quick account are ready sooner than EKS' would be looked at.
    monkeypatch.setattr(waiters, "FIRST_INTERVAL", 0.1)
    return Runner(account)


@pytest.fixture(scope="session")
def serve_account() -> Callable[..., Any]:
    """Serves an account with other settings."""
    return quick_account


@pytest.fixture
def runner_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Account], Runner]:
    """Runs modules in another account."""
    monkeypatch.setattr(waiters, "FIRST_INTERVAL", 0.1)
    return Runner


@pytest.fixture(scope="session")
def session_run(account: Account) -> Runner:
    """A runner for fixtures with a wider scope."""
    return Runner(account)


@dataclass(frozen=True)
class Network:
    vpc_id: str
    subnet_ids: list[str]


@pytest.fixture(scope="session")
def network(account: Account) -> Network:
    ec2 = account.client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.90.{i}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for i, zone in enumerate("abc")
    ]
    return Network(vpc_id, [subnet["Subnet"]["SubnetId"] for subnet in subnets])


@pytest.fixture(scope="session")
def make_role(account: Account) -> Callable[[str], str]:
    iam = account.client("iam")

    def make(service: str) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = iam.create_role(RoleName=f"role-{next(_numbers)}", AssumeRolePolicyDocument=document)
        return str(role["Role"]["Arn"])

    return make


@pytest.fixture(scope="session")
def cluster_role(make_role: Callable[[str], str]) -> str:
    return make_role("eks.amazonaws.com")


@pytest.fixture(scope="session")
def node_role(make_role: Callable[[str], str]) -> str:
    return make_role("ec2.amazonaws.com")


@pytest.fixture
def new_cluster(network: Network, cluster_role: str) -> Callable[..., dict[str, Any]]:
    """Options of eks_cluster for a cluster that no other test uses."""

    def options(**more: Any) -> dict[str, Any]:
        return {
            "name": f"cluster-{next(_numbers)}",
            "version": "1.35",
            "role_arn": cluster_role,
            "subnet_ids": network.subnet_ids[:2],
            "authentication_mode": "API",
            **more,
        }

    return options


@pytest.fixture(scope="session")
def cluster(account: Account, session_run: Runner, network: Network, cluster_role: str) -> str:
    """A cluster for tests of resources in clusters."""
    name = f"shared-{next(_numbers)}"
    eks = account.client("eks")
    session_run(
        "eks_cluster",
        name=name,
        version="1.36",
        role_arn=cluster_role,
        subnet_ids=network.subnet_ids,
        authentication_mode="API",
    )
    assert eks.describe_cluster(name=name)["cluster"]["status"] == "ACTIVE"
    return name
