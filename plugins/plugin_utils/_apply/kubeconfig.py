# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfig files: several are merged as kubectl merges those of KUBECONFIG, and a context becomes a server.

Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.dataplatform.fleet.plugins.module_utils._yamltext import TextError, documents

from .client import Credentials, NoCredentials, Server, StaticToken
from .errors import ApplyError
from .exec_credentials import TIMEOUT as EXEC_TIMEOUT
from .exec_credentials import ExecCredentials
from .objects import Json, Value

_SECTIONS: Final = {"contexts": "context", "clusters": "cluster", "users": "user"}
# The fields of a user for impersonation: without them, requests would have the permissions of the user itself.
_IMPERSONATION: Final = ("as", "as-uid", "as-groups", "as-user-extra")


@dataclass(frozen=True)
class Entry:
    """A context, cluster or user, with its file, whose directory is the base of relative paths."""

    content: Json
    file: Path


@dataclass(frozen=True)
class Kubeconfig:
    """One or several files as one. Of entries with the same name, the first file's counts."""

    path: str
    current: str = ""
    contexts: Mapping[str, Entry] = field(default_factory=dict)
    clusters: Mapping[str, Entry] = field(default_factory=dict)
    users: Mapping[str, Entry] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()
    """The entries that several files define differently, for messages."""


class LoaderCredentials:
    """The credentials of a user with an auth-provider, from the official client's loader."""

    def __init__(self, path: str, context: str) -> None:
        self._path = path
        self._context = context
        self._lock = threading.Lock()
        self._configuration: Value = None

    def headers(self, *, renew: bool = False) -> Mapping[str, str]:
        with self._lock:
            if self._configuration is None or renew:
                self._configuration = _load_with_client(self._path, self._context)
            # The loader renews an expired token.
            token = self._configuration.auth_settings().get("BearerToken", {}).get("value")
            return {"Authorization": token} if token else {}


def read(path: str) -> Kubeconfig:
    """The kubeconfig of a file, or of several that are separated as in KUBECONFIG, of which some may be missing.

    Raises ApplyError for a file that cannot be read or is not a kubeconfig.
    """
    files = [Path(os.path.expandvars(part)).expanduser() for part in path.split(os.pathsep) if part.strip()]
    there = [file for file in files if len(files) == 1 or file.exists()]
    if not there:
        raise ApplyError(f"None of the kubeconfig files {path} exists." if files else "No kubeconfig file is named.")
    current, repeated = "", []
    sections: dict[str, dict[str, Entry]] = {section: {} for section in _SECTIONS}
    for file in there:
        config = _read_file(file)
        current = current or _text(config, "current-context", file)
        for section, what in _SECTIONS.items():
            for name, content in _entries(config, section, what, file).items():
                first = sections[section].setdefault(name, Entry(content, file))
                if first.content != content:
                    repeated.append(f"{what} {name!r} of {file} differs from that of {first.file}, which counts.")
    return Kubeconfig(path, current, **sections, repeated=tuple(repeated))


def server_of(
    config: Kubeconfig,
    context: str = "",
    *,
    proxy_url: str = "",
    tls_server_name: str = "",
    exec_timeout: float = EXEC_TIMEOUT,
) -> Server:
    """Return the server of a context, by default of the current one. Arguments override the files.

    Raises ApplyError for a context that cannot be used, and for credentials that its exec plugin does not give.
    """
    name = context or config.current
    if not name:
        raise ApplyError(f"{config.path}: no context is given, and the kubeconfig has no current-context.")
    chosen = _named(config, "contexts", name)
    place = f"context {name!r}"
    cluster = _named(config, "clusters", _text(chosen.content, "cluster", chosen.file), place)
    user = _text(chosen.content, "user", chosen.file)
    who = _named(config, "users", user, place) if user else Entry({}, chosen.file)
    url = _text(cluster.content, "server", cluster.file)
    if not url:
        raise ApplyError(f"{cluster.file}: the cluster of {place} has no server.")
    if not url.startswith(("https://", "http://")):
        raise ApplyError(f"{cluster.file}: the server of {place} is {url!r}. Write a URL, such as https://{url}.")
    insecure = cluster.content.get("insecure-skip-tls-verify") or False
    if not isinstance(insecure, bool):
        raise ApplyError(
            f"{cluster.file}: insecure-skip-tls-verify of {place} is {insecure!r}: it takes true or false."
        )
    cert, key = _inline(who, "client-certificate"), _inline(who, "client-key")
    credentials = _credentials(config, name, cluster, who, exec_timeout)
    if isinstance(credentials, ExecCredentials) and credentials.certificate:
        cert, key = credentials.certificate
    return Server(
        url=url,
        ca=_inline(cluster, "certificate-authority"),
        client_cert=cert,
        client_key=key,
        verify=not insecure,
        proxy_url=proxy_url or _text(cluster.content, "proxy-url", cluster.file),
        tls_server_name=tls_server_name or _text(cluster.content, "tls-server-name", cluster.file),
        label=f"context {name}",
        credentials=credentials,
    )


def _credentials(config: Kubeconfig, context: str, cluster: Entry, who: Entry, timeout: float) -> Credentials:
    user, place = who.content, f"context {context!r}"
    unsupported = [key for key in _IMPERSONATION if user.get(key)]
    if unsupported:
        raise ApplyError(f"{who.file}: the user of {place} has {unsupported[0]}: impersonation is not supported.")
    if user.get("exec"):
        return ExecCredentials(user["exec"], cluster.content, who.file, place, timeout)
    if user.get("auth-provider"):
        return LoaderCredentials(config.path, context)
    if user.get("token"):
        return StaticToken(_text(user, "token", who.file))
    if user.get("tokenFile"):
        return StaticToken(_file(who, "tokenFile").strip())
    return NoCredentials()


def _read_file(file: Path) -> Json:
    try:
        found = documents(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ApplyError(f"The kubeconfig {file} cannot be read: {error.strerror}.") from error
    except TextError as error:
        raise ApplyError(f"{file}:{error.line}: the kubeconfig is not valid YAML: {error.problem}.") from None
    except UnicodeDecodeError:
        raise ApplyError(f"The kubeconfig {file} is not UTF-8.") from None
    config: Value = found[0].value if found else None
    if config is None:
        raise ApplyError(f"The kubeconfig {file} is empty.")
    kind = config.get("kind") or "Config" if isinstance(config, dict) else type(config).__name__
    if kind != "Config" or not set(config) & {*_SECTIONS, "kind", "current-context"}:
        raise ApplyError(f"{file} is no kubeconfig: it has neither kind: Config nor contexts, clusters and users.")
    return dict(config)


def _entries(config: Json, section: str, what: str, file: Path) -> dict[str, Json]:
    """Return the named entries of a section. A duplicate name is an error, as for kubectl."""
    listed = config.get(section) or []
    if not isinstance(listed, list):
        raise ApplyError(f"{file}: {section} is no list.")
    found: dict[str, Json] = {}
    for item in listed:
        content = (item.get(what) or {}) if isinstance(item, dict) else None
        if not isinstance(content, dict) or not isinstance(item.get("name"), str) or not item["name"]:
            raise ApplyError(f"{file}: an entry of {section} is no dictionary with a name and a {what}.")
        if item["name"] in found:
            raise ApplyError(f"{file}: the {what} {item['name']!r} is there twice. Rename or delete one of them.")
        found[item["name"]] = content
    return found


def _named(config: Kubeconfig, section: str, name: str, place: str = "") -> Entry:
    entries: Mapping[str, Entry] = getattr(config, section)
    if name in entries:
        return entries[name]
    there = ", ".join(sorted(entries)) or "none"
    of = f" of {place}" if place else ""
    raise ApplyError(f"{config.path}: there is no {_SECTIONS[section]} {name!r}{of} (there is: {there}).")


def _text(content: Json, key: str, file: Path) -> str:
    value = content.get(key)
    if value is not None and not isinstance(value, str):
        raise ApplyError(f"{file}: {key} is no text. Put it in quotes.")
    return value or ""


def _inline(entry: Entry, name: str) -> str:
    """Return a certificate or key from the kubeconfig or from a file that it names."""
    data = _text(entry.content, f"{name}-data", entry.file)
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True).decode()
        except (binascii.Error, ValueError):
            raise ApplyError(f"{entry.file}: {name}-data is not base64.") from None
    return _file(entry, name) if entry.content.get(name) else ""


def _file(entry: Entry, key: str) -> str:
    path = entry.file.parent / _text(entry.content, key, entry.file)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ApplyError(f"{entry.file}: {key} {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ApplyError(f"{entry.file}: {key} {path} is not UTF-8.") from None


def _load_with_client(path: str, context: str) -> Value:
    try:
        from kubernetes import client, config  # noqa: PLC0415 - slow to import, and most users do not need it
    except ImportError as error:
        raise ApplyError(f"{path}: {missing_required_lib('kubernetes')} ({error})") from error
    configuration: Any = client.Configuration()
    try:
        config.load_kube_config(path, context=context, client_configuration=configuration, persist_config=False)
    except Exception as error:
        raise ApplyError(f"{path}: the auth-provider of the context {context!r} failed: {error}") from error
    return configuration
