# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Project rules for every role."""

from __future__ import annotations

import json
import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CHECKOUT,
    ROLES,
    Objects,
    render_role,
    render_template,
    rendered,
    rendered_role,
    role_names,
    shared_values,
    template_files,
)

# Why a pod runs as root; see check_root.
REASON = "dataplatform.fleet/run-as-root-reason"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
every_role = pytest.mark.parametrize("role", role_names())
every_template = pytest.mark.parametrize(
    "path",
    [path for role in role_names() for path in template_files(role)],
    ids=lambda path: f"{path.parts[-3]}-{path.stem}",
)


def load(path: Path) -> Any:
    return parse(path.read_text(encoding="utf-8"))


def specification(role: str) -> dict[str, Any]:
    entry: dict[str, Any] = load(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    return entry


def pod_templates(objects: Objects) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each workload with its pod template."""
    found = []
    for item in objects:
        if item["kind"] in WORKLOADS:
            spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
            found.append((item, spec["template"]))
    return found


@every_role
def test_has_its_pages(role: str) -> None:
    for name in ("README.md", "defaults/main.yml", "meta/argument_specs.yml", "tasks/main.yml"):
        assert (ROLES / role / name).is_file(), name


@every_role
def test_specification_and_defaults_name_the_same_options(role: str) -> None:
    options = specification(role).get("options", {})
    defaults = load(ROLES / role / "defaults" / "main.yml") or {}
    required = {name for name, option in options.items() if option.get("required")}
    assert set(options) - required == set(defaults)


def test_every_role_has_a_scenario_and_every_scenario_a_role() -> None:
    scenarios = {path.parent for path in (CHECKOUT / "extensions" / "molecule").glob("*/molecule.yml")}
    variants = {
        path: load(path / "vars" / "main.yml").get("scenario_role") for path in scenarios if (path / "vars").exists()
    }
    roles = {path.name: variants.get(path) or path.name for path in scenarios}
    assert set(roles.values()) == {path.name for path in ROLES.iterdir()} | {"default"}
    # A variant has the name of its role first.
    assert [name for name, role in roles.items() if not f"{name}_".startswith(f"{role}_")] == []


@every_role
def test_has_a_scenario_that_looks_at_the_result(role: str) -> None:
    scenario = CHECKOUT / "extensions" / "molecule" / role
    assert [name for name in ("molecule", "verify") if not (scenario / f"{name}.yml").is_file()] == []


@every_role
def test_the_readme_has_the_table_of_options(role: str) -> None:
    path = str(CHECKOUT / "tools" / "role-options")
    tool = SourceFileLoader("role_options", path)
    module = module_from_spec(spec_from_loader("role_options", tool))
    tool.exec_module(module)
    assert (ROLES / role / "README.md").read_text(encoding="utf-8") == module.with_table(ROLES / role), (
        "run tools/role-options"
    )


@every_role
def test_specification_and_defaults_agree_on_values(role: str) -> None:
    options = specification(role).get("options", {})
    defaults = load(ROLES / role / "defaults" / "main.yml") or {}
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert documented == {name: defaults[name] for name in documented}


@every_role
def test_options_carry_the_prefix_and_a_description(role: str) -> None:
    for name, option in specification(role).get("options", {}).items():
        assert name.startswith(f"{role}_")
        assert option["description"]
        assert option["type"]
        assert option["type"] != "list" or option["elements"]


@every_role
def test_main_yml_only_includes_other_files(role: str) -> None:
    tasks = ROLES / role / "tasks"
    lines = (tasks / "main.yml").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("  tags: ")]) < 15
    assert len(load(tasks / "main.yml")) == len({task["name"] for task in load(tasks / "main.yml")})


@every_role
def test_every_task_has_the_roles_tag(role: str) -> None:
    assert {tuple(task.get("tags", ())) for task in load(ROLES / role / "tasks" / "main.yml")} == {(role,)}


@every_role
def test_the_removal_is_an_entry_point(role: str) -> None:
    entries = load(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]
    assert ("absent" in entries) == (ROLES / role / "tasks" / "absent.yml").is_file()
    assert "short_description" in entries["absent"]


@every_role
def test_component_tasks_are_prefixed_by_their_file(role: str) -> None:
    def names(tasks: list[dict[str, Any]]) -> list[str]:
        return [
            name
            for task in tasks
            for name in [
                task["name"],
                *(n for part in ("block", "rescue", "always") for n in names(task.get(part, []))),
            ]
        ]

    for path in (ROLES / role / "tasks").rglob("*.yml"):
        if path.name != "main.yml":
            for name in names(load(path)):
                assert name.startswith(f"{path.stem} | "), f"{path}: {name}"


@every_role
def test_internals_are_private(role: str) -> None:
    path = ROLES / role / "vars" / "main.yml"
    for name in (load(path) or {}) if path.exists() else {}:
        assert name.startswith(f"__{role}_")


# What a site sets once for both roles that make its alarms; fleet.yml of an earlier version does not pass it on.
OF_THE_SITE = ("alarms_extra", "alarms_overrides")


@every_role
def test_no_role_reads_another_roles_variables(role: str) -> None:
    foreign = re.compile(r"(?<![\w.])_*(" + "|".join(other for other in role_names() if other != role) + r")_[a-z]\w*")
    for path in (ROLES / role).rglob("*"):
        if path.suffix in (".yml", ".j2") and path.parent.name != "meta":
            text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
            for expression in re.findall(r"{{.*?}}|{%.*?%}|when: .*|that: .*", text, re.DOTALL):
                read = re.sub(rf"'[^']*'|\b({'|'.join(OF_THE_SITE)})\b", "''", expression)
                assert not foreign.search(read), f"{path}: {expression}"


@every_template
def test_template_renders(path: Path) -> None:
    for item in render_template(path):
        assert {"apiVersion", "kind", "metadata"} <= set(item)
        assert item["metadata"]["name"]
        assert item["kind"] != "Namespace" or path.parts[-3] == "guardrails"


@every_role
def test_rendering_twice_gives_the_same(role: str) -> None:
    for path in template_files(role):
        assert rendered(path) == render_template(path)


@every_role
def test_no_object_is_rendered_twice(role: str) -> None:
    keys = [
        (i["apiVersion"], i["kind"], i["metadata"].get("namespace"), i["metadata"]["name"]) for i in rendered_role(role)
    ]
    assert len(keys) == len(set(keys))


def check_root(item: dict[str, Any], template: dict[str, Any]) -> None:
    """The one exception: an agent on every node that reads root's files there, and says why.

    Root without a capability is the owner of root's files and no more, so it gets none back, and of the host it may
    write only its own folder.
    """
    assert (item["kind"], item["metadata"]["namespace"]) == ("DaemonSet", "node-agents")
    assert len(template["metadata"]["annotations"][REASON]) > 40
    pod = template["spec"]
    assert not {"hostPID", "hostIPC", "hostNetwork"} & set(pod)
    assert "privileged" not in str(pod)
    host = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        for mount in container["volumeMounts"]:
            own = host.get(mount["name"], "").startswith("/var/lib/dataplatform-fleet/")
            assert mount["name"] not in host or mount.get("readOnly") or own


@every_role
def test_workloads_are_hardened(role: str) -> None:
    for item, template in pod_templates(rendered_role(role)):
        pod = template["spec"]
        if REASON in template["metadata"].get("annotations", {}):
            check_root(item, template)
        else:
            assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["serviceAccountName"] != "default"
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]
            assert set(container["resources"]) == {"requests", "limits"}
            assert re.fullmatch(r".+/.+:v?\d[^:]*(@sha256:[0-9a-f]{64})?", container["image"])
        if item["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
            for container in pod["containers"]:
                assert {"readinessProbe", "livenessProbe"} <= set(container)


@every_role
def test_replicated_workloads_are_spread_and_have_a_budget(role: str) -> None:
    objects = rendered_role(role)
    budgets = [item["spec"]["selector"]["matchLabels"] for item in objects if item["kind"] == "PodDisruptionBudget"]
    for item, template in pod_templates(objects):
        if item["spec"].get("replicas", 1) > 1:
            assert item["spec"]["selector"]["matchLabels"] in budgets
            keys = {constraint["topologyKey"] for constraint in template["spec"]["topologySpreadConstraints"]}
            assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


@every_role
def test_workloads_have_a_network_policy(role: str) -> None:
    objects = rendered_role(role)
    selected = [item["spec"]["podSelector"].get("matchLabels") for item in objects if item["kind"] == "NetworkPolicy"]
    for item, template in pod_templates(objects):
        # A Job's selector is made by the API server; its pods are known by their labels.
        labels = item["spec"].get("selector", template["metadata"]).get("matchLabels", template["metadata"]["labels"])
        assert labels in selected


@every_role
def test_secrets_are_in_secrets_only(role: str) -> None:
    """ConfigMaps, arguments and labels must not contain a password or key."""
    secrets = {
        part
        for path, value in shared_values().items()
        if path.endswith(("/private_key", "/password")) or ("/passwords/" in path and not value.startswith("Test"))
        for part in value.splitlines()
        if len(part) >= 12 and not part.startswith("-----")
    }
    for item in rendered_role(role):
        if item["kind"] != "Secret":
            text = json.dumps(item)
            assert not [secret for secret in secrets if secret in text], f"{item['kind']} {item['metadata']['name']}"


@every_role
def test_images_can_be_pinned_by_their_digest(role: str) -> None:
    digests = {
        name: f"sha256:{number:064x}"
        for number, name in enumerate(specification(role).get("options", {}))
        if name.endswith("_image_digest")
    }
    images = {name for name in specification(role).get("options", {}) if name.endswith("_image")}
    assert {f"{name}_digest" for name in images} == digests.keys()
    pods = [template["spec"] for _, template in pod_templates(render_role(role, **digests))]
    shown = {container["image"] for pod in pods for container in [*pod["containers"], *pod.get("initContainers", [])]}
    assert all(re.fullmatch(r"[^@]+:[^:/@]+@sha256:[0-9a-f]{64}", image) for image in shown)
    assert {image.rpartition("@")[2] for image in shown} == set(digests.values())
