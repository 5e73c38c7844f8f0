# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the EKS clusters of several accounts and regions at once.

Calls run in threads; which calls to make is decided in one. What comes back are plain dictionaries.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import session
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.normalise import (
    normalise_addon,
    normalise_cluster,
    normalise_insight,
    normalise_nodegroup,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.plugin import Discovery

with contextlib.suppress(ImportError):  # the plugin says so
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

HOME_REGION = "us-east-1"
# Error codes of a region that the account has not enabled.
NOT_OPTED_IN = ("UnrecognizedClientException", "InvalidClientTokenId")

Client = Any  # botocore makes its classes at run time
Cluster = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """Filters and connection. No regions means all regions; no roles, the account of the credentials."""

    regions: Sequence[str] = ()
    role_arns: Sequence[str] = ()
    include: Sequence[str] = ()
    region: str | None = None
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    verify: bool | str | None = None
    workers: int = 50


@dataclass(frozen=True)
class Job:
    """A call and its follow-up jobs. Regions take turns, so that each needs few connections."""

    place: str
    call: Callable[[], list[Job]]


def discover(query: Query) -> Discovery:
    """Ask every account and region of the query."""
    return _Run(query).discover()


class _Run:
    def __init__(self, query: Query) -> None:
        self._query = query
        self._clusters: dict[str, Cluster] = {}
        self._problems: list[str] = []

    def discover(self) -> Discovery:
        self._all([Job(arn or "", partial(self._account, arn)) for arn in self._query.role_arns or (None,)])
        order = sorted(self._clusters.values(), key=lambda each: (each["account_id"], each["region"], each["name"]))
        return Discovery(order, sorted(set(self._problems)))

    def _all(self, jobs: Iterable[Job]) -> None:
        """Run jobs and those that follow from them."""
        waiting: dict[str, deque[Job]] = {}
        running = 0
        done: SimpleQueue[Future[list[Job]]] = SimpleQueue()
        with ThreadPoolExecutor(max_workers=self._query.workers) as pool:
            while True:
                for job in jobs:
                    waiting.setdefault(job.place, deque()).append(job)
                while waiting and running < self._query.workers:
                    place = next(iter(waiting))
                    queue = waiting.pop(place)
                    pool.submit(queue.popleft().call).add_done_callback(done.put)
                    running += 1
                    if queue:
                        waiting[place] = queue  # at the end: the next place has its turn
                if not running:
                    return
                jobs = done.get().result()
                running -= 1

    def _account(self, role_arn: str | None) -> list[Job]:
        """Log in and find the regions."""
        try:
            account = _Account(self._query, role_arn)
            regions, sure = self._regions(account)
        except (BotoCoreError, ClientError) as error:
            what = f"The role {role_arn} could not be assumed" if role_arn else "The AWS API could not be called"
            self._problems.append(f"{what}: {error}")
            return []
        return [Job(f"{account} {region}", partial(self._region, account, region, sure)) for region in regions]

    def _regions(self, account: _Account) -> tuple[Sequence[str], bool]:
        """Return the regions, and whether the account has certainly enabled them."""
        if self._query.regions:
            return self._query.regions, True
        home = self._query.region or HOME_REGION
        try:
            answer = account.client("ec2", home).describe_regions()
        except ClientError as error:
            if _code(error) not in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException"):
                raise
            return account.known_regions(home), False
        return [entry["RegionName"] for entry in answer["Regions"]], True

    def _region(self, account: _Account, region: str, sure: bool) -> list[Job]:
        try:
            client = account.client("eks", region)
            names = _pages(client, "list_clusters", "clusters")
        except ClientError as error:
            if sure or _code(error) not in NOT_OPTED_IN:
                self._problem(account, region, "Listing clusters", error)
            return []
        except EndpointConnectionError as error:
            # EKS may not be available in every region.
            if self._query.regions or region in account.known_regions(region):
                self._problem(account, region, "Listing clusters", error)
            return []
        except BotoCoreError as error:
            self._problem(account, region, "Listing clusters", error)
            return []
        return [Job(f"{account} {region}", partial(self._cluster, account, client, region, name)) for name in names]

    def _cluster(self, account: _Account, client: Client, region: str, name: str) -> list[Job]:
        answer = self._describe(
            account, region, f"Describing cluster {name}", lambda: client.describe_cluster(name=name)
        )
        if answer is None:
            return []
        cluster = normalise_cluster(answer["cluster"], region)
        self._clusters[cluster["arn"]] = cluster
        details = {"nodegroups": self._nodegroups, "addons": self._addons, "insights": self._insights}
        return [
            Job(f"{account} {region}", partial(ask, account, client, cluster))
            for kind, ask in details.items()
            if kind in self._query.include
        ]

    def _nodegroups(self, account: _Account, client: Client, cluster: Cluster) -> list[Job]:
        def describe(nodegroup: str) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = client.describe_nodegroup(clusterName=cluster["name"], nodegroupName=nodegroup)
            return normalise_nodegroup(answer["nodegroup"])

        return self._details(
            account,
            cluster,
            "nodegroups",
            lambda: _pages(client, "list_nodegroups", "nodegroups", clusterName=cluster["name"]),
            describe,
        )

    def _addons(self, account: _Account, client: Client, cluster: Cluster) -> list[Job]:
        def describe(addon: str) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = client.describe_addon(clusterName=cluster["name"], addonName=addon)
            return normalise_addon(answer["addon"])

        return self._details(
            account,
            cluster,
            "addons",
            lambda: _pages(client, "list_addons", "addons", clusterName=cluster["name"]),
            describe,
        )

    def _details(
        self,
        account: _Account,
        cluster: Cluster,
        kind: str,
        names: Callable[[], list[str]],
        describe: Callable[[str], Mapping[str, Any]],
    ) -> list[Job]:
        """List things of a cluster, then describe each of them."""
        what = f"{kind} of cluster {cluster['name']}"
        found = self._describe(account, cluster["region"], f"Listing {what}", names)
        if found is None:
            return []
        places: dict[str, Mapping[str, Any]] = {}
        cluster[kind] = []

        def one(name: str) -> list[Job]:
            answer = self._describe(account, cluster["region"], f"Describing {what}: {name}", lambda: describe(name))
            if answer is not None:
                places[name] = answer
                cluster[kind] = [places[each] for each in found if each in places]
            return []

        return [Job(f"{account} {cluster['region']}", partial(one, name)) for name in found]

    def _insights(self, account: _Account, client: Client, cluster: Cluster) -> list[Job]:
        answer = self._describe(
            account,
            cluster["region"],
            f"Listing insights of cluster {cluster['name']}",
            lambda: _pages(client, "list_insights", "insights", clusterName=cluster["name"]),
        )
        if answer is not None:
            cluster["insights"] = [normalise_insight(each) for each in answer]
        return []

    def _describe[Answer](self, account: _Account, region: str, what: str, call: Callable[[], Answer]) -> Answer | None:
        """Return the response of a call; None if the resource is deleted, or cannot be read, which is reported."""
        try:
            return call()
        except ClientError as error:
            if _code(error) != "ResourceNotFoundException":
                self._problem(account, region, what, error)
        except BotoCoreError as error:
            self._problem(account, region, what, error)
        return None

    def _problem(self, account: _Account, region: str, what: str, error: Exception) -> None:
        self._problems.append(f"{what} in {region} ({account}) failed: {error}")


class _Account:
    """Credentials and the clients made with them."""

    def __init__(self, query: Query, role_arn: str | None) -> None:
        self._options = {**asdict(query), "region": query.region or HOME_REGION}
        self._role_arn = role_arn
        self._lock = threading.Lock()
        if role_arn:
            self._options = session.as_role(self._options, role_arn, "dataplatform-fleet-inventory")
        self._session = session.session(self._options)

    def __str__(self) -> str:
        return f"role {self._role_arn}" if self._role_arn else "account of the credentials"

    def client(self, service: str, region: str) -> Client:
        with self._lock:  # a session is not thread-safe, its clients are
            options, workers = {**self._options, "region": region}, self._options["workers"]
            retries = {"mode": "standard", "max_attempts": 8}
            limits = {"max_pool_connections": workers, "connect_timeout": 10, "read_timeout": 30}
            return session.client(self._session, options, service, retries=retries, **limits)

    def known_regions(self, region: str) -> list[str]:
        """The regions with EKS that botocore knows, in the partition of the given one."""
        with self._lock:
            try:
                partition = self._session.get_partition_for_region(region)
            except BotoCoreError:
                partition = "aws"
            regions: list[str] = self._session.get_available_regions("eks", partition)
            return regions


def has_credentials(query: Query) -> bool:
    """Whether there are credentials. Raises botocore's errors for a missing profile."""
    return session.session(asdict(query)).get_credentials() is not None


def _pages(client: Client, operation: str, key: str, **parameters: str) -> list[Any]:
    """All pages of a list. botocore's paginators would first look through the folders of all services it knows."""
    found: list[Any] = []
    while True:
        answer = getattr(client, operation)(**parameters)
        found += answer[key]
        if not answer.get("nextToken"):
            return found
        parameters["nextToken"] = answer["nextToken"]


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
