#!/usr/bin/env bash
# Prepares the settings of one node before Elasticsearch starts: in memory, because they hold a password.
#
# SOURCE       the image's settings
# TARGET       where they are to be, writable and in memory
# PLATFORM     our settings: elasticsearch.yml and platform.options
# SECRETS      folder with the file elastic-password
# DATA         the node's volume
# VOTERS       names of the nodes that form the cluster, with commas between them
# TOKEN        where EKS mounts the token of the pod's identity
# ZONE         the zone of the pod's node; empty where Kubernetes does not tell it
set -euo pipefail
umask 077

cp -r "$SOURCE/." "$TARGET/"
cp "$PLATFORM/elasticsearch.yml" "$TARGET/elasticsearch.yml"
mkdir -p "$TARGET/jvm.options.d" "$TARGET/repository-s3"
cp "$PLATFORM/platform.options" "$TARGET/jvm.options.d/platform.options"
ln -sfn "$TOKEN" "$TARGET/repository-s3/aws-web-identity-token-file"

# Elasticsearch drops an attribute that is empty, and gives no shard to a node without the one that it is to be aware of.
if ! grep -q '^node\.attr\.zone:' "$TARGET/elasticsearch.yml"; then
  printf 'node.attr.zone: "%s"\n' "${ZONE:-unknown}" >> "$TARGET/elasticsearch.yml"
fi

# A node that has once been part of the cluster finds it in its data. A new one among the first three must be told who
# may form it, and needs two of them to do so: one that has lost its volume finds the others and joins them. One that is
# added later is never told, and can only join.
mkdir -p "$DATA/data"
if [[ ! -e $DATA/joined && ,$VOTERS, == *,"$POD_NAME",* ]]; then
  printf 'cluster.initial_master_nodes: [%s]\n' "$VOTERS" >> "$TARGET/elasticsearch.yml"
fi

# The password goes from file to pipe, never to a command line.
export ES_PATH_CONF=$TARGET ES_JAVA_OPTS="-Xms32m -Xmx64m"
rm -f "$TARGET/elasticsearch.keystore"
elasticsearch-keystore create
elasticsearch-keystore add --stdin bootstrap.password < "$SECRETS/elastic-password"

# For the probe: curl reads who asks from here.
password=$(< "$SECRETS/elastic-password")
password=${password//\\/\\\\}
printf 'user = "elastic:%s"\n' "${password//\"/\\\"}" > "$TARGET/probe.curl"
