# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole local cloud, from ``up`` to ``down``."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.signers import RequestSigner

from localcloud import cli
from localcloud.artifacts.binaries import Binaries
from localcloud.daemon.state import StateDir
from localcloud.host.loopback import free_port
from localcloud.host.processes import identity, read_records
from localcloud.model import ACCOUNT, ADMIN_ACCESS_KEY, SECRET_KEY
from localcloud.testing import LocalCloud, eventually

pytestmark = pytest.mark.integration

NAME = "core-test"


def trust(**principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def token(cluster: str, session: boto3.Session) -> str:
    """Return an EKS token like that of ``aws eks get-token``: a presigned GetCallerIdentity."""
    sts = session.client("sts", endpoint_url=f"https://sts.{session.region_name}.amazonaws.com")
    signer = RequestSigner(
        sts.meta.service_model.service_id, session.region_name, "sts", "v4", session.get_credentials(), session.events
    )
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://sts.{session.region_name}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        },
        region_name=session.region_name,
        expires_in=60,
        operation_name="",
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def create_network(cloud: LocalCloud) -> list[str]:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{index}.0/24", AvailabilityZone=f"eu-central-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for index, zone in enumerate("ab")
    ]


def new_role(cloud: LocalCloud, name: str) -> str:
    iam = cloud.client("iam")
    role = f"{name}-control-plane"
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust(Service="eks.amazonaws.com"))["Role"]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
    return arn


def create_cluster(cloud: LocalCloud, name: str, version: str = "1.36", **more: Any) -> dict[str, Any]:
    arn = new_role(cloud, name)
    subnets = create_network(cloud)
    eks = cloud.client("eks")

    def create() -> bool:
        try:
            eks.create_cluster(
                name=name, version=version, roleArn=arn, resourcesVpcConfig={"subnetIds": subnets}, **more
            )
        except eks.exceptions.InvalidParameterException as error:
            # EKS can assume a new role only after a delay.
            assert "could not be assumed" in str(error)
            return False
        return True

    eventually(create, what="CreateCluster", seconds=30)
    return settled(cloud, name)


def settled(cloud: LocalCloud, name: str) -> dict[str, Any]:
    def check() -> dict[str, Any] | None:
        cluster = cloud.client("eks").describe_cluster(name=name)["cluster"]
        return cluster if cluster["status"] in {"ACTIVE", "FAILED"} else None

    return eventually(check, what=f"the start of {name}", seconds=180)


def kubectl(cluster: dict[str, Any], credential: str, directory: Path, *arguments: str) -> tuple[int, str]:
    ca = directory / f"{cluster['name']}.crt"
    ca.write_bytes(base64.b64decode(cluster["certificateAuthority"]["data"]))
    run = subprocess.run(
        [
            Binaries().resolve("kubectl"),
            "--kubeconfig=/dev/null",
            f"--server={cluster['endpoint']}",
            f"--certificate-authority={ca}",
            f"--token={credential}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def cluster(local_cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    yield create_cluster(local_cloud, NAME, accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"})
    eks = local_cloud.client("eks")
    eks.delete_cluster(name=NAME)

    def gone() -> bool:
        return NAME not in eks.list_clusters()["clusters"]

    eventually(gone, what="DeleteCluster", seconds=180)
    left = [record.name for record in read_records(local_cloud.state.processes) if NAME in record.name]
    assert left == []


def test_the_creator_is_administrator(local_cloud: LocalCloud, cluster: dict[str, Any], tmp_path: Path) -> None:
    assert cluster["status"] == "ACTIVE", cluster
    credential = token(NAME, local_cloud.session())
    assert kubectl(cluster, credential, tmp_path, "auth", "can-i", "*", "*") == (0, "yes\n")
    code, names = kubectl(cluster, credential, tmp_path, "get", "namespaces", "-o", "name")
    assert code == 0
    assert "namespace/kube-system" in names


@pytest.mark.parametrize(
    ("name", "secret"), [(NAME, "wrong"), ("another-cluster", SECRET_KEY)], ids=["wrong secret", "other cluster"]
)
def test_a_bad_token_is_refused(cluster: dict[str, Any], tmp_path: Path, name: str, secret: str) -> None:
    session = boto3.Session(ADMIN_ACCESS_KEY, secret, region_name="eu-central-1")
    code, output = kubectl(cluster, token(name, session), tmp_path, "get", "namespaces")
    assert code != 0
    assert "must be logged in" in output


def test_an_access_entry_lets_a_role_in_as_far_as_its_policy(
    local_cloud: LocalCloud, cluster: dict[str, Any], tmp_path: Path
) -> None:
    iam, eks = local_cloud.client("iam"), local_cloud.client("eks")
    arn = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust(AWS=f"arn:aws:iam::{ACCOUNT}:user/admin"))[
        "Role"
    ]["Arn"]
    assumed = local_cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"], region_name="eu-central-1"
    )
    credential = token(NAME, session)
    assert "must be logged in" in kubectl(cluster, credential, tmp_path, "get", "pods")[1]

    eks.create_access_entry(clusterName=NAME, principalArn=arn)
    eks.associate_access_policy(
        clusterName=NAME,
        principalArn=arn,
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
        accessScope={"type": "namespace", "namespaces": ["default"]},
    )
    eventually(
        lambda: kubectl(cluster, credential, tmp_path, "get", "pods")[0] == 0,
        what="access to the namespace",
        seconds=60,
    )
    assert "assumed-role/reader/test" in kubectl(cluster, credential, tmp_path, "auth", "whoami")[1]
    code, output = kubectl(cluster, credential, tmp_path, "get", "pods", "-n", "kube-system")
    assert code != 0
    assert "forbidden" in output.lower()
    code, output = kubectl(cluster, credential, tmp_path, "create", "configmap", "x")
    assert code != 0
    assert "forbidden" in output.lower()

    eks.delete_access_entry(clusterName=NAME, principalArn=arn)
    eventually(
        lambda: kubectl(cluster, credential, tmp_path, "get", "pods")[0] != 0, what="the loss of access", seconds=60
    )


def test_calls_are_logged(local_cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    created = [call for call in local_cloud.aws_calls() if call["action"] == "CreateCluster" and call["status"] == 200]
    # Other tests create clusters in the same local cloud.
    (call,) = [call for call in created if call["resource"] == NAME]
    assert (call["service"], call["region"], call["account"]) == ("eks", "eu-central-1", ACCOUNT)
    assert call["principal"] == f"arn:aws:iam::{ACCOUNT}:user/admin"
    assert call["params"]["name"] == NAME
    assert not [call for call in local_cloud.aws_calls() if call["action"].startswith(("Describe", "List", "Get"))]


def test_secrets_do_not_reach_the_log(local_cloud: LocalCloud) -> None:
    secrets = local_cloud.client("secretsmanager")
    secrets.create_secret(Name="core/test", SecretString="a-very-secret-value")
    assert secrets.get_secret_value(SecretId="core/test")["SecretString"] == "a-very-secret-value"
    log = local_cloud.state.aws_calls.read_text()
    assert "core/test" in log
    assert "a-very-secret-value" not in log


def test_accounts_are_apart(local_cloud: LocalCloud) -> None:
    other = "222233334444"
    local_cloud.client("ssm").put_parameter(Name="/core/mine", Value="1", Type="String")
    theirs = local_cloud.client("ssm", access_key=other)
    with pytest.raises(theirs.exceptions.ParameterNotFound):
        theirs.get_parameter(Name="/core/mine")

    iam = local_cloud.client("iam", access_key=other)
    arn = iam.create_role(RoleName="fleet", AssumeRolePolicyDocument=trust(AWS=f"arn:aws:iam::{ACCOUNT}:root"))["Role"][
        "Arn"
    ]
    assumed = local_cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"], region_name="eu-central-1"
    )
    identity_there = session.client("sts", endpoint_url=local_cloud.endpoint_url).get_caller_identity()
    assert identity_there["Account"] == other


def test_unknown_credentials_are_refused(local_cloud: LocalCloud) -> None:
    client = local_cloud.client("ec2", access_key="SOMEBODYELSE00000001")
    with pytest.raises(client.exceptions.ClientError, match=r"AuthFailure|InvalidClientTokenId|Unrecognized"):
        client.describe_vpcs()


def test_status_shows_what_runs(local_cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "localcloud", "status", "--json"],
        env=local_cloud.env,
        capture_output=True,
        text=True,
        check=True,
    )
    content = json.loads(run.stdout)
    (shown,) = [item for item in content["clusters"].values() if item["name"] == NAME]
    assert (shown["status"], shown["version"], shown["endpoint"]) == ("ACTIVE", "1.36", cluster["endpoint"])
    assert shown["nodes"] == []
    assert sum(content["memory_bytes"].values()) > 100 << 20
    assert content["requests"]["eks:CreateCluster"] >= 1


def test_up_again_changes_nothing(local_cloud: LocalCloud) -> None:
    assert cli.up(local_cloud.state).pid == local_cloud.daemon.pid


def test_a_program_that_dies_comes_back(local_cloud: LocalCloud, cluster: dict[str, Any], tmp_path: Path) -> None:
    records = read_records(local_cloud.state.processes)
    (server,) = [item for item in records if item.name.startswith("kube-apiserver") and item.name.endswith(NAME)]
    os.kill(server.pid, signal.SIGKILL)

    def answers() -> bool:
        return kubectl(cluster, token(NAME, local_cloud.session()), tmp_path, "get", "namespaces")[0] == 0

    eventually(
        lambda: identity(server.pid) != server.identity and answers(), what="the API server's return", seconds=180
    )


@pytest.fixture
def own_state(tmp_path: Path) -> Iterator[StateDir]:
    state = StateDir(tmp_path / "state")
    yield state
    cli.down(state)


def processes(state: StateDir) -> list[int]:
    """Return the ids of all processes of a state directory, including the daemon."""
    daemon = state.read()
    own = [daemon.pid] if daemon else []
    return own + [record.pid for record in read_records(state.processes)]


def test_a_cluster_without_a_control_plane_is_failed_until_the_next_up(
    own_state: StateDir, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "dataplatform-fleet" / "bin"
    cache.mkdir(parents=True)
    binaries = Binaries()
    for name in ("etcd", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok"):
        (cache / f"{name}-{binaries.version(name)}-{binaries.os}-{binaries.architecture}").symlink_to(
            binaries.resolve(name)
        )
    broken = cache / f"kube-apiserver-{binaries.version('kube-apiserver')}-{binaries.os}-{binaries.architecture}"
    whole = binaries.resolve("kube-apiserver")
    broken.write_text("#!/bin/sh\necho out of luck\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cloud = LocalCloud(own_state, cli.up(own_state, free_port()))
    failed = create_cluster(cloud, "unlucky", deletionProtection=True)
    assert failed["status"] == "FAILED"
    assert "out of luck" in json.dumps(failed["health"])
    assert len(processes(own_state)) == 2
    broken.unlink()
    broken.symlink_to(whole)
    capfd.readouterr()
    cli.up(own_state)
    assert re.search(
        r"Cluster unlucky was FAILED \(kube-apiserver .*: out of luck\): it is deleted", capfd.readouterr().err
    )
    assert cloud.client("eks").list_clusters()["clusters"] == []
    assert (cli.status(own_state) or {})["clusters"] == {}
    begin_cluster(cloud, "unlucky", failed["roleArn"], failed["resourcesVpcConfig"]["subnetIds"])
    assert settled(cloud, "unlucky")["status"] == "ACTIVE"
    running = processes(own_state)
    cli.down(own_state)
    assert [pid for pid in running if identity(pid)] == []


def test_a_killed_daemon_is_cleaned_up(own_state: StateDir, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    cloud = LocalCloud(own_state, cli.up(own_state, port))
    create_cluster(cloud, "orphan")
    left = processes(own_state)
    assert len(left) >= 6
    os.kill(cloud.daemon.pid, signal.SIGKILL)
    # On a busy machine, its port is closed well before the process has ended.
    eventually(lambda: not cloud.daemon.alive, what="the daemon is gone", seconds=180)
    assert cli.main(["status", "--state-dir", str(own_state.root)]) == 3
    again = cli.up(own_state, port)
    assert again.pid != cloud.daemon.pid
    assert [pid for pid in left if identity(pid)] == []
    assert cloud.client("eks").list_clusters()["clusters"] == []


def begin_cluster(cloud: LocalCloud, name: str, role: str, subnets: list[str]) -> None:
    cloud.client("eks").create_cluster(
        name=name, version="1.36", roleArn=role, resourcesVpcConfig={"subnetIds": subnets}
    )


def test_down_during_a_creation_leaves_nothing(own_state: StateDir, capfd: pytest.CaptureFixture[str]) -> None:
    cloud = LocalCloud(own_state, cli.up(own_state, free_port()))
    role, subnets = new_role(cloud, "interrupted"), create_network(cloud)
    # EKS can assume a new role only after a delay.
    time.sleep(1.5)
    for name in ("interrupted-1", "interrupted-2"):
        begin_cluster(cloud, name, role, subnets)
    eventually(lambda: len(processes(own_state)) >= 2, what="the first program", seconds=180)
    left = processes(own_state)
    cli.down(own_state)
    assert [pid for pid in left if identity(pid)] == []
    assert not own_state.file.exists()
    assert "ERROR" not in own_state.server_log.read_text()
    capfd.readouterr()
    again = cli.up(own_state, cloud.daemon.port)
    assert again.alive
    assert "Cleaned up" not in capfd.readouterr().err


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCloud, str, list[str]]]:
    with LocalCloud.running(tmp_path_factory.mktemp("crowd")) as cloud:
        role, subnets = new_role(cloud, "crowd"), create_network(cloud)
        time.sleep(1.5)
        yield cloud, role, subnets


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", range(1, 21))
def test_eight_clusters_start_and_stop_concurrently(crowd: tuple[LocalCloud, str, list[str]], number: int) -> None:
    """The same as localcloud/tests/unit/daemon/test_clusters.py, with the real programs."""
    cloud, role, subnets = crowd
    names = [f"crowd-{number}-{one}" for one in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: begin_cluster(cloud, name, role, subnets), names))
        ended = list(pool.map(lambda name: settled(cloud, name), names))
        assert [cluster["status"] for cluster in ended] == ["ACTIVE"] * len(names)
        recorded = json.loads(cloud.state.file.read_text())["clusters"].values()
        assert {cluster["name"] for cluster in recorded} == set(names)
        assert all(Path(cluster["kubeconfig"]).exists() for cluster in recorded)
        # etcd, and four programs of each cluster.
        assert len(read_records(cloud.state.processes)) == 1 + 4 * len(names)
        list(pool.map(lambda name: cloud.client("eks").delete_cluster(name=name), names))
    eventually(lambda: not cloud.client("eks").list_clusters()["clusters"], what="the end of the clusters", seconds=180)
    eventually(lambda: len(read_records(cloud.state.processes)) == 1, what="the end of the processes", seconds=180)
    assert json.loads(cloud.state.file.read_text())["clusters"] == {}


def test_a_daemon_without_its_record_stops_by_itself(own_state: StateDir) -> None:
    daemon = cli.up(own_state, free_port())
    own_state.file.unlink()
    eventually(lambda: not daemon.alive, what="the daemon's end", seconds=60)


def test_a_daemon_without_its_owner_stops_by_itself(own_state: StateDir) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    daemon = cli.up(own_state, free_port(), owner=owner.pid)
    assert daemon.alive
    owner.kill()
    owner.wait()
    eventually(lambda: not daemon.alive, what="the daemon's end", seconds=60)


def test_data_lives_as_long_as_its_cluster(own_state: StateDir, tmp_path: Path) -> None:
    cloud = LocalCloud(own_state, cli.up(own_state, free_port()))
    eks = cloud.client("eks")
    cluster = create_cluster(cloud, "phoenix", "1.35")

    def ask(*arguments: str) -> tuple[int, str]:
        return kubectl(cluster, token("phoenix", cloud.session()), tmp_path, *arguments)

    assert ask("create", "namespace", "kept")[0] == 0
    update = eks.update_cluster_version(name="phoenix", version="1.36")["update"]["id"]

    def updated() -> bool:
        status = eks.describe_update(name="phoenix", updateId=update)["update"]["status"]
        assert status in {"InProgress", "Successful"}
        return status == "Successful"

    eventually(updated, what="UpdateClusterVersion", seconds=180)
    assert json.loads(ask("get", "--raw", "/version")[1])["emulationMinor"] == "36"
    assert ask("get", "namespace", "kept")[0] == 0

    eks.delete_cluster(name="phoenix")
    eventually(lambda: not eks.list_clusters()["clusters"], what="DeleteCluster", seconds=180)
    ours = [{"Name": "cidr-block", "Values": ["10.77.0.0/24", "10.77.1.0/24"]}]
    subnets = [subnet["SubnetId"] for subnet in cloud.client("ec2").describe_subnets(Filters=ours)["Subnets"]]
    eks.create_cluster(
        name="phoenix",
        version="1.36",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/phoenix-control-plane",
        resourcesVpcConfig={"subnetIds": subnets},
    )
    cluster = settled(cloud, "phoenix")
    assert cluster["status"] == "ACTIVE"
    code, output = ask("get", "namespace", "kept")
    assert code != 0
    assert "not found" in output


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (("LOCALCLOUD_NAT_SECONDS", "soon"), "LOCALCLOUD_NAT_SECONDS: 'soon' is not a number"),
        (("LOCALCLOUD_FAULTS", "rate=often"), "LOCALCLOUD_FAULTS"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(
    own_state: StateDir,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: tuple[str, str],
    message: str,
) -> None:
    monkeypatch.setenv(*setting)
    assert cli.main(["up", "--state-dir", str(own_state.root), "--port", str(free_port())]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"localcloud: {message}")
    assert not own_state.file.exists()


def test_policies_that_require_tls_allow_requests(local_cloud: LocalCloud) -> None:
    """AWS endpoints use TLS, so policies that require it must also allow requests to the local cloud."""
    s3 = local_cloud.client("s3")
    s3.create_bucket(Bucket="tls-only", CreateBucketConfiguration={"LocationConstraint": local_cloud.daemon.region})
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::tls-only", "arn:aws:s3:::tls-only/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="tls-only", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert "SecureTransport" in s3.get_bucket_policy(Bucket="tls-only")["Policy"]
