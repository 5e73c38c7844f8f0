# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials of a kubeconfig's exec plugin.

Protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from .errors import ApplyError
from .objects import Json, Value

TIMEOUT: Final = 60
# Seconds before its expiry in which a credential is renewed, so that it does not expire during a request.
MARGIN: Final = timedelta(seconds=60)
_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
# The fields of a cluster in a kubeconfig that a plugin with provideClusterInfo gets.
_TOLD: Final = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
_EXTENSION: Final = "client.authentication.k8s.io/exec"


class ExecCredentials:
    """The plugin's credentials, used until shortly before their expiry or until a server refuses them.

    Raises ApplyError if the plugin gives no credentials.
    """

    def __init__(self, spec: Value, cluster: Json, file: Path, place: str, timeout: float = TIMEOUT) -> None:
        self._place = f"{file}: the exec plugin of {place}"
        self._spec = spec if isinstance(spec, dict) else {}
        self._cluster = cluster
        self._folder = file.parent
        self._timeout = timeout
        self._lock = threading.Lock()
        self._status: Json = self._run()

    @property
    def certificate(self) -> tuple[str, str] | None:
        """The client certificate and its key, as PEM, if that is what the plugin gave first."""
        given = self._status.get("clientCertificateData"), self._status.get("clientKeyData")
        return (str(given[0]), str(given[1])) if all(given) else None

    def headers(self, *, renew: bool = False) -> Mapping[str, str]:
        with self._lock:
            if renew or self._ends():
                self._status = self._run()
            token = self._status.get("token")
            return {"Authorization": f"Bearer {token}"} if token else {}

    def _ends(self) -> bool:
        text = self._status.get("expirationTimestamp")
        if not text:
            return False
        try:
            end = datetime.fromisoformat(str(text))
        except ValueError:
            return False
        return datetime.now(UTC) > (end if end.tzinfo else end.replace(tzinfo=UTC)) - MARGIN

    def _run(self) -> Json:
        command, version = self._command(), self._spec.get("apiVersion")
        if version not in _VERSIONS:
            raise ApplyError(f"{self._place} has the apiVersion {version!r}: {' and '.join(_VERSIONS)} are supported.")
        if self._spec.get("interactiveMode") == "Always":
            raise ApplyError(f"{self._place} has interactiveMode: Always, and there is no terminal to ask on.")
        info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False, **self._told()}}
        given = {str(each.get("name")): str(each.get("value") or "") for each in self._spec.get("env") or ()}
        try:
            done = subprocess.run(
                [command, *map(str, self._spec.get("args") or ())],
                env={**os.environ, **given, "KUBERNETES_EXEC_INFO": json.dumps(info)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=self._timeout,
            )
        except subprocess.TimeoutExpired:
            raise ApplyError(f"{self._place}, {command}, gave no answer within {self._timeout:g} s.") from None
        except OSError as error:
            raise ApplyError(f"{self._place}, {command}, cannot be run: {error.strerror}.") from None
        if done.returncode:
            said = " ".join(done.stderr.decode(errors="replace").split())[-300:] or "it says nothing"
            raise ApplyError(f"{self._place}, {command}, failed with exit status {done.returncode}: {said}")
        return self._status_in(done.stdout, command)

    def _status_in(self, answer: bytes, command: str) -> Json:
        # The output can contain a credential, so the error does not quote it.
        try:
            found: Any = json.loads(answer)
            status: Any = found["status"] if found["kind"] == "ExecCredential" else None
        except (ValueError, KeyError, TypeError):
            status = None
        kept = status if isinstance(status, dict) else {}
        if not (kept.get("token") or (kept.get("clientCertificateData") and kept.get("clientKeyData"))):
            raise ApplyError(f"{self._place}, {command}, printed no ExecCredential with a token or a certificate.")
        return kept

    def _command(self) -> str:
        command = str(self._spec.get("command") or "")
        if not command:
            raise ApplyError(f"{self._place} has no command.")
        # A relative path starts at the kubeconfig's directory; a plain name is searched in PATH.
        path = str(self._folder / command) if os.sep in command else command
        found = shutil.which(path)
        if not found:
            hint = " ".join(str(self._spec.get("installHint") or "").split())
            advice = hint or "Install it where Ansible runs, or use a kubeconfig with a token."
            raise ApplyError(f"{self._place}, {command}, is not installed. {advice}")
        return found

    def _told(self) -> Json:
        if not self._spec.get("provideClusterInfo"):
            return {}
        told = {key: self._cluster[key] for key in _TOLD if key in self._cluster}
        extensions = self._cluster.get("extensions") or ()
        config = [each.get("extension") for each in extensions if each.get("name") == _EXTENSION]
        return {"cluster": {**told, **({"config": config[0]} if config else {})}}
