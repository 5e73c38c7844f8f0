# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control planes in the shape of Docker's containers.

ministack asks a Docker client for a container per cluster: ``create``, ``put_archive`` of the authentication
webhook's kubeconfig, ``start``, ``exec_run`` to read the CA, ``stop`` and ``remove``. The classes here have this
much of the Docker SDK's surface and nothing else.
"""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.model import Stoppable

WEBHOOK_FILE = "etc/rancher/k3s/eks-auth-webhook.yaml"
STOP_GRACE = 0.5


class ExecResult(NamedTuple):
    """What ``exec_run`` returns."""

    exit_code: int
    output: bytes


@dataclass(frozen=True)
class ClusterKey:
    """What identifies an EKS cluster."""

    account: str
    region: str
    name: str

    def __str__(self) -> str:
        return f"{self.account}-{self.region}-{self.name}"


class ContainerEngine(Protocol):
    """What runs the containers."""

    def create(self, port: int, labels: dict[str, str], command: list[str]) -> Container: ...

    def get(self, identifier: str) -> Container: ...

    def containers(self) -> list[Container]: ...

    def start(self, container: Container) -> None: ...

    def stop_container(self, container: Container, grace: float) -> None: ...

    def remove(self, container: Container) -> None: ...


@dataclass
class Container:
    """A cluster's control plane, as ministack sees it."""

    engine: ContainerEngine
    key: ClusterKey
    port: int
    labels: dict[str, str]
    command: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    plane: ControlPlane | None = None
    controllers: Stoppable | None = None
    access_lock: threading.Lock = field(default_factory=threading.Lock)
    attrs: dict[str, Any] = field(default_factory=lambda: {"NetworkSettings": {"Networks": {}}})

    @property
    def id(self) -> str:
        return f"localcloud-{self.key}"

    @property
    def name(self) -> str:
        return self.id

    @property
    def status(self) -> str:
        return "running" if self.plane and self.plane.running else "exited"

    def put_archive(self, path: str, data: bytes) -> bool:
        """Take the files that the control plane will need."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive.getmembers():
                content = archive.extractfile(member)
                if content is not None:
                    self.files[(Path(path) / member.name).as_posix().lstrip("/")] = content.read()
        return True

    def start(self) -> None:
        self.engine.start(self)

    def stop(self, timeout: float = STOP_GRACE) -> None:
        # etcd holds the data: nothing is lost by impatience.
        self.engine.stop_container(self, min(timeout, STOP_GRACE))

    kill = stop

    def remove(self, **_: Any) -> None:  # noqa: ANN401 - Docker's signature
        self.engine.remove(self)

    def reload(self) -> None:
        """Do nothing: nothing is cached."""

    def exec_run(self, command: str | list[str], **_: Any) -> ExecResult:  # noqa: ANN401 - Docker's signature
        """Show the CA, the only thing for which ministack still looks into the container."""
        if self.plane is None or not (isinstance(command, str) and command.endswith("server-ca.crt")):
            return ExecResult(126, b"not available")
        return ExecResult(0, self.plane.ca_file.read_bytes())


class Containers:
    """``client.containers``."""

    def __init__(self, engine: ContainerEngine) -> None:
        self._engine = engine

    def create(
        self,
        *,
        ports: Mapping[str, int],
        labels: dict[str, str],
        command: list[str],
        **_: Any,  # noqa: ANN401
    ) -> Container:
        return self._engine.create(ports["6443/tcp"], labels, command)

    def get(self, identifier: str) -> Container:
        return self._engine.get(identifier)

    def list(self, **_: Any) -> list[Container]:  # noqa: ANN401
        return self._engine.containers()
