# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery: requests, repeated requests, and the cache on disk."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Response, Server
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.discovery import Discovery
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Resource
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply import recorded

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments", namespaced=True)
CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True, status_apart=False)


def served(
    plural: str, kind: str, *, scope: str = "Namespaced", verbs: tuple[str, ...] = ("list", "patch"), **more: Any
) -> Json:
    """As https://kubernetes.io/docs/reference/generated/kubernetes-api/ lists a resource in aggregated discovery."""
    return {
        "resource": plural,
        "responseKind": {"group": "", "version": "", "kind": kind},
        "scope": scope,
        "verbs": [*verbs],
        **more,
    }


def group(name: str, *versions: tuple[str, list[Json]], freshness: str = "Current") -> Json:
    listed = [{"version": version, "resources": items, "freshness": freshness} for version, items in versions]
    return {"metadata": {"name": name}, "versions": listed}


STATUS = {"subresources": [{"subresource": "scale"}, {"subresource": "status"}]}


class Api:
    """A server with ETags that responds 304 to clients with the current document."""

    def __init__(self, url: str = "https://server.example.com", ca: str = "") -> None:
        self.server = Server(url, ca=ca)
        self.asked: list[str] = []
        self.accepted: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.etags = True
        self.answers: dict[str, Any] = {
            "/api": self.listed(group("", ("v1", [served("configmaps", "ConfigMap")]))),
            "/apis": self.listed(group("apps", ("v1", [served("deployments", "Deployment", **STATUS)]))),
            "/openapi/v3": {
                "paths": {
                    "api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=A"},
                    "apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=B"},
                }
            },
            "/openapi/v3/api/v1?hash=A": self.document("", "ConfigMap"),
            "/openapi/v3/apis/apps/v1?hash=B": self.document("apps", "Deployment"),
        }

    @staticmethod
    def listed(*groups: Json) -> Json:
        return {"kind": "APIGroupDiscoveryList", "items": list(groups)}

    @staticmethod
    def document(group_: str, kind: str) -> Json:
        version = f"{group_}/v1" if group_ else "v1"
        schemas = copy.deepcopy(recorded.SCHEMAS[version])
        which = {"group": group_, "version": "v1", "kind": kind}
        schemas[recorded.component(version, kind)]["x-kubernetes-group-version-kind"] = [which]
        return {"components": {"schemas": schemas}}

    def map(self, call: Any, items: Any) -> list[Any]:
        return [call(item) for item in items]

    def request(self, method: str, path: str, *, accept: str = "", headers: Any = None) -> Response:
        assert method == "GET"
        self.accepted[path] = accept
        if path in self.statuses:
            raise ApiError("no", self.statuses[path])
        body = json.dumps(self.answers[path]).encode()
        etag = f'"{hash(body)}"'
        fresh = self.etags and (headers or {}).get("If-None-Match") == etag
        self.asked.append(f"{path} {'unchanged' if fresh else 'sent'}")
        if fresh:
            return Response(304, {"ETag": etag}, b"")
        return Response(200, {"ETag": etag} if self.etags else {}, body)


@pytest.fixture
def api() -> Api:
    return Api()


def loaded(api: Api, cache: Path) -> Discovery:
    found = Discovery(api, cache)  # type: ignore[arg-type]
    found.load()
    return found


@pytest.fixture
def discovery(api: Api, tmp_path: Path) -> Discovery:
    return loaded(api, tmp_path)


def test_kinds_have_their_scope_and_status_subresource(discovery: Discovery) -> None:
    assert discovery.find("", "v1", "ConfigMap") == discovery.preferred("", "ConfigMap") == CONFIG_MAP
    assert discovery.find("apps", "v1", "Deployment") == DEPLOYMENT
    assert discovery.find("apps", "v1beta1", "Deployment") is None
    assert discovery.find("", "v1", "Deployment") is discovery.preferred("", "Deployment") is None
    assert discovery.kinds() == ["ConfigMap", "Deployment"]
    assert discovery.served(DEPLOYMENT)


def test_of_versions_the_servers_first_is_preferred_and_all_are_known(api: Api, tmp_path: Path) -> None:
    things = [served("things", "Thing", scope="Cluster")]
    api.answers["/apis"] = api.listed(
        group("b.io", ("v2", things), ("v1", things)), group("a.io", ("v1", things)), group("b.io", ("v3", things))
    )
    found = loaded(api, tmp_path)
    wanted = [("b.io", "v2"), ("b.io", "v1"), ("a.io", "v1"), ("b.io", "v3")]
    assert [(one.group, one.version) for one in found.versions("Thing")] == wanted
    preferred = found.preferred("b.io", "Thing")
    assert preferred and (preferred.version, preferred.namespaced) == ("v2", False)
    assert found.versions("Other") == []


def test_a_kind_may_be_of_another_group_than_it_is_served_in(api: Api, tmp_path: Path) -> None:
    """For example Scale of autoscaling, and evictions of policy."""
    elsewhere = {"group": "autoscaling", "version": "v2", "kind": "Scale"}
    api.answers["/apis"] = api.listed(group("x.io", ("v1", [served("scales", "") | {"responseKind": elsewhere}])))
    assert loaded(api, tmp_path).find("autoscaling", "v2", "Scale")


def test_a_status_that_is_not_a_subresource_is_part_of_the_object(api: Api, tmp_path: Path) -> None:
    for subresources in (None, [], [{"subresource": "scale"}]):
        api.answers["/apis"] = api.listed(group("x.io", ("v1", [served("things", "Thing", subresources=subresources)])))
        found = loaded(api, tmp_path).find("x.io", "v1", "Thing")
        assert found is not None
        assert not found.status_apart


@pytest.mark.parametrize(
    ("item", "known"),
    [
        (served("things", "Thing", verbs=("create",)), False),
        (served("things", "Thing", verbs=("list",)), True),
        (served("things", "Thing", verbs=("patch",)), True),
        (served("things", "Thing") | {"verbs": None}, False),
        ({"resource": "things", "scope": "Namespaced", "verbs": ["list"], "responseKind": None}, False),
        (served("things", ""), False),
    ],
)
def test_kinds_that_can_be_neither_listed_nor_applied_are_none(
    api: Api, tmp_path: Path, item: Json, known: bool
) -> None:
    api.answers["/apis"] = api.listed(group("x.io", ("v1", [item, served("others", "Other")])))
    found = loaded(api, tmp_path)
    assert (found.find("x.io", "v1", "Thing") is not None) is known
    assert found.find("x.io", "v1", "Other"), "those behind it are read"


def test_a_groups_server_that_does_not_answer_is_named(api: Api, tmp_path: Path) -> None:
    api.answers["/apis"] = api.listed(
        group("metrics.k8s.io", ("v1beta1", []), freshness="Stale"), group("apps", ("v1", []))
    )
    found = loaded(api, tmp_path)
    assert (found.stale("metrics.k8s.io"), found.stale("apps")) == ("v1beta1", "")


# -- requests and cached documents


def test_a_second_run_reports_no_change(api: Api, tmp_path: Path) -> None:
    first = loaded(api, tmp_path)
    first.prefetch({DEPLOYMENT, CONFIG_MAP})
    assert [one for one in api.asked if one.endswith("unchanged")] == []
    assert len(api.asked) == 5
    del api.asked[:]
    second = loaded(api, tmp_path)
    second.prefetch({DEPLOYMENT, CONFIG_MAP})
    assert sorted(api.asked) == ["/api unchanged", "/apis unchanged", "/openapi/v3 unchanged"]
    assert second.kinds() == first.kinds()
    type_ = second.type_of(DEPLOYMENT)
    assert type_ is not None
    assert type_.names == first.type_of(DEPLOYMENT).names  # type: ignore[union-attr]


def test_changed_files_are_read_again(api: Api, tmp_path: Path) -> None:
    loaded(api, tmp_path).prefetch({DEPLOYMENT})
    api.answers["/apis"] = api.listed(group("apps", ("v1", [served("things", "Thing")])))
    api.answers["/openapi/v3"]["paths"]["apis/apps/v1"]["serverRelativeURL"] = "/openapi/v3/apis/apps/v1?hash=C"
    api.answers["/openapi/v3/apis/apps/v1?hash=C"] = {"components": {"schemas": {}}}
    found = loaded(api, tmp_path)
    assert found.kinds() == ["ConfigMap", "Thing"]
    assert found.type_of(DEPLOYMENT) is None


def test_a_schema_without_a_hash_is_read_in_every_run(api: Api, tmp_path: Path) -> None:
    api.answers["/openapi/v3"]["paths"]["apis/apps/v1"]["serverRelativeURL"] = "/openapi/v3/apis/apps/v1"
    api.answers["/openapi/v3/apis/apps/v1"] = api.document("apps", "Deployment")
    for _ in range(2):
        found = loaded(api, tmp_path)
        for _ in range(2):
            assert found.type_of(DEPLOYMENT)
    assert api.asked.count("/openapi/v3/apis/apps/v1 sent") == 2


def test_servers_do_not_share_cached_documents(api: Api, tmp_path: Path) -> None:
    loaded(api, tmp_path)
    for other in (Api("https://other.example.com"), Api(ca="another")):
        loaded(other, tmp_path)
        assert all(one.endswith(" sent") for one in other.asked)


def test_without_etags_nothing_is_kept(api: Api, tmp_path: Path) -> None:
    api.etags = False
    for _ in range(2):
        loaded(api, tmp_path)
    assert api.asked == ["/api sent", "/apis sent", "/openapi/v3 sent"] * 2
    assert list(tmp_path.iterdir()) == []


def test_both_versions_of_aggregated_discovery_are_taken(api: Api, tmp_path: Path) -> None:
    loaded(api, tmp_path)
    for path in ("/api", "/apis"):
        first, *others = api.accepted[path].split(",")
        assert first == AGGREGATED
        assert others == [AGGREGATED.replace("v=v2;", "v=v2beta1;"), "application/json"]
    assert api.accepted["/openapi/v3"] == "application/json"


def test_a_server_without_aggregated_discovery_is_too_old(api: Api, tmp_path: Path) -> None:
    api.answers["/apis"] = {"kind": "APIGroupList", "groups": []}
    with pytest.raises(ApiError, match=r"server\.example\.com is too old: it has no aggregated discovery") as said:
        loaded(api, tmp_path)
    assert said.value.status == 406
    assert not list(tmp_path.glob("*apis.json")), "what is no discovery is not kept"


@pytest.mark.parametrize(("status", "stops"), [(403, False), (404, False), (500, True)])
def test_without_schemas_kinds_are_known_all_the_same(api: Api, tmp_path: Path, status: int, stops: bool) -> None:
    api.statuses["/openapi/v3"] = status
    if stops:
        with pytest.raises(ApiError, match="no"):
            loaded(api, tmp_path)
    else:
        found = loaded(api, tmp_path)
        assert found.find("apps", "v1", "Deployment") == DEPLOYMENT
        assert found.type_of(DEPLOYMENT) is None
    api.statuses = {"/apis": status}
    with pytest.raises(ApiError, match="no"):
        loaded(api, tmp_path)


def test_the_cache_is_its_users_alone(api: Api, tmp_path: Path) -> None:
    loaded(api, tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "a" / "b").iterdir())


# -- kinds that a set defines


def definition(kind: str = "Part", *versions: str, scope: str = "Namespaced") -> Json:
    field = {"type": "object", "properties": {"size": {"type": "integer"}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": field}}}
    listed = [{"name": one, "schema": schema, "subresources": {"status": {}}} for one in versions or ("v1",)]
    names = {"kind": kind, "plural": "parts"}
    return {
        "kind": "CustomResourceDefinition",
        "spec": {"group": "x.io", "names": names, "scope": scope, "versions": listed},
    }


@pytest.mark.parametrize("scope", ["Namespaced", "Cluster"])
def test_a_kind_of_the_sets_own_definition_is_known_before_the_server_has_it(discovery: Discovery, scope: str) -> None:
    discovery.define(definition("Part", "v2", "v1", scope=scope))
    expected = Resource("x.io", "v2", "Part", "parts", namespaced=scope == "Namespaced")
    found = discovery.find("x.io", "v2", "Part")
    assert found == discovery.preferred("x.io", "Part") == expected
    assert discovery.find("x.io", "v1", "Part")
    assert found and not discovery.served(found)
    type_ = discovery.type_of(found)
    assert type_ is not None
    assert type_ is discovery.rendered_type_of(found)
    assert (type_.field("spec") or type_).names == ["size"]


def test_a_kind_that_the_server_has_keeps_its_published_schema(api: Api, tmp_path: Path) -> None:
    api.answers["/apis"] = api.listed(group("x.io", ("v1", [served("parts", "Part")])))
    published = {
        "x-kubernetes-group-version-kind": [{"group": "x.io", "version": "v1", "kind": "Part"}],
        "type": "object",
    }
    api.answers["/openapi/v3"]["paths"]["apis/x.io/v1"] = {"serverRelativeURL": "/openapi/v3/apis/x.io/v1?hash=D"}
    api.answers["/openapi/v3/apis/x.io/v1?hash=D"] = {"components": {"schemas": {"io.x.Part": published}}}
    found = loaded(api, tmp_path)
    found.define(definition("Part", "v1", "v2"))
    part = found.find("x.io", "v1", "Part")
    assert part is not None
    assert found.served(part)
    type_, rendered = found.type_of(part), found.rendered_type_of(part)
    assert type_ is not None
    assert type_.names == []
    assert rendered is not None
    assert "spec" in rendered.names
    newer = found.find("x.io", "v2", "Part")
    assert newer and not found.served(newer)
    assert found.preferred("x.io", "Part") == part, "what the server has comes first"


def test_a_served_kind_without_a_published_schema_has_that_of_the_set(api: Api, tmp_path: Path) -> None:
    api.answers["/apis"] = api.listed(group("x.io", ("v1", [served("parts", "Part")])))
    found = loaded(api, tmp_path)
    found.define(definition())
    part = found.find("x.io", "v1", "Part")
    assert part is not None
    assert found.type_of(part) is found.rendered_type_of(part) is not None


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "text",
        {"names": "text", "group": "x.io", "versions": [{"name": "v1"}]},
        {"group": "x.io", "versions": [{"name": "v1"}]},
    ],
)
def test_invalid_values_are_sent_to_the_server(discovery: Discovery, spec: Any) -> None:
    discovery.define({"spec": spec})
    assert discovery.kinds() == ["ConfigMap", "Deployment"]
