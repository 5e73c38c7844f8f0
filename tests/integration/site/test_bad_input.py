"""The errors of playbooks for invalid input, without partial changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from tests.integration.site.conftest import Playbook, Run
from tests.integration.site.test_drift import kubernetes_changes

pytestmark = pytest.mark.integration

CLUSTER = "dataplatform-staging"
GUARDRAILS = ("playbooks/clusters.yml", "staging", "--tags", "guardrails")
GROUP = {"instance_types": ["m7i.xlarge"], "min_size": 2, "max_size": 6, "desired_size": 2}
Kubectl = Callable[..., CompletedProcess[str]]


def extra(**variables: Any) -> tuple[str, str]:
    return "-e", json.dumps(variables)


def one_failure(run: Run) -> str:
    """Return the message of the only failed task, as one line."""
    assert len(run.failures) == 1, run.output[-4000:]
    assert "Traceback" not in run.output
    return " ".join(run.failures[0].split())


@pytest.fixture
def unchanged(fleet: Run, local_cloud: Any) -> Callable[[], Any]:
    """A context that checks that AWS and Kubernetes are unchanged, except for the lock."""

    def changes() -> list[str]:
        calls = [f"{c['service']}:{c['action']}" for c in local_cloud.aws_calls() if c["service"] != "dynamodb"]
        return calls + [uri for uri in kubernetes_changes(local_cloud, "staging") if "dryRun=All" not in uri]

    @contextmanager
    def watched() -> Iterator[None]:
        before = changes()
        yield
        assert changes() == before

    return watched


def test_subnets_that_do_not_fit(playbook: Playbook, unchanged: Any) -> None:
    arguments = extra(vpc_cidr="10.42.0.0/20", vpc_name="small")
    with unchanged():
        failure = one_failure(playbook("playbooks/clusters.yml", "staging", "--tags", "vpc", *arguments, succeed=False))
    assert failure.startswith("staging | ")
    assert "Refuse zones and subnets that there is no room for" in failure
    assert "does not fit into 10.42.0.0/20" in failure
    assert "Choose a larger network, fewer zones or smaller subnets" in failure


@pytest.mark.parametrize(
    ("version", "words"),
    [
        pytest.param(
            "1.99", "runs Kubernetes 1.36 and cannot go to 1.99 at once", id="unknown", marks=pytest.mark.exhaustive
        ),
        pytest.param("1.38", "EKS takes one minor version at a time, and the next is 1.37", id="skipped minor"),
        pytest.param("1.35", "cannot be taken back to 1.35; keep 1.36 or go on to 1.37", id="downgrade"),
        pytest.param(
            "latest",
            "eks_version is 'latest': it takes a minor version of Kubernetes such as '1.36', in quotes",
            id="no version",
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_versions(playbook: Playbook, unchanged: Any, version: str, words: str) -> None:
    with unchanged():
        run = playbook("playbooks/clusters.yml", "staging", "--tags", "eks", *extra(eks_version=version), succeed=False)
    failure = one_failure(run)
    assert words in failure
    assert CLUSTER in failure or "eks_version is" in failure


def test_an_unknown_version_for_a_new_cluster(playbook: Playbook, unchanged: Any, local_cloud: Any) -> None:
    arguments = extra(eks_name="new", eks_vpc_name=CLUSTER, eks_version="1.99")
    with unchanged():
        failure = one_failure(playbook("playbooks/clusters.yml", "staging", "--tags", "eks", *arguments, succeed=False))
    assert "EKS does not offer Kubernetes 1.99; it offers 1.34, 1.35, 1.36, 1.37" in failure


def test_a_node_group_smaller_than_its_minimum(playbook: Playbook, unchanged: Any) -> None:
    groups = {"general": {**GROUP, "min_size": 3, "labels": {"new": "label"}}}
    with unchanged():
        failure = one_failure(
            playbook("playbooks/clusters.yml", "staging", "--tags", "eks", *extra(eks_nodegroups=groups), succeed=False)
        )
    assert f"node group {CLUSTER}/general: desired_size 2 is smaller than min_size 3" in failure
    assert "min_size <= desired_size <= max_size" in failure
    assert "Nothing was changed" in failure


def test_a_team_that_would_take_over_an_access_entry(playbook: Playbook, unchanged: Any) -> None:
    team = {"name": "team-a", "principals": ["arn:aws:iam::111122223333:role/dataplatform-viewers"]}
    with unchanged():
        run = playbook(*GUARDRAILS, *extra(guardrails_tenants=[team]), succeed=False)
        failure = one_failure(run)
    assert "guardrails_tenants of staging" in failure
    assert "role/dataplatform-viewers has an access entry that this role did not make" in failure


HEAD = "# A comment\napiVersion: v1\nkind: ConfigMap\n"
WRONG = HEAD.replace("ConfigMap", "ConfigMpa")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(f"{HEAD}metadata: {{name: bad\n", ":4: this is not valid YAML", id="yaml"),
        pytest.param(f"{HEAD}metadata: {{name: bad}}\ndta: {{}}\n", "unknown field dta", id="field"),
        pytest.param(f"{WRONG}metadata: {{name: bad}}\n", ":2: the server has no kind ConfigMpa", id="kind"),
    ],
)
def test_a_template(playbook: Playbook, unchanged: Any, tmp_path: Path, text: str, words: str) -> None:
    role = tmp_path / "roles" / "demo"
    (role / "templates").mkdir(parents=True)
    (role / "tasks").mkdir()
    (role / "templates" / "good.yaml.j2").write_text(f"{HEAD}metadata: {{name: good}}\n")
    (role / "templates" / "bad.yaml.j2").write_text(text)
    task = {"name": "demo", "namespace": "default", "cluster": "{{ fleet_cluster }}", "templates": "."}
    (role / "tasks" / "main.yml").write_text(yaml.safe_dump([{"name": "Apply", "dataplatform.fleet.apply": task}]))
    defaults = {"group/dataplatform.fleet.all": "{{ aws_connection }}"}
    play = {"hosts": "managed", "gather_facts": False, "module_defaults": defaults, "roles": ["demo"]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    with unchanged():
        failure = one_failure(playbook(str(tmp_path / "play.yml"), "staging", succeed=False))
    assert words in failure
    assert "bad.yaml.j2:" in failure


def test_an_api_server_that_is_down(playbook: Playbook, unchanged: Any, local_cloud: Any) -> None:
    nowhere = extra(kube_proxy_url="http://127.0.0.1:9")
    with unchanged():
        failure = one_failure(playbook(*GUARDRAILS, *nowhere, succeed=False))
    assert f"The API server {CLUSTER} (https://127.0.0.1:" in failure
    assert "cannot be reached through proxy http://127.0.0.1:9: the connection was refused" in failure
    assert "is it running, and is the address right?" in failure
    assert playbook(*GUARDRAILS).announced == set()


def test_tokens_that_expire_in_mid_play_are_renewed(
    playbook: Playbook, fleet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = tmp_path / "ages"
    monkeypatch.setenv("OLD_TOKENS", str(ages))
    run = playbook("site.yml", "staging", "--tags", "guardrails,ingress_nginx")
    assert run.announced == set()
    minted = ages.read_text().split()
    assert minted[0] == "old", "the server must get an expired token"
    assert minted.count("old") == 2, "one for each role"
    assert minted.count("new") >= 2


def test_a_load_balancer_that_never_comes(playbook: Playbook, fleet: Run, kubectl: Kubectl, local_cloud: Any) -> None:
    ec2 = local_cloud.client("ec2")
    public = [
        {"Name": "tag:dataplatform.fleet/cluster", "Values": ["staging"]},
        {"Name": "tag:dataplatform.fleet/tier", "Values": ["public"]},
    ]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets(Filters=public)["Subnets"]]
    tags = [{"Key": "kubernetes.io/role/elb"}, {"Key": f"kubernetes.io/cluster/{CLUSTER}"}]
    ec2.delete_tags(Resources=subnets, Tags=tags)
    assert kubectl("--namespace", "ingress-nginx", "delete", "service", "ingress-nginx").returncode == 0

    run = playbook("playbooks/ingress.yml", "staging", *extra(ingress_nginx_wait_timeout=5), succeed=False)
    failure = " ".join(run.failures[-1].split())
    assert failure.startswith("staging | ")
    assert "not ready after 5 s" in failure
    assert "Service ingress-nginx/ingress-nginx: it has no load balancer yet (SyncLoadBalancerFailed:" in failure
    assert "could not find any suitable subnets for creating the ELB" in failure

    assert playbook("playbooks/clusters.yml", "staging", "--tags", "vpc").announced
    playbook("playbooks/ingress.yml", "staging")
    assert playbook("playbooks/ingress.yml", "staging").announced == set()
    service = json.loads(
        kubectl("--namespace", "ingress-nginx", "get", "service", "ingress-nginx", "-o", "json").stdout
    )
    assert service["status"]["loadBalancer"]["ingress"]


def test_a_second_run_while_one_holds_the_lock(playbook: Playbook, unchanged: Any, local_cloud: Any) -> None:
    now = int(time.time())
    texts = {"cluster": CLUSTER, "run_id": "other", "holder": "ann@laptop", "command": "site.yml"}
    numbers = {"acquired_at": now - 60, "heartbeat_at": now, "ttl": 3600}
    holder = {name: {"S": text} for name, text in texts.items()}
    holder |= {name: {"N": str(number)} for name, number in numbers.items()}
    local_cloud.client("dynamodb").put_item(TableName="dataplatform-locks", Item=holder)
    try:
        with unchanged():
            failure = one_failure(playbook("playbooks/clusters.yml", "staging", succeed=False))
        assert f"The lock on cluster {CLUSTER} is held by ann@laptop (site.yml) " in failure
        assert "last heartbeat " in failure
        assert "Wait until that run has ended" in failure
        assert "remove its lock with --tags unlock" in failure
    finally:
        unlocked = playbook("playbooks/clusters.yml", "staging", "--tags", "unlock")
    assert "was taken from ann@laptop" in unlocked.output
    assert playbook(*GUARDRAILS).announced == set()
