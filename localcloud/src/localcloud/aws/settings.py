# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and error rates of the emulated account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from localcloud.model import ClusterBackend


@dataclass(frozen=True)
class EmulatorSettings:
    """Settings, with durations in seconds. Each is also an environment variable, ``LOCALCLOUD_<NAME>``."""

    cluster_seconds: float = 1.0
    """CREATING (in addition to the start of the control plane) and DELETING of a cluster."""
    update_seconds: float = 1.0
    """UPDATING of a cluster, node group or add-on."""
    nodegroup_seconds: float = 1.0
    addon_seconds: float = 0.5
    nat_seconds: float = 0.5
    """``pending`` and ``deleting`` of a NAT gateway."""
    consistency_delay: float = 1.0
    """Delay until a new IAM role, access entry or pod identity association is effective."""
    throttle_rate: float = 0.0
    """Share of AWS API calls that fail with throttling or a transient server error, 0 to 1."""
    seed: int = 0
    """Seed of the sequence of such errors."""
    clusters: ClusterBackend | None = None
    """The backend of control planes; without it, clusters are ACTIVE immediately and have no API server."""

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, clusters: ClusterBackend | None = None
    ) -> EmulatorSettings:
        """Return the settings: defaults, ``LOCALCLOUD_FAULTS`` (``rate=0.02,seed=7``) and ``LOCALCLOUD_<NAME>``.

        Raises ValueError with the variable's name for an invalid value.
        """
        env = os.environ if environ is None else environ
        values: dict[str, float | int] = {}
        for field in fields(cls):
            name = f"LOCALCLOUD_{field.name.upper()}"
            if field.name != "clusters" and name in env:
                values[field.name] = _number(name, env[name], int if field.name == "seed" else float)
        for part in filter(None, (p.strip() for p in env.get("LOCALCLOUD_FAULTS", "").split(","))):
            key, _, value = part.partition("=")
            if key == "rate":
                values["throttle_rate"] = _number("LOCALCLOUD_FAULTS", value, float)
            elif key == "seed":
                values["seed"] = _number("LOCALCLOUD_FAULTS", value, int)
            else:
                raise ValueError(f"LOCALCLOUD_FAULTS: unknown key {key!r}, expected rate=<share>,seed=<number>")
        if not 0 <= values.get("throttle_rate", 0) <= 1:
            raise ValueError("LOCALCLOUD_FAULTS: rate must be between 0 and 1")
        return cls(**values, clusters=clusters)  # type: ignore[arg-type]


def _number(name: str, text: str, kind: type[int] | type[float]) -> float | int:
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} is not a number") from error
