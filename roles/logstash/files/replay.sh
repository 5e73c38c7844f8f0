#!/usr/bin/env bash
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# replay.sh DATA KIND...: gives a pod's dead letters to the pipelines that send them again. DATA is Logstash's path.data, each
# KIND a pipeline; its letters, and those of KIND-replay, which were refused again, go to KIND-replay.
#
# Segments are complete files. Each is linked where the pipeline reads before it is removed where it was, so that whenever
# this is interrupted it is in one place at least; twice is no harm, Elasticsearch keeps each document once.
set -euo pipefail
shopt -s nullglob inherit_errexit

data=$1
shift

# Whether a head segment has letters: an empty one has the byte of its version. It is closed 6 s after its last letter.
open_letters() {
  local head
  for head in "$1"/*.log.tmp; do
    [ "$(stat -c %s "$head" 2>/dev/null || echo 0)" -gt 1 ] && return 0
  done
  return 1
}

newest() { # newest FOLDER: its highest number of a segment
  local segment name highest=0
  for segment in "$1"/*.log; do
    name=$(basename "$segment" .log)
    [ "$name" -gt "$highest" ] && highest=$name
  done
  echo "$highest"
}

hand_over() { # hand_over FROM TO: prints how many segments and bytes
  local from=$1 to=$2 name next segment size count=0 bytes=0
  next=$(newest "$to")
  for name in $(for segment in "$from"/*.log; do basename "$segment" .log; done | sort -n); do
    segment=$from/$name.log
    size=$(stat -c %s "$segment" 2>/dev/null) || continue # Logstash has just dropped it
    [ "$size" -gt 1 ] || continue
    # The reader goes by numbers, and when it starts it removes what was changed before the segment it was at.
    touch "$segment"
    [ ! -e "$to/$next.log" ] || [ "$segment" -nt "$to/$next.log" ] || touch -r "$to/$next.log" "$segment"
    next=$((next + 1))
    until ln "$segment" "$to/$next.log" 2>/dev/null; do
      [ -e "$segment" ] || continue 2
      [ -e "$to/$next.log" ] || { echo "$segment cannot be linked to $to/$next.log" >&2; return 1; }
      next=$((next + 1))
    done
    rm -f "$segment"
    count=$((count + 1)) bytes=$((bytes + size))
  done
  if [ "$count" -gt 0 ]; then
    # As Logstash's own reader says that it has removed segments: the writer counts its bytes again.
    echo "$to/$next.log" >"$from/.deleted_segment.tmp"
    mv -f "$from/.deleted_segment.tmp" "$from/.deleted_segment"
  fi
  echo "$count segments with $bytes bytes"
}

refused=0
for kind in "$@"; do
  to=$data/replay/$kind
  if [ ! -d "$to" ]; then
    echo "$to does not exist, so Logstash has no pipeline $kind-replay. Run --tags logstash first." >&2
    exit 1
  fi
  # The volume has room for one queue of dead letters here; the last segment that was read always stays.
  waiting=$(du -sm "$to" | cut -f1)
  if [ "$waiting" -gt "${WAITING_MIB:-64}" ]; then
    echo "$to has $waiting MiB that $kind-replay has not read yet: nothing is added. Run this again when it has." >&2
    refused=1
    continue
  fi
  for from in "$data/dead_letter_queue/$kind" "$data/dead_letter_queue/$kind-replay"; do
    for ((second = 0; second < ${PATIENCE:-10}; second++)); do
      open_letters "$from" || break
      sleep 1
    done
    given=$(hand_over "$from" "$to")
    echo "$(basename "$from"): $given are given to the pipeline $kind-replay"
  done
done
exit "$refused"
