# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The remote write requests of the load, decoded by the rules of snappy's block format and of protobuf."""

from __future__ import annotations

import struct

from tests.benchmarks.measured_bridges import NAME, SAMPLES_PER_REQUEST, request


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return number, at
        shift += 7


def unpacked(data: bytes) -> bytes:
    length, at = varint(data, 0)
    out = b""
    while at < len(data):
        assert data[at] == 61 << 2, "a literal whose length is in the two bytes that follow"
        size = int.from_bytes(data[at + 1 : at + 3], "little") + 1
        out += data[at + 3 : at + 3 + size]
        at += 3 + size
    assert len(out) == length
    return out


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """Return the fields of a message that consists of strings and messages only."""
    found, at = [], 0
    while at < len(data):
        key, at = varint(data, at)
        assert key & 7 == 2
        size, at = varint(data, at)
        found.append((key >> 3, data[at : at + size]))
        at += size
    return found


def test_a_request_has_one_numbered_sample_of_each_series() -> None:
    when = 1795471609041
    series = fields(unpacked(request(4000, when)))
    assert [number for number, _ in series] == [1] * SAMPLES_PER_REQUEST
    identities = set()
    for value, (_, message) in enumerate(series, 4000):
        *labels, (number, sample) = fields(message)
        pairs = [tuple(text.decode() for _, text in fields(label)) for _, label in labels]
        assert pairs == sorted(pairs)
        assert dict(pairs)["__name__"] == NAME
        identities.add(tuple(pairs))
        assert (number, sample[0], sample[9]) == (2, 0x09, 0x10)
        assert struct.unpack("<d", sample[1:9]) == (value,)
        assert varint(sample, 10) == (when, len(sample))
    assert len(identities) == SAMPLES_PER_REQUEST
