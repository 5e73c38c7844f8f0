# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that a pod needs to start."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.controllers.mounts import Reference, references


def _pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", **(container or {})}], **spec}}


def _env(**source: Any) -> dict[str, Any]:
    return {"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": source}]}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (_pod(), []),
        (_pod(volumes=[{"name": "v", "configMap": {"name": "c"}}]), [Reference("ConfigMap", "c", "v")]),
        (_pod(volumes=[{"name": "v", "secret": {"secretName": "s"}}]), [Reference("Secret", "s", "v")]),
        (
            _pod(volumes=[{"name": "v", "secret": {"secretName": "s", "optional": True}}]),
            [Reference("Secret", "s", "v", True)],
        ),
        (_pod(volumes=[{"name": "v", "emptyDir": {}}]), []),
        (_pod(volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}}]), []),
        (
            _pod(
                volumes=[
                    {"name": "v", "projected": {"sources": [{"serviceAccountToken": {}}, {"secret": {"name": "s"}}]}}
                ]
            ),
            [Reference("Secret", "s", "v")],
        ),
        (_pod(_env(secretKeyRef={"name": "s", "key": "k"})), [Reference("Secret", "s")]),
        (
            _pod(_env(configMapKeyRef={"name": "c", "key": "k", "optional": True})),
            [Reference("ConfigMap", "c", optional=True)],
        ),
        (_pod(_env(fieldRef={"fieldPath": "status.podIP"})), []),
        (_pod({"envFrom": [{"configMapRef": {"name": "c"}}]}), [Reference("ConfigMap", "c")]),
        (
            _pod(initContainers=[{"name": "init", "envFrom": [{"secretRef": {"name": "s"}}] * 2}]),
            [Reference("Secret", "s")],
        ),
    ],
)
def test_references(pod: dict[str, Any], expected: list[Reference]) -> None:
    assert references(pod) == expected


def test_messages_are_those_of_the_kubelet() -> None:
    assert Reference("ConfigMap", "c", "v").complaint() == (
        "FailedMount",
        'MountVolume.SetUp failed for volume "v" : configmap "c" not found',
    )
    assert Reference("Secret", "s").complaint() == ("Failed", 'Error: secret "s" not found')
