# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a broker's pod is asked to run."""

from __future__ import annotations

from typing import Final

SCRIPT: Final = r"""
# Prints the first message of a topic that has a word in it, with the time at which it was produced.
#
#   TOPIC WORD SECONDS_BACK SECONDS_TO_WAIT
#
# Runs in a broker's pod, by the broker's own certificate. The consumer's group has no name of its own, keeps no
# offsets, and is gone with it. Exit status 0: there, or not there in time; 3: the consumer failed.
set -uo pipefail
umask 077
topic=$1 word=$2 back=$3 wait=$4
tls=${KAFKA_TLS:-/etc/kafka/tls}
work=$(mktemp -d "${KAFKA_RUN:-/run/kafka}/verify.XXXXXX") || exit 3
consumer=
trap '[[ -z $consumer ]] || kill "$consumer" 2> /dev/null; rm -rf "$work"' EXIT

cat > "$work/client" << END
security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=$tls/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$tls/ca.pem
END
mkfifo "$work/messages"
# The broker's own are for a broker: its heap, its agent's port.
unset KAFKA_OPTS KAFKA_LOG4J_OPTS EXTRA_ARGS JMX_PORT
KAFKA_HEAP_OPTS=-Xmx128m timeout "$wait" "${KAFKA_HOME:-/opt/kafka}/bin/kafka-console-consumer.sh" \
  --bootstrap-server "${KAFKA_BOOTSTRAP:-${POD_NAME}.${KAFKA_SERVICE}:9091}" --topic "$topic" \
  --command-config "$work/client" --command-property "auto.offset.reset=by_duration:PT${back}S" \
  --formatter-property print.timestamp=true > "$work/messages" 2> "$work/error" &
consumer=$!
# What is no message is what the consumer has to say. The tools are those that the image's own scripts have.
found=$(sed -n -e "/^CreateTime:/{/$word/{p;q};d}" -e "w $work/said" "$work/messages")
if [[ -n $found ]]; then
  printf '%s\n' "$found"
  exit 0
fi
wait "$consumer"
status=$?
consumer=
# 124 and 143: its time was over.
if ((status == 124 || status == 143)); then exit 0; fi
cat "$work/said" "$work/error" | tail -n 60 >&2
exit 3
"""
