# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers in the texts of alarms: their format, and their equality with the definition."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms import texts
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.built_in import FOLDER, TOPICS, built_in
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import Alarm, Unit

ALARMS = [alarm for topic in built_in() for alarm in topic.alarms]
_COUNTED = {"hour": 60, "minute": 1, "day": 1440}
# Words for a share of the whole.
_SHARES = {"half": 50, "third": 33, "quarter": 25, "fifth": 20, "tenth": 10, "most": 50}
_NUMBERS = {word: number for number, word in enumerate(texts._NUMBERS) if word} | {"a": 1, "an": 1, "half an": 0.5}
_NUMBERS |= {"half a": 0.5, "a quarter of an": 0.25, "a day and a half": 1.5}
# Alarms whose texts contain such a number that is not the threshold or the hold.
OTHERS = {
    # Watermarks of Elasticsearch.
    "ElasticsearchDiskAlmostFull": "at 85 % the node gets no new shards",
}


def literals(alarm: Alarm, text: str) -> Iterator[str]:
    """Yield each phrase of ``text`` that states the threshold or the hold of ``alarm`` in digits or words."""
    text = re.sub(r"{{.*?}}|@\w+@", "", text)
    hold = texts.seconds(alarm.hold) / 60
    minutes = {hold}
    if alarm.op and alarm.unit is Unit.SECONDS:
        minutes.add(alarm.threshold / 60)
    words = "|".join(sorted((re.escape(word) for word in _NUMBERS), key=len, reverse=True))
    for found in re.finditer(rf"\b(\d+|{words}) (day|hour|minute)s?\b", text):
        count = float(found[1]) if found[1].isdigit() else _NUMBERS[found[1]]
        # What has been observed within the window of the query is not the hold.
        if count * _COUNTED[found[2]] in minutes - {0} and not re.search(
            r"(within|of) (the )?last $", text[: found.start()]
        ):
            yield found[0]
    if alarm.op and alarm.unit is Unit.PERCENT:
        shares = {alarm.threshold, 100 - alarm.threshold}
        for found in re.finditer(rf"(\d+) %|\b({'|'.join(_SHARES)})\b", text):
            if (float(found[1]) if found[1] else _SHARES[found[2]]) in shares:
                yield found[0]
    if alarm.op and alarm.threshold > 1 and alarm.unit is Unit.NUMBER:
        yield from re.findall(rf"\b{alarm.threshold:g}\b|hundred thousand", text)


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_texts_have_no_number_that_an_override_would_make_wrong(alarm: Alarm) -> None:
    text = f"{alarm.summary}. {alarm.description}".replace(OTHERS.get(alarm.name, "\0"), "")
    assert list(literals(alarm, text)) == [], "write @threshold@ or @hold@"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("AverageCpuHigh", "more than 80 % for five minutes", ["five minutes", "80 %"]),
        ("AverageCpuHigh", "less than 20 % has been idle, less than a fifth", ["20 %", "fifth"]),
        ("AverageCpuHigh", "more than @threshold@ for @hold@ of 24 hours", []),
        ("VolumeFullIn4Days", "within an hour", ["an hour"]),
        ("ContainerThrottled", "in half of its periods for half an hour", ["half an hour", "half", "half"]),
        ("SnapshotOld", "older than 36 hours", ["36 hours"]),
        ("NodeCordonedLong", "for half a day", ["half a day"]),
        ("ConsumerLagGrowing", "100000 messages", ["100000"]),
    ],
)
def test_such_numbers_are_found(name: str, text: str, found: list[str]) -> None:
    (alarm,) = (alarm for alarm in ALARMS if alarm.name == name)
    assert list(literals(alarm, text)) == found


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        ("0m", "0 minutes"),
        ("1m", "one minute"),
        ("5m", "five minutes"),
        ("15m", "15 minutes"),
        ("1h", "one hour"),
        ("1h30m", "90 minutes"),
        ("36h", "36 hours"),
        ("1d", "24 hours"),
        ("2d", "two days"),
        ("1w", "seven days"),
        ("90s", "90 seconds"),
        ("500ms", "500 ms"),
        ("1s500ms", "1.5 seconds"),
    ],
)
def test_a_duration_in_words(duration: str, text: str) -> None:
    assert texts.duration(duration) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (80, Unit.PERCENT, "80 %"),
        (0.5, Unit.PERCENT, "0.5 %"),
        (0.05, Unit.SECONDS, "50 ms"),
        (129600, Unit.SECONDS, "36 hours"),
        (1814400, Unit.SECONDS, "21 days"),
        (1, Unit.BYTES, "1 byte"),
        (50 * 2**20, Unit.BYTES, "50 MiB"),
        (1536, Unit.BYTES, "1536 bytes"),
        (-7, Unit.SECONDS, "-7 seconds"),
        (-60, Unit.SECONDS, "-1 minutes"),
        (-720000, Unit.SECONDS, "-200 hours"),
        (0, Unit.SECONDS, "0 seconds"),
        (100000, Unit.NUMBER, "100000"),
    ],
)
def test_a_threshold_has_its_unit(value: float, unit: Unit, text: str) -> None:
    assert texts.threshold(value, unit) == text


@pytest.mark.parametrize(
    "alarm", [each for each in ALARMS if each.component == "certificates"], ids=lambda each: each.name
)
def test_texts_about_certificates_hold_for_any_threshold(alarm: Alarm) -> None:
    """The hint about a missed run appears only for certificates below the renewal threshold of runs."""
    assert ("less than 30 days" in alarm.description) is (alarm.name in ("CertificateNotRenewed", "CertificateExpires"))
    assert bool(re.search(r"\d+ days|three years", alarm.description)) is ("Below that, " in alarm.description)


def test_every_file_of_definitions_is_read() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.yaml" for name in TOPICS}
