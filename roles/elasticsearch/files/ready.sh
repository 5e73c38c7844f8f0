#!/usr/bin/env bash
# Whether a node is ready: it is part of a cluster with a master. After a start it also waits until the cluster has all
# copies of its data again, so that a rollout does not stop the next node while one is being restored; at most
# PATIENCE seconds, because a cluster that cannot recover must still be reachable.
#
# CONFIG     the node's settings, with probe.curl for curl
# DATA       the node's volume, where it is noted that the node has joined
# RUN        a folder that is empty in a new pod
# NODES      how many nodes there are
set -euo pipefail

(exec 3<> /dev/tcp/127.0.0.1/"${READINESS_PORT:-9399}") 2> /dev/null || exit 1
if [[ ! -e $DATA/joined ]]; then : > "$DATA/joined"; fi

[[ -e $RUN/recovered ]] && exit 0
if [[ ! -e $RUN/started ]]; then : > "$RUN/started"; fi
status=green
if ((NODES == 1)); then status=yellow; fi
age=$(($(date +%s) - $(stat -c %Y "$RUN/started")))
if ((age > ${PATIENCE:-600})) || curl --silent --fail --output /dev/null --max-time 5 --config "$CONFIG/probe.curl" \
  --cacert "$CONFIG/certs/ca.crt" "https://localhost:${HTTP_PORT:-9200}/_cluster/health?wait_for_status=$status&timeout=2s"; then
  : > "$RUN/recovered"
  exit 0
fi
exit 1
