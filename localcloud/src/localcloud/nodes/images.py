# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a real node: built if there is a recipe, otherwise pulled if the registry is reachable."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any

from localcloud.artifacts.images import SANDBOX, Recipe, archive, available
from localcloud.model import LocalCloudError
from localcloud.nodes.namespaces import execute

LOG = logging.getLogger("localcloud.nodes.images")
NAMESPACE = "k8s.io"
"""containerd's namespace of the kubelet's images."""
IMPORT_SECONDS = 300.0
PULL_SECONDS = 900.0
REGISTRY_SECONDS = 3.0
FORGET_SECONDS = 300.0
"""Seconds until a request is repeated to a registry that did not respond, or for an image that it did not have."""
_WORKERS = 3


class NoRealNodeError(LocalCloudError):
    """The cluster has no running real node."""


class State(Enum):
    """Whether pods with an image can run on a real node."""

    PRESENT = "present"
    PENDING = "pending"
    ABSENT = "absent"


def full(reference: str) -> str:
    """Return a reference in containerd's full form: ``busybox`` is ``docker.io/library/busybox:latest``."""
    name, at, digest = reference.partition("@")
    head, slash, rest = name.partition("/")
    if not slash or not (re.search(r"[.:]", head) or head == "localhost"):
        head, rest = "docker.io", name if slash else f"library/{name}"
    if not at and ":" not in rest.rpartition("/")[2]:
        rest += ":latest"
    return f"{head}/{rest}{at}{digest}"


def registry(reference: str) -> tuple[str, int]:
    """Return host and port of an image's registry; references to Docker Hub do not contain its registry."""
    host, _, port = full(reference).partition("/")[0].partition(":")
    return ("registry-1.docker.io" if host == "docker.io" else host), int(port or 443)


def containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return all containers of a pod's spec."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind) or []]


class Registries:
    """The reachability of registries, cached for all clusters of a local cloud."""

    def __init__(
        self, *, allowed: bool = True, connect: Callable[..., socket.socket] = socket.create_connection
    ) -> None:
        self._allowed = allowed
        self._connect = connect
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[bool, float]] = {}

    def reachable(self, reference: str) -> bool:
        """Whether the registry of an image is reachable; can take some seconds."""
        if not self._allowed:
            return False
        address = registry(reference)
        with self._lock:
            answer, until = self._known.get(address, (False, 0.0))
            if until > time.monotonic():
                return answer
            try:
                self._connect(address, timeout=REGISTRY_SECONDS).close()
            except OSError as error:
                LOG.info("%s cannot be reached (%s): pods with its images run on simulated nodes", address[0], error)
                answer = False
            else:
                answer = True
            self._known[address] = answer, time.monotonic() + FORGET_SECONDS
        return answer


class Images:
    """The images in the containerd of one real node."""

    def __init__(
        self,
        containerd: Callable[[], Path],
        region: str,
        registries: Registries,
        *,
        changed: Callable[[], None] = lambda: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``containerd`` returns its socket; ``changed`` is called when the state of an image is known."""
        self._containerd = containerd
        self._recipes = {full(reference): recipe for reference, recipe in available(region).items()}
        self._registries = registries
        self._changed = changed
        self._environment = os.environ if environment is None else environment
        self._lock = threading.Lock()
        self._states: dict[str, State] = {}
        self._absent_until: dict[str, float] = {}
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="images")

    def sandbox(self) -> None:
        """Import the pause image, which every pod needs.

        :raises LocalCloudError: it is not available
        """
        self._bring(full(SANDBOX))

    def forget(self) -> None:
        """Discard the known states, because the machine has been replaced."""
        with self._lock:
            self._states = {key: state for key, state in self._states.items() if state is State.ABSENT}

    def state(self, spec: Mapping[str, Any]) -> State:
        """Return whether all images of a pod are available; missing images are imported or pulled in the background."""
        states = {self._container(container) for container in containers(spec)}
        return next((state for state in (State.ABSENT, State.PENDING) if state in states), State.PRESENT)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _container(self, container: Mapping[str, Any]) -> State:
        reference = full(str(container.get("image", "")))
        recipe = self._recipes.get(reference)
        if recipe is not None and starts_missing(container, recipe):
            return State.ABSENT
        with self._lock:
            known = self._states.get(reference)
            if known is State.ABSENT and self._absent_until.get(reference, 0.0) < time.monotonic():
                known = None
            if known is None:
                known = self._states[reference] = State.PENDING
                self._pool.submit(self._work, reference)
        return known

    def _work(self, reference: str) -> None:
        found: State | None
        try:
            found = State.PRESENT if self._bring(reference) else State.ABSENT
        except NoRealNodeError:
            # Retried when a real node runs.
            found = None
        except LocalCloudError as error:
            LOG.warning("%s", error)
            found = State.ABSENT
        except Exception:
            LOG.exception("%s", reference)
            found = State.ABSENT
        with self._lock:
            if found is None:
                self._states.pop(reference, None)
                return
            self._states[reference] = found
            self._absent_until[reference] = time.monotonic() + FORGET_SECONDS
        self._changed()

    def _bring(self, reference: str) -> bool:
        """Import or pull an image unless it is present; return whether it is present.

        :raises NoRealNodeError: no real node runs yet
        :raises LocalCloudError: it could not be built, imported or pulled
        """
        recipe = self._recipes.get(reference)
        if recipe is not None:
            # Built before containerd is queried, because building needs no machine.
            path = archive(recipe.reference, LOG.info, environment=self._environment)
            if not self._is_there(reference):
                self._ctr("images", "import", path, timeout=IMPORT_SECONDS)
            return True
        if not self._registries.reachable(reference):
            try:
                return self._is_there(reference)
            except NoRealNodeError:
                return False
        if not self._is_there(reference):
            self._ctr("images", "pull", reference, timeout=PULL_SECONDS)
        return True

    def _is_there(self, reference: str) -> bool:
        return reference in self._ctr("images", "list", "--quiet").split()

    def _ctr(self, *words: str | Path, timeout: float = 30.0) -> str:
        command: Sequence[str | Path] = ["ctr", f"--address={self._containerd()}", f"--namespace={NAMESPACE}", *words]
        return execute(command, timeout=timeout)


def starts_missing(container: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether a container's command is a program that the locally built image lacks."""
    words: Iterable[Any] = [*(container.get("command") or []), *(container.get("args") or [])]
    return any(str(word) in recipe.lacks for word in words)
