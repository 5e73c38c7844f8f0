#!/usr/bin/env bash
# Starts one node: completes its settings, formats an empty disk, and becomes Kafka.
#
# POD_NAME          name of the pod, which ends in its ordinal
# ZONE              its availability zone; Kubernetes tells it from 1.35 on, else it is empty
# KAFKA_COMPONENT   broker or controller: what this StatefulSet runs
# KAFKA_VOTERS      how many of the brokers are controllers too
# KAFKA_NODE_BASE   what is added to the ordinal for the node's id
# KAFKA_SERVICE     the domain of the StatefulSet's pods
# KAFKA_DOMAIN      the domain of the names that other clusters use
# KAFKA_BIND        the address to listen on; empty for all
set -euo pipefail
umask 077

home=${KAFKA_HOME:-/opt/kafka}
config=${KAFKA_CONFIG:-/etc/kafka/config}
secrets=${KAFKA_SECRETS:-/etc/kafka/bootstrap}
run=${KAFKA_RUN:-/run/kafka}

ordinal=${POD_NAME##*-}
node=$((KAFKA_NODE_BASE + ordinal))
inside=$POD_NAME.$KAFKA_SERVICE
outside=kafka-$ordinal.$KAFKA_DOMAIN

if [[ $KAFKA_COMPONENT == controller ]]; then
  roles=controller
elif ((ordinal < KAFKA_VOTERS)); then
  roles=broker,controller
else
  roles=broker
fi

listeners=() advertised=()
listen() { # name, port, host
  listeners+=("$1://${KAFKA_BIND:-}:$2")
  advertised+=("$1://$3:$2")
}
if [[ $roles == *broker* ]]; then
  listen INTERNAL 9092 "$inside"
  listen EXTERNAL 9094 "$outside"
  listen REPLICATION 9091 "$inside"
fi
if [[ $roles == *controller* ]]; then
  listen CONTROLLER 9093 "$inside"
fi

properties=$run/server.properties
{
  cat "$config/server.properties"
  printf 'node.id=%s\nprocess.roles=%s\n' "$node" "$roles"
  (IFS=,; printf 'listeners=%s\nadvertised.listeners=%s\n' "${listeners[*]}" "${advertised[*]}")
  if [[ -n ${ZONE:-} && $roles == *broker* ]]; then
    printf 'broker.rack=%s\n' "$ZONE"
  fi
} > "$properties"

data=$(sed -n 's/^log\.dirs=//p' "$properties")
if [[ ! -e $data/meta.properties ]]; then
  # The same voters on every node, or two quorums could come into being. The tool reads its arguments from a file,
  # because everybody in the pod sees a command line.
  arguments=$run/format
  printf '%s\n' format --ignore-formatted --config "$properties" \
    --cluster-id "$(< "$secrets/cluster-id")" > "$arguments"
  if [[ $roles == *controller* ]]; then
    printf '%s\n' --initial-controllers "$(< "$secrets/voters")" >> "$arguments"
  else
    printf '%s\n' --no-initial-controllers >> "$arguments"
  fi
  printf '%s\n' --add-scram "SCRAM-SHA-512=[name=admin,password=$(< "$secrets/admin-password")]" >> "$arguments"
  KAFKA_OPTS='' "$home/bin/kafka-storage.sh" "@$arguments"
  rm -f "$arguments"
fi

exec "$home/bin/kafka-server-start.sh" "$properties"
