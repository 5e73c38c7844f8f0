# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The references are those that the roles and the local cloud's add-ons render."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    evaluate,
    rendered_role,
    role_names,
    select,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.test_structure import pod_templates

from localcloud.artifacts.images import SANDBOX, UNAVAILABLE, available, repository
from localcloud.controllers.manifests import Place, addon_objects
from localcloud.model import REGION
from localcloud.releases import catalog

Container = tuple[str, dict[str, Any], dict[str, Any]]


@functools.cache
def containers() -> list[Container]:
    """Return the role, the pod's specification and the container for each container of the roles."""
    return [
        (role, template["spec"], container)
        for role in role_names()
        for _, template in pod_templates(rendered_role(role))
        for container in (*template["spec"].get("initContainers", ()), *template["spec"]["containers"])
    ]


def roles_images() -> set[str]:
    return {container["image"] for _, _, container in containers()}


def addon_images(name: str) -> set[str]:
    version = catalog.default(name, str(evaluate("eks", "eks_version")))
    (workload,) = select(addon_objects(name, version, "", Place(REGION, "10.100.0.10")), "Deployment")
    return {container["image"] for container in workload["spec"]["template"]["spec"]["containers"]}


def test_each_recipe_is_for_an_image_in_use() -> None:
    assert set(available()) == {image for image in roles_images() if repository(image) not in UNAVAILABLE} | (
        addon_images("coredns") | {SANDBOX}
    )


def test_each_image_of_a_role_can_be_made_or_is_known_not_to_be() -> None:
    unknown = {image for image in roles_images() - set(available()) if repository(image) not in UNAVAILABLE}
    assert unknown == set()
    assert set(UNAVAILABLE) <= {repository(image) for image in roles_images()}


def test_no_reference_has_a_digest() -> None:
    assert [image for image in roles_images() if "@" in image] == []


def test_addons_are_pulled_from_the_registry_of_the_region() -> None:
    regions = {region: set(available(region)) for region in ("eu-central-1", "us-east-1")}
    (here,) = regions["eu-central-1"] - regions["us-east-1"]
    (there,) = regions["us-east-1"] - regions["eu-central-1"]
    assert here.replace("eu-central-1", "us-east-1") == there


def test_a_kubelet_can_verify_that_they_are_not_root() -> None:
    """Without ``runAsUser`` it refuses ``runAsNonRoot`` to an image whose user has a name, as the official ones."""
    known = available()
    checked = [
        (role, container["name"], context.get("runAsUser"), known[container["image"]].config.user)
        for role, pod, container in containers()
        if container["image"] in known
        for context in [pod.get("securityContext", {}) | container.get("securityContext", {})]
    ]
    assert len(checked) >= len(known) - 2  # roles do not use the images of the add-on and the sandbox
    assert [one for one in checked if not one[2] and not one[3].partition(":")[0].isdigit()] == []


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("docker.io/apache/kafka:90.1.2", "docker.io/apache/kafka"),
        ("docker.io/apache/kafka:90.1.2@sha256:00", "docker.io/apache/kafka"),
        ("registry.example:5000/team/tool", "registry.example:5000/team/tool"),
        ("registry.example:5000/team/tool:1", "registry.example:5000/team/tool"),
        ("tool:1", "tool"),
    ],
)
def test_repository(reference: str, name: str) -> None:
    assert repository(reference) == name


def test_another_machine_or_reference_is_another_image() -> None:
    keys = [recipe.key(architecture) for recipe in available().values() for architecture in ("amd64", "arm64")]
    assert len(set(keys)) == len(keys)
    assert keys == [recipe.key(name) for recipe in available().values() for name in ("amd64", "arm64")]
