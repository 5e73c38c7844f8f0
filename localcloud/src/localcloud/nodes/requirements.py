# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements of real nodes on the machine, checked before the start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from localcloud.model import LocalCloudError
from localcloud.nodes.volumes import FILE_SYSTEMS, GIB, file_system, release

CNI_FOLDERS = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))
CNI_PLUGINS = ("ptp", "host-local", "loopback")
PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "ip", "mount", "nft", "nsenter", "runc", "unshare")
MINIMUM_MEMORY = 4 << 30
MINIMUM_DISK = 10 << 30
_PACKAGES = "containerd runc containernetworking-plugins iproute2 nftables util-linux"
FOLDERS = "Volumes of real nodes are directories without a size limit: {}"
_VOLUME_PROGRAMS = ("findmnt", "losetup", "mountpoint", "umount")
_VOLUME_PACKAGES = "util-linux mount e2fsprogs xfsprogs"
_PROBE_SECONDS = 20

# Kernel features, each with a command that tests it in temporary namespaces.
_NETWORK = ["unshare", "--net"]
_FEATURES: tuple[tuple[str, list[str], str], ...] = (
    ("network namespaces (CONFIG_NET_NS)", [*_NETWORK, "true"], ""),
    ("process namespaces (CONFIG_PID_NS)", ["unshare", "--pid", "--fork", "true"], ""),
    ("mount namespaces", ["unshare", "--mount", "true"], ""),
    ("host name namespaces (CONFIG_UTS_NS)", ["unshare", "--uts", "--ipc", "true"], ""),
    (
        "veth (CONFIG_VETH)",
        [*_NETWORK, "ip", "link", "add", "name", "probe0", "type", "veth", "peer", "name", "probe1"],
        "",
    ),
    (
        "nftables with NAT, numgen and fib (CONFIG_NF_TABLES, CONFIG_NFT_NAT, CONFIG_NFT_NUMGEN, CONFIG_NFT_FIB_INET)",
        [*_NETWORK, "nft", "-f", "-"],
        "table ip probe { chain c { type nat hook prerouting priority dstnat; "
        "fib daddr type local dnat to numgen random mod 2 map { 0 : 192.0.2.1, 1 : 192.0.2.2 }; "
        "ct state established accept; }; chain d { type nat hook postrouting priority srcnat; masquerade; }; "
        "chain e { type filter hook forward priority filter; reject; }; }",
    ),
)


def cni_plugins() -> Path:
    """Return the directory of the CNI plugins."""
    return next(
        (folder for folder in CNI_FOLDERS if all((folder / name).is_file() for name in CNI_PLUGINS)), CNI_FOLDERS[0]
    )


def check(root: Path) -> None:
    """Raise with all requirements of real nodes that this machine does not meet.

    :param root: the state directory, which contains the nodes' file systems
    :raises LocalCloudError: something is missing
    """
    _raise(_place())
    _raise([*_programs(), *_room(root)])
    _raise(_kernel(root))


def volumes(root: Path) -> str:
    """Return why volumes cannot have a size limit, empty if they can. Real nodes run without it.

    :param root: the state directory, which contains the volumes' files
    """
    kinds = sorted({file_system(kind) for kind in FILE_SYSTEMS})
    needed = [*_VOLUME_PROGRAMS, *(name for kind in kinds for name in FILE_SYSTEMS[kind].programs)]
    missing = [name for name in needed if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} cannot be found (on Debian: apt install {_VOLUME_PACKAGES})"
    # XFS is used only by some storage classes, so only the default file system is tested.
    return _loop(root, file_system("ext4"))


def _loop(root: Path, kind: str) -> str:
    """Mount a file system in a file, in a temporary namespace."""
    existing = next(path for path in (root, *root.parents) if path.exists())
    system = FILE_SYSTEMS[kind]
    with tempfile.TemporaryDirectory(dir=existing, prefix=".volume-") as scratch:
        file, place = Path(scratch, "file"), Path(scratch, "place")
        place.mkdir()
        with file.open("wb") as opened:
            opened.truncate(GIB)
        answer = _try([*system.make, str(file)]) or _try(
            ["unshare", "--mount", "mount", "-t", kind, "-o", system.options, str(file), str(place)]
        )
        release(Path(scratch))
    return f"{kind} in a file (CONFIG_BLK_DEV_LOOP) does not work: {answer}" if answer else ""


def _raise(problems: Iterable[str]) -> None:
    found = list(problems)
    if found:
        raise LocalCloudError(f"Real nodes cannot run here: {'; '.join(found)}. Simulated nodes can: leave out --nodes")


def _place() -> list[str]:
    if sys.platform != "linux":
        return [f"they need Linux, and this is {sys.platform}"]
    if os.geteuid() != 0:
        return ["they need root, for namespaces and mounts: run the command as root"]
    return []


def _programs() -> list[str]:
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    folder = cni_plugins()
    missing += [f"CNI plugin {name}" for name in CNI_PLUGINS if not (folder / name).is_file()]
    if not missing:
        return []
    return [f"{', '.join(missing)} cannot be found (on Debian: apt install {_PACKAGES})"]


def _room(root: Path) -> list[str]:
    problems = []
    free = available_memory()
    if free < MINIMUM_MEMORY:
        problems.append(f"{free >> 20} MB of memory are available, and {MINIMUM_MEMORY >> 20} MB are needed")
    existing = next(path for path in (root, *root.parents) if path.exists())
    disk = shutil.disk_usage(existing).free
    if disk < MINIMUM_DISK:
        problems.append(f"{existing} has {disk >> 20} MB of free space, and {MINIMUM_DISK >> 20} MB are needed")
    return problems


def available_memory() -> int:
    """Return the bytes of memory that are available without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _kernel(root: Path) -> list[str]:
    problems = []
    for feature, command, text in _FEATURES:
        answer = _try(command, text)
        if answer:
            problems.append(f"the kernel lacks {feature}: {answer}")
    answer = _overlay(root)
    if answer:
        problems.append(f"overlayfs (CONFIG_OVERLAY_FS) does not work in {root}: {answer}")
    controllers = _controllers()
    if controllers:
        problems.append(f"these cgroup controllers are missing: {', '.join(controllers)}")
    return problems


def _try(command: list[str], text: str = "") -> str:
    """Return the end of a failed command's output, or nothing on success."""
    try:
        run = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if run.returncode == 0:
        return ""
    return (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[0]


def _overlay(root: Path) -> str:
    """Mount an overlay in a temporary namespace."""
    existing = next(path for path in (root, *root.parents) if path.exists())
    with tempfile.TemporaryDirectory(dir=existing, prefix=".overlay-") as scratch:
        layers = [Path(scratch, name) for name in ("lower", "upper", "work", "merged")]
        for layer in layers:
            layer.mkdir()
        lower, upper, work, merged = layers
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        return _try(["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, str(merged)])


def _controllers(mount: Path = Path("/sys/fs/cgroup")) -> list[str]:
    """Return the controllers that the kubelet needs and the machine lacks."""
    needed = ("cpu", "cpuset", "memory", "pids")
    unified = mount / "cgroup.controllers"
    there = unified.read_text().split() if unified.exists() else [path.name for path in mount.glob("*")]
    return [name for name in needed if name not in there]
