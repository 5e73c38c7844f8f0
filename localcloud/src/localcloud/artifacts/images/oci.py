# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of one layer as an OCI archive: the image layout in a tar, as ``ctr image import`` and others read it.

The format is that of the OCI image specification 1.1 (image-layout.md, config.md, layer.md). Nothing in an archive
comes from the machine or the moment: entries are sorted, times are 0, owners are numbers, and the layer is not
compressed, because compressors differ between versions.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
# containerd names an image by the first; the second, the specification's own, is only a tag to most tools.
_NAME: Final = "io.containerd.image.name"
_TAG: Final = "org.opencontainers.image.ref.name"
_BEGINNING: Final = "1970-01-01T00:00:00Z"
_FILE, _DIRECTORY, _LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE


@dataclass(frozen=True)
class Entry:
    """A file, folder or symbolic link of an image; ``path`` has no slash at its ends, ``owner`` is uid and gid."""

    path: str
    kind: bytes
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    target: str = ""
    size: int = 0
    """In bytes."""
    read: Callable[[], IO[bytes]] | None = None


def data(path: str, content: bytes, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Entry:
    return Entry(path, _FILE, mode, owner, size=len(content), read=lambda: io.BytesIO(content))


def copy(path: str, source: Path, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Entry:
    return Entry(path, _FILE, mode, owner, size=source.stat().st_size, read=lambda: source.open("rb"))


def directory(path: str, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> Entry:
    return Entry(path, _DIRECTORY, mode, owner)


def link(path: str, target: str) -> Entry:
    return Entry(path, _LINK, 0o777, target=target)


def member(found: tarfile.TarInfo, archive: tarfile.TarFile) -> Entry | None:
    """Return a member of another archive, or None for a device; a hard link becomes a file of its own."""
    path = str(PurePosixPath(found.name))
    owner = (found.uid, found.gid)
    if found.isdir():
        return directory(path, found.mode, owner)
    if found.issym():
        return link(path, found.linkname)
    if not (found.isreg() or found.islnk()):
        return None
    original = archive.getmember(found.linkname) if found.islnk() else found

    def read() -> IO[bytes]:
        content = archive.extractfile(original)
        assert content is not None  # noqa: S101 - it is a file
        return content

    return Entry(path, _FILE, found.mode, owner, size=original.size, read=read)


@dataclass(frozen=True)
class Config:
    """How a container starts, in the words of the image specification.

    ``user`` is ``uid``, ``uid:gid`` or a name in the image's ``/etc/passwd``; empty for root.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str = "/"
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.ports},
            "Env": [f"{name}={value}" for name, value in self.environment],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Volumes": {volume: {} for volume in self.volumes},
            "WorkingDir": self.working_directory,
            "Labels": dict(self.labels),
        }
        return {key: value for key, value in settings.items() if value}


def write_layer(entries: Iterable[Entry], target: Path) -> None:
    """Write a layer with the folders that its entries are in.

    :raises ValueError: two entries of one path differ, or one lies beneath a file or a link
    """
    tree: dict[str, Entry] = {}
    for entry in entries:
        known = tree.setdefault(entry.path, entry)
        if known is not entry and not known.kind == entry.kind == _DIRECTORY:
            raise ValueError(f"{entry.path} is there twice")
    for path in list(tree):
        for parent in list(PurePosixPath(path).parents)[:-1]:
            if tree.setdefault(str(parent), directory(str(parent))).kind != _DIRECTORY:
                raise ValueError(f"{path} lies in {parent}, which is no folder")
    tree.pop(".", None)
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree):
            _add(archive, tree[path])


def write_archive(reference: str, layer: Path, config: Config, architecture: str, target: Path) -> None:
    """Write the image of one layer under its full reference, such as ``docker.io/apache/kafka:4.3.1``."""
    with layer.open("rb") as content:
        layer_digest = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
    documents: dict[str, bytes] = {}

    def described(media_type: str, document: object) -> dict[str, Any]:
        text = _text(document)
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        documents[digest] = text
        return {"mediaType": media_type, "digest": digest, "size": len(text)}

    platform = {"architecture": architecture, "os": "linux"}
    image = described(
        _CONFIG,
        {
            "created": _BEGINNING,
            **platform,
            "config": config.document(),
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
            "history": [{"created": _BEGINNING, "created_by": "localcloud images"}],
        },
    )
    manifest = described(
        _MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": image,
            "layers": [{"mediaType": _LAYER, "digest": layer_digest, "size": layer.stat().st_size}],
        },
    )
    names = {_NAME: reference, _TAG: reference.rpartition(":")[2]}
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [{**manifest, "platform": platform, "annotations": names}],
    }
    entries = {
        "oci-layout": data("oci-layout", _text({"imageLayoutVersion": "1.0.0"})),
        "index.json": data("index.json", _text(index)),
    }
    blobs = [data(_blob(digest), text) for digest, text in documents.items()]
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for entry in (*entries.values(), directory("blobs"), directory("blobs/sha256")):
            _add(archive, entry)
        for entry in sorted((*blobs, copy(_blob(layer_digest), layer)), key=lambda blob: blob.path):
            _add(archive, entry)


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _text(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path)
    info.type, info.mode, info.size = entry.kind, entry.mode, entry.size
    info.uid, info.gid = entry.owner
    info.linkname = entry.target
    if entry.read:
        with entry.read() as content:
            archive.addfile(info, content)
    else:
        archive.addfile(info)
