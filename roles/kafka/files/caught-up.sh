#!/usr/bin/env bash
# Succeeds once this node runs and, as a broker, follows the others without lag. Asks the node's own metrics.
set -euo pipefail

exec 3<> "/dev/tcp/${METRICS_HOST:-127.0.0.1}/9404"
printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
metrics=$(cat <&3)

value() {
  sed -n "s/^$1 \([0-9.E+-]*\).*/\1/p" <<< "$metrics" | head -n 1
}

if [[ $KAFKA_COMPONENT == controller ]]; then
  [[ -n $(value kafka_controller_activecontrollercount) ]]
else
  [[ $(value kafka_server_broker_state) == 3.0 && $(value kafka_server_replica_fetcher_maxlag) =~ ^(0\.0)?$ ]]
fi
