"""The inventory plugin in ansible-inventory, with a fake AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.integration import commands

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).resolve().parents[3]
SERVER = CHECKOUT / "tests" / "benchmarks" / "fake_eks.py"
ONE, TWO = "111122223333", "444455556666"
TAG = "dataplatform.fleet/cluster"
WORLD: dict[str, Any] = {
    ONE: {
        "eu-central-1": [
            {
                "name": "dataplatform-staging",
                "tags": {TAG: "staging", "team": "data"},
                "nodegroups": [
                    {"nodegroupName": "a", "scalingConfig": {"desiredSize": 2}, "labels": {"myLabel": "x"}},
                    {"nodegroupName": "b", "scalingConfig": {"desiredSize": 3}},
                ],
                "addons": [{"addonName": "coredns", "addonVersion": "v1", "status": "ACTIVE"}],
                "insights": [{"id": "i", "name": "n", "insightStatus": {"status": "ERROR", "reason": "old"}}],
            },
            {"name": "legacy", "version": "1.30", "tags": {"team": "web", "note": "{{ 1 + 1 }}"}},
        ],
        "eu-west-1": [{"name": "spare", "status": "CREATING", "endpoint": None, "insights": []}],
    },
    TWO: {
        "eu-central-1": [{"name": "other"}],
        "us-east-1": {"error": [403, "AccessDeniedException", "denied by a service control policy"]},
        "ec2": {},
    },
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Any]], str]]:
    """Starts an AWS with a given world."""
    servers = []

    def start(world: dict[str, Any]) -> str:
        path = tmp_path_factory.mktemp("world") / "world.json"
        path.write_text(json.dumps(world))
        server = subprocess.Popen(
            [sys.executable, str(SERVER), str(path), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        servers.append(server)
        assert server.stdout
        return server.stdout.readline().strip()

    yield start
    for server in servers:
        assert server.stdin
        server.stdin.close()
        server.wait(10)


@pytest.fixture(scope="module")
def url(aws: Callable[[dict[str, Any]], str]) -> str:
    return aws(WORLD)


class Answer:
    """The output of ansible-inventory."""

    def __init__(self, run: subprocess.CompletedProcess[str]) -> None:
        self.status = run.returncode
        self.error = " ".join(run.stderr.split())
        self.content = json.loads(run.stdout) if run.returncode == 0 else {}

    @property
    def hosts(self) -> dict[str, Any]:
        return plain(self.content["_meta"]["hostvars"])

    def group(self, name: str) -> list[str]:
        return self.content.get(name, {}).get("hosts", [])


def plain(value: Any) -> Any:
    """Return values without the marker of unsafe text."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if "__ansible_unsafe" in value else {k: plain(v) for k, v in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def inventory(tmp_path: Path, url: str) -> Callable[..., Answer]:
    def run(
        *sources: str, env: dict[str, str] | None = None, file: str = "eks.yml", last: bool = True, **options: Any
    ) -> Answer:
        settings = {
            "plugin": "dataplatform.fleet.eks",
            "access_key": ONE,
            "secret_key": "s",
            "endpoint_url": url,
            **options,
        }
        (tmp_path / file).write_text(yaml.safe_dump({k: v for k, v in settings.items() if v is not None}))
        own = str(tmp_path / file)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
        files = [*sources, own] if last else [own, *sources]
        return Answer(
            commands.run(
                *("ansible-inventory", *(part for file in files for part in ("-i", file)), "--list"),
                env={
                    **kept,
                    "AWS_CONFIG_FILE": os.devnull,
                    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "COLUMNS": "2000",
                    **(env or {}),
                },
            )
        )

    return run


def test_every_cluster_of_every_region_is_a_host(inventory: Callable[..., Answer]) -> None:
    answer = inventory()
    assert answer.status == 0, answer.error
    assert sorted(answer.hosts) == ["legacy", "spare", "staging"]
    assert set(answer.hosts["staging"]) == {"eks_discovered"}
    staging = answer.hosts["staging"]["eks_discovered"]
    expected = {
        "name": "dataplatform-staging",
        "arn": f"arn:aws:eks:eu-central-1:{ONE}:cluster/dataplatform-staging",
        "region": "eu-central-1",
        "account_id": ONE,
        "status": "ACTIVE",
        "version": "1.36",
        "platform_version": "eks.4",
        "endpoint": "https://dataplatform-staging.eu-central-1.example.com",
        "certificate_authority_data": "Y2E=",
        "support_type": "EXTENDED",
        "vpc_id": "vpc-1",
        "tags": {TAG: "staging", "team": "data"},
    }
    assert {key: staging[key] for key in expected} == expected
    assert not {"nodegroups", "addons", "insights"} & set(staging)


def test_regions_and_accounts(inventory: Callable[..., Answer]) -> None:
    assert sorted(inventory(regions=["eu-west-1"]).hosts) == ["spare"]
    roles = [f"arn:aws:iam::{account}:role/inventory" for account in (ONE, TWO)]
    answer = inventory(role_arns=roles, regions=["eu-central-1"])
    assert sorted(answer.hosts) == ["legacy", "other", "staging"]
    assert answer.hosts["other"]["eks_discovered"]["account_id"] == TWO


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ({"names": ["data*", "spare"]}, ["spare", "staging"]),
        ({"tags": {"team": "data"}}, ["staging"]),
        ({"tags": {"team": ["data", "w*"]}}, ["legacy", "staging"]),
        ({"tags": {"team": "*", TAG: "*"}}, ["staging"]),
        ({"query": "status == 'ACTIVE' && starts_with(version, '1.3')"}, ["legacy", "staging"]),
        ({"query": "tags.team"}, ["legacy", "staging"]),
        ({"names": ["nothing"]}, []),
    ],
)
def test_filters(inventory: Callable[..., Answer], options: dict[str, Any], hosts: list[str]) -> None:
    answer = inventory(**options)
    assert answer.status == 0, answer.error
    assert sorted(answer.hosts) == hosts
    assert "WARNING" not in answer.error


def test_details_that_are_included_on_request(inventory: Callable[..., Answer]) -> None:
    answer = inventory(include=["nodegroups", "addons", "insights"], names=["data*", "spare"], on_error="warn")
    staging = answer.hosts["staging"]["eks_discovered"]
    assert [(each["name"], each["scaling_config"]["desired_size"]) for each in staging["nodegroups"]] == [
        ("a", 2),
        ("b", 3),
    ]
    assert staging["nodegroups"][0]["labels"] == {"myLabel": "x"}
    assert [(each["name"], each["version"]) for each in staging["addons"]] == [("coredns", "v1")]
    assert [(each["status"], each["reason"]) for each in staging["insights"]] == [("ERROR", "old")]
    assert answer.hosts["spare"]["eks_discovered"]["nodegroups"] == []
    # Insights of the third cluster cannot be read.
    assert "Listing insights of cluster legacy in eu-central-1" in answer.error
    assert "AccessDeniedException" in answer.error


def test_groups_and_composed_variables(inventory: Callable[..., Answer]) -> None:
    answer = inventory(
        keyed_groups=[{"key": "eks_discovered.version", "prefix": "version"}],
        groups={"of_data": "eks_discovered.tags.team | default('') == 'data'"},
        compose={"where": "eks_discovered.region"},
    )
    assert answer.group("version_1_30") == ["legacy"]
    assert answer.group("of_data") == ["staging"]
    assert answer.hosts["spare"]["where"] == "eu-west-1"
    strict = inventory(compose={"where": "eks_discovered.nothing"}, strict=True)
    assert strict.status != 0
    assert "eks_discovered" in strict.error or "nothing" in strict.error


def test_a_declared_host_and_a_found_one_are_one(inventory: Callable[..., Answer], tmp_path: Path) -> None:
    static = tmp_path / "hosts.yml"
    static.write_text("managed: {hosts: {staging: {version: '1.35', tags: {a: b}, eks_version: '1.36'}}}")
    answer = inventory(str(static))
    assert answer.status == 0, answer.error
    assert answer.group("managed") == ["staging"]
    assert sorted(answer.hosts) == ["legacy", "spare", "staging"]
    assert set(answer.hosts["staging"]) == {"version", "tags", "eks_version", "eks_discovered"}
    assert answer.hosts["staging"]["version"] == "1.35"


@pytest.mark.parametrize(
    "options", [{"groups": {"managed": "true"}}, {"keyed_groups": [{"key": "'managed'", "separator": ""}]}]
)
def test_discovered_clusters_are_not_managed(
    inventory: Callable[..., Answer], tmp_path: Path, options: dict[str, Any]
) -> None:
    static = tmp_path / "hosts.yml"
    static.write_text("managed: {hosts: {staging: {}}}")
    answer = inventory(str(static), **options)
    assert answer.status != 0
    assert "would put legacy, spare into the group managed" in answer.error


@pytest.mark.parametrize(("on_error", "last"), [("fail", True), ("warn", True), ("warn", False)])
def test_a_name_that_no_host_can_have(
    inventory: Callable[..., Answer], aws: Callable[..., str], tmp_path: Path, on_error: str, last: bool
) -> None:
    """By its name or its tag, read before or after the inventory whose groups it would shadow."""
    bad = ["all", "purpose_controlplane", "localhost", "../../etc/passwd", "a:b", "a,b", "*", "-a", "x" * 254]
    clusters = [{"name": f"c{index}", "tags": {TAG: name}} for index, name in enumerate(bad)]
    world = {ONE: {"eu-central-1": [*clusters, {"name": "managed"}, {"name": "fine"}]}}
    static = tmp_path / "hosts.yml"
    static.write_text("managed: {children: {purpose_controlplane: {hosts: {hub: {}}}}}")
    options = {"endpoint_url": aws(world), "regions": ["eu-central-1"], "on_error": on_error, "last": last}
    answer = inventory(str(static), **options)
    for name in [*bad, "managed"]:
        assert f"would be the host {name!r}" in answer.error
    assert "Traceback" not in answer.error
    assert (answer.status == 0) is (on_error == "warn")
    if on_error == "warn":
        assert sorted(answer.hosts) == ["fine"]
        assert answer.group("purpose_controlplane") == ["hub"]


def test_discovered_values_create_no_group_with_a_hosts_name(inventory: Callable[..., Answer]) -> None:
    answer = inventory(groups={"spare": "eks_discovered.name == 'legacy'"})
    assert answer.status != 0
    assert "would make the group 'spare', which is the name of a host" in answer.error


def test_no_credentials(inventory: Callable[..., Answer]) -> None:
    answer = inventory(access_key=None, secret_key=None)
    assert answer.status != 0
    assert "No AWS credentials were found" in answer.error
    answer = inventory(access_key=None, secret_key=None, on_error="warn")
    assert answer.status == 0
    assert answer.hosts == {}
    assert "[WARNING]" in answer.error and "No AWS credentials were found" in answer.error
    answer = inventory(access_key=None, secret_key=None, profile="missing")
    assert answer.status != 0
    assert "The config profile (missing) could not be found" in answer.error


def test_credentials_and_endpoint_from_the_environment(inventory: Callable[..., Answer], url: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": ONE, "AWS_SECRET_ACCESS_KEY": "s", "FLEET_URL": url, "AWS_REGION": "eu-west-1"}
    answer = inventory(access_key=None, secret_key=None, endpoint_url="{{ lookup('env', 'FLEET_URL') }}", env=keys)
    assert answer.status == 0, answer.error
    assert len(answer.hosts) == 3


def test_a_denied_region(inventory: Callable[..., Answer]) -> None:
    options = {"access_key": TWO, "regions": ["eu-central-1", "us-east-1"]}
    answer = inventory(**options)
    assert answer.status != 0
    assert "Listing clusters in us-east-1 (account of the credentials) failed" in answer.error
    assert "denied by a service control policy" in answer.error
    assert "on_error: warn" in answer.error
    answer = inventory(**options, on_error="warn")
    assert answer.status == 0
    assert sorted(answer.hosts) == ["other"]
    assert "denied by a service control policy" in answer.error


def test_regions_that_may_not_be_listed_are_those_botocore_knows(inventory: Callable[..., Answer]) -> None:
    answer = inventory(access_key=TWO, on_error="warn")
    assert sorted(answer.hosts) == ["other"]
    assert answer.error.count("failed") == 1


def test_a_role_that_cannot_be_assumed(inventory: Callable[..., Answer]) -> None:
    roles = [f"arn:aws:iam::{TWO}:role/denied", f"arn:aws:iam::{ONE}:role/inventory"]
    answer = inventory(role_arns=roles)
    assert answer.status != 0
    assert f"The role {roles[0]} could not be assumed" in answer.error
    answer = inventory(role_arns=roles, on_error="warn")
    assert answer.status == 0
    assert sorted(answer.hosts) == ["legacy", "spare", "staging"]


def test_one_name_in_two_regions(inventory: Callable[..., Answer], aws: Callable[[dict[str, Any]], str]) -> None:
    both = aws({ONE: {"eu-central-1": [{"name": "data"}, {"name": "x"}], "eu-west-1": [{"name": "data"}]}})
    answer = inventory(endpoint_url=both)
    assert answer.status != 0
    for region in ("eu-central-1", "eu-west-1"):
        assert f"arn:aws:eks:{region}:{ONE}:cluster/data" in answer.error
    assert "hostnames: [name-region]" in answer.error
    answer = inventory(endpoint_url=both, on_error="warn")
    assert sorted(answer.hosts) == ["x"]
    answer = inventory(endpoint_url=both, hostnames=["name-region"])
    assert answer.status == 0, answer.error
    assert sorted(answer.hosts) == ["data-eu-central-1", "data-eu-west-1", "x-eu-central-1"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"query": "status =="}, "query is not a JMESPath expression"),
        ({"query": "length(nothing)"}, "query cannot be applied to cluster arn:aws:eks"),
        ({"hostnames": ["nme"]}, "hostnames: nme is none of"),
        ({"hostnames": ["tag:none"]}, "gives a name to cluster"),
        ({"region_s": ["eu-west-1"]}, "region_s is not an option of dataplatform.fleet.eks. Did you mean regions?"),
        ({"include": ["nodes"]}, "nodes"),
        ({"profile": "p"}, "profile and access_key are mutually exclusive"),
        # botocore tries again for most of a minute.
        pytest.param(
            {"endpoint_url": "http://127.0.0.1:9"},
            "Could not connect to the endpoint URL",
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_bad_options_are_named(inventory: Callable[..., Answer], options: dict[str, Any], text: str) -> None:
    answer = inventory(**options)
    assert answer.status != 0
    assert text in answer.error


def test_the_cache_spares_the_calls(
    inventory: Callable[..., Answer], aws: Callable[[dict[str, Any]], str], tmp_path: Path
) -> None:
    world = aws(WORLD)
    cache = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "endpoint_url": world,
    }

    def calls() -> int:
        with urllib.request.urlopen(f"{world}/requests") as answer:  # noqa: S310
            return sum(json.load(answer).values())

    first = inventory(**cache)
    assert first.status == 0, first.error
    before = calls()
    again = inventory(**cache)
    assert again.hosts == first.hosts
    assert calls() == before
    # Filters apply to what is cached.
    assert sorted(inventory(**cache, names=["legacy"]).hosts) == ["legacy"]
    assert calls() == before


def test_an_incomplete_answer_is_not_cached(inventory: Callable[..., Answer], tmp_path: Path) -> None:
    options = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "access_key": TWO,
        "regions": ["eu-central-1", "us-east-1"],
        "on_error": "warn",
    }
    for _ in range(2):
        assert "denied by a service control policy" in inventory(**options).error


@pytest.mark.parametrize(("file", "taken"), [("aws_eks.yml", True), ("fleet.eks.yaml", True), ("weeks.yml", False)])
def test_files_are_taken_by_their_names(inventory: Callable[..., Answer], file: str, taken: bool) -> None:
    answer = inventory(file=file)
    assert (answer.status == 0 and "staging" in answer.hosts) == taken
