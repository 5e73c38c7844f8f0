# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated account, served in this process without control planes, and common fixtures."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.model import ClusterKey, ClusterRef, ClusterSpec, LocalCloudError
from localcloud.testing import eventually

REGION = "eu-central-1"
ACCOUNT = "000000000000"
_numbers = itertools.count(1)


@functools.cache
def _client(endpoint_url: str, service: str, region: str, key: str) -> Any:
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


@dataclass(frozen=True)
class Server:
    """A running emulator; clients sign with a static key of the default account, and tests share them."""

    endpoint_url: str

    def client(self, service: str, region: str = REGION, key: str = "test") -> Any:
        return _client(self.endpoint_url, service, region, key)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[Server]:
    state: Path = tmp_path_factory.mktemp("ministack")
    os.environ.update(IOT_MTLS_ENABLED="0", SFTP_ENABLED="0", LOG_LEVEL="WARNING", STATE_DIR=str(state))
    from hypercorn.asyncio import serve  # noqa: PLC0415 - after the environment is set
    from hypercorn.config import Config as ServerConfig  # noqa: PLC0415 - after the environment is set

    from localcloud.aws.asgi import install  # noqa: PLC0415 - after the environment is set
    from localcloud.aws.ministack import application as app  # noqa: PLC0415
    from localcloud.aws.settings import EmulatorSettings  # noqa: PLC0415

    settings = EmulatorSettings(
        cluster_seconds=0.02,
        update_seconds=0.02,
        nodegroup_seconds=0.02,
        addon_seconds=0.02,
        nat_seconds=0.02,
        consistency_delay=0.0,
        clusters=backend,
    )
    emulated = install(app, settings)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = ServerConfig()
    config.bind = [f"127.0.0.1:{port}"]
    config.loglevel = "WARNING"
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    serving = serve(emulated, config, shutdown_trigger=stop.wait)
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,), daemon=True)
    thread.start()
    served = Server(f"http://127.0.0.1:{port}")
    eventually(lambda: _listens(port))
    yield served
    loop.call_soon_threadsafe(stop.set)
    thread.join(timeout=10)


class Backend:
    """A fake backend of control planes (``localcloud.model.ClusterBackend``)."""

    def __init__(self, ca_file: Path) -> None:
        self.ca_file = ca_file
        self.specs: dict[str, ClusterSpec] = {}
        self.arguments: dict[str, list[str]] = {}
        self.deleted: list[str] = []
        self.access: list[str] = []

    def create(self, spec: ClusterSpec) -> ClusterRef:
        if spec.key.name.startswith("cannot-start"):
            raise LocalCloudError("no memory")
        key = spec.key
        self.specs[key.name] = spec
        return ClusterRef(
            key.name,
            key.account,
            key.region,
            "https://127.0.0.1:20001",
            self.ca_file,
            self.ca_file,
            self.ca_file.parent,
        )

    def restart(self, key: ClusterKey, arguments: Sequence[str]) -> None:
        self.arguments[key.name] = list(arguments)

    def upgrade(self, key: ClusterKey, _version: str) -> None:
        if key.name.startswith("cannot-upgrade"):
            raise LocalCloudError("the control plane did not come back")

    def delete(self, key: ClusterKey) -> None:
        self.deleted.append(key.name)

    def access_changed(self, key: ClusterKey) -> None:
        self.access.append(key.name)


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    authority = tmp_path_factory.mktemp("backend") / "ca.crt"
    authority.write_text("CERTIFICATE")
    return Backend(authority)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def held(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Delayed state changes wait until the fixture's value is called, so that tests can read transitional states."""
    from localcloud.aws import ministack  # noqa: PLC0415 - after the environment is set
    from localcloud.aws.clock import scheduler  # noqa: PLC0415 - after the environment is set

    waiting: list[tuple[str, str, Callable[[], None]]] = []
    later = scheduler.later

    def hold(seconds: float, work: Callable[[], None]) -> None:
        waiting.append((ministack.account_id(), ministack.region(), work))

    def release() -> None:
        monkeypatch.setattr(scheduler, "later", later)
        while waiting:
            account, region, work = waiting.pop(0)
            later(0, work, account=account, region=region)

    monkeypatch.setattr(scheduler, "later", hold)
    yield release
    release()


@pytest.fixture
def eks(server: Server) -> Any:
    return server.client("eks")


@pytest.fixture
def ec2(server: Server) -> Any:
    return server.client("ec2")


@pytest.fixture
def iam(server: Server) -> Any:
    return server.client("iam")


def unique(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


def trust(*services: str, actions: tuple[str, ...] = ("sts:AssumeRole", "sts:TagSession")) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def make_role(iam: Any) -> Callable[..., str]:
    def make(*services: str, name: str | None = None, path: str = "/") -> str:
        role = iam.create_role(
            RoleName=name or unique("role"), Path=path, AssumeRolePolicyDocument=trust(*services or ("none",))
        )
        return str(role["Role"]["Arn"])

    return make


@pytest.fixture
def make_key(server: Server) -> Callable[..., str]:
    return lambda **members: str(server.client("kms").create_key(**members)["KeyMetadata"]["Arn"])


@dataclass(frozen=True)
class Network:
    vpc_id: str
    subnet_ids: list[str]


@pytest.fixture
def make_network(ec2: Any) -> Callable[..., Network]:
    def make(zones: str = "ab", cidr: str = "10.90.0.0/16") -> Network:
        vpc_id = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        base = cidr.rsplit(".", 2)[0]
        subnets = [
            ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"{base}.{i}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for i, zone in enumerate(zones)
        ]
        return Network(vpc_id, [subnet["Subnet"]["SubnetId"] for subnet in subnets])

    return make


@pytest.fixture
def make_cluster(eks: Any, make_role: Callable[..., str], make_network: Callable[..., Network]) -> Callable[..., str]:
    from localcloud.aws import store  # noqa: PLC0415 - after the environment is set

    def make(*, wait: bool = True, **members: Any) -> str:
        name = members.pop("name", None) or unique("cluster")
        network = members.pop("network", None) or make_network()
        arguments: dict[str, Any] = {
            "name": name,
            "version": "1.36",
            "roleArn": members.pop("roleArn", None) or make_role("eks.amazonaws.com"),
            "resourcesVpcConfig": {"subnetIds": network.subnet_ids, **members.pop("vpc", {})},
            "accessConfig": {"authenticationMode": "API"},
            **members,
        }
        eks.create_cluster(**arguments)
        if wait:
            eventually(lambda: status(eks, name) == "ACTIVE")
            # No controllers report its nodes and add-ons.
            store.clusters.get_scoped(ACCOUNT, REGION, name)["_runs"] = False
        return str(name)

    return make


@pytest.fixture
def make_nodegroup(eks: Any, make_role: Callable[..., str]) -> Callable[..., str]:
    def make(cluster: str, *, wait: bool = True, **members: Any) -> str:
        name = str(members.pop("nodegroupName", None) or unique("group"))
        vpc = eks.describe_cluster(name=cluster)["cluster"]["resourcesVpcConfig"]
        arguments = {
            "clusterName": cluster,
            "nodegroupName": name,
            "subnets": vpc["subnetIds"],
            "nodeRole": members.pop("nodeRole", None) or make_role("ec2.amazonaws.com"),
            **members,
        }
        eks.create_nodegroup(**arguments)
        if wait:
            eventually(lambda: nodegroup(eks, cluster, name)["status"] == "ACTIVE")
        return name

    return make


def status(eks: Any, cluster: str) -> str:
    return str(eks.describe_cluster(name=cluster)["cluster"]["status"])


def nodegroup(eks: Any, cluster: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
    return found


def finished(eks: Any, cluster: str, update: dict[str, Any], **resource: str) -> dict[str, Any]:
    """Return the update when it has ended."""

    def over() -> Any:
        current = eks.describe_update(name=cluster, updateId=update["id"], **resource)["update"]
        return current if current["status"] != "InProgress" else None

    found: dict[str, Any] = eventually(over)
    return found


def refused(operation: Callable[..., Any], **arguments: Any) -> str:
    """Return the code of the error that a call must return."""
    with pytest.raises(ClientError) as caught:
        operation(**arguments)
    return str(caught.value.response["Error"]["Code"])


def reason(operation: Callable[..., Any], **arguments: Any) -> str:
    """Return code and message of the error that a call must return."""
    with pytest.raises(ClientError) as caught:
        operation(**arguments)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"
