#!/usr/bin/env bash
# Brings the topics, users and access rules of a Kafka cluster to what is declared.
#
#   reconcile.sh [--plan]     --plan prints what differs and changes nothing
#
# BOOTSTRAP       where Kafka is
# CLIENT          properties of a client that may do this
# TOPICS          folder with a file for each topic: its name, and in it partitions=, replication= and settings
# ACLS            file with a line for each rule: principal, permission, host, operation, type, pattern, name
# PASSWORDS       folder with a file for each user; empty if users are not to be managed
# SCOPE           all, or the beginnings of the names of the topics that are ours: what else there is stays
# DELETE_TOPICS   true to delete topics that are not declared
# WAIT            seconds to wait for Kafka
#
# Passwords cannot be read back, but how often they were hashed can: the number is derived from the password, so that
# another password shows (all but one in 4096).
#
# At the end comes one line of JSON: how many objects were not as declared. The exit status is 1 if one still is not.
set -euo pipefail
umask 077

bin=${KAFKA_HOME:-/opt/kafka}/bin
work=$(mktemp -d "${RUN:-/run/kafka}/reconcile.XXXXXX")
trap 'rm -rf "$work"' EXIT
plan=false
if [[ ${1:-} == --plan ]]; then plan=true; fi
drift=0 failures=0

tool() {
  local name=$1
  shift
  "$bin/$name.sh" --bootstrap-server "$BOOTSTRAP" --command-config "$CLIENT" "$@" < /dev/null
}

# Says what differs, then changes it, unless only a plan was asked for.
repair() { # what, command...
  local what=$1
  shift
  drift=$((drift + 1))
  printf '%s\n' "$what"
  if ! $plan && ! "$@" > "$work/answer" 2>&1; then
    printf '! %s failed: %s\n' "$what" "$(tail -n 3 "$work/answer" | tr '\n' ' ')"
    failures=$((failures + 1))
  fi
}

refuse() {
  drift=$((drift + 1)) failures=$((failures + 1))
  printf '! %s\n' "$1"
}

ours() { # topic
  [[ $SCOPE == all ]] && return
  local beginning
  for beginning in $SCOPE; do
    [[ $1 == "$beginning"* ]] && return
  done
  return 1
}

# -- topics

declare -A live_partitions=() live_replication=() live_settings=()

read_topics() {
  local deadline=$((SECONDS + ${WAIT:-300})) line topic=
  until tool kafka-topics --describe > "$work/topics" 2> "$work/error"; do
    if ((SECONDS >= deadline)); then
      printf '! Kafka does not answer at %s: %s\n' "$BOOTSTRAP" "$(tail -n 3 "$work/error" | tr '\n' ' ')"
      exit 1
    fi
    sleep 5
  done
  while IFS= read -r line; do
    if [[ $line =~ ^Topic:\ ([^[:space:]]+).*PartitionCount:\ ([0-9]+).*ReplicationFactor:\ ([0-9]+) ]]; then
      live_partitions[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
      live_replication[${BASH_REMATCH[1]}]=${BASH_REMATCH[3]}
    fi
  done < "$work/topics"
  if ((${#live_partitions[@]})); then
    tool kafka-configs --describe --entity-type topics > "$work/settings"
    while IFS= read -r line; do
      if [[ $line =~ ^Dynamic\ configs\ for\ topic\ (.+)\ are:$ ]]; then
        topic=${BASH_REMATCH[1]}
      elif [[ $line =~ ^\ +([a-z][a-z.]*)=(.*)\ sensitive=(true|false)\ synonyms= ]]; then
        live_settings[$topic]+="${BASH_REMATCH[1]}=${BASH_REMATCH[2]}"$'\n'
      fi
    done < "$work/settings"
  fi
}

value_of() { # key, lines
  sed -n "s/^${1//./\\.}=//p" <<< "$2"
}

settings_of() { # lines: without partitions and replication
  grep -Ev '^(partitions|replication)=|^$' <<< "$1" || true
}

create_topic() { # topic, lines
  local options=() line
  while IFS= read -r line; do
    options+=(--config "$line")
  done < <(settings_of "$2")
  tool kafka-topics --create --topic "$1" --partitions "$(value_of partitions "$2")" \
    --replication-factor "$(value_of replication "$2")" "${options[@]}"
}

change_settings() { # topic, lines to set, names to take away
  local options=()
  if [[ -n $2 ]]; then
    printf '%s\n' "$2" > "$work/add"
    options+=(--add-config-file "$work/add")
  fi
  if [[ -n $3 ]]; then options+=(--delete-config "$3"); fi
  tool kafka-configs --alter --entity-type topics --entity-name "$1" "${options[@]}"
}

one_topic() { # topic, lines
  local topic=$1 wanted=$2 partitions replication line key set='' gone='' what=''
  partitions=$(value_of partitions "$wanted") replication=$(value_of replication "$wanted")
  if [[ -z ${live_partitions[$topic]:-} ]]; then
    repair "+ topic $topic: $partitions partitions, $replication replicas" create_topic "$topic" "$wanted"
    return
  fi
  if ((partitions > live_partitions[$topic])); then
    repair "~ topic $topic: ${live_partitions[$topic]} -> $partitions partitions" \
      tool kafka-topics --alter --topic "$topic" --partitions "$partitions"
  elif ((partitions < live_partitions[$topic])); then
    refuse "topic $topic has ${live_partitions[$topic]} partitions and cannot have $partitions: Kafka cannot take any away."
  fi
  if ((replication != live_replication[$topic])); then
    refuse "topic $topic has ${live_replication[$topic]} replicas, not $replication: move them by kafka-reassign-partitions.sh."
  fi
  while IFS= read -r line; do
    if [[ -n $line && $line != "${line%%=*}=$(value_of "${line%%=*}" "${live_settings[$topic]:-}")" ]]; then
      set+=${set:+$'\n'}$line what+=" ${line%%=*}"
    fi
  done < <(settings_of "$wanted")
  while IFS= read -r line; do
    key=${line%%=*}
    # The throttles belong to whoever moves partitions at the moment.
    if [[ -n $key && $key != *.replication.throttled.replicas && -z $(value_of "$key" "$wanted") ]]; then
      gone+=${gone:+,}$key what+=" $key"
    fi
  done <<< "${live_settings[$topic]:-}"
  if [[ -n $what ]]; then
    repair "~ topic $topic:$what" change_settings "$topic" "$set" "$gone"
  fi
}

reconcile_topics() {
  local file topic
  declare -A wanted=()
  for file in "$TOPICS"/*; do
    [[ -f $file ]] || continue
    topic=${file##*/} wanted[${file##*/}]=1
    one_topic "$topic" "$(< "$file")"
  done
  for topic in "${!live_partitions[@]}"; do
    if [[ -z ${wanted[$topic]:-} && $topic != __* ]] && ours "$topic"; then
      if [[ ${DELETE_TOPICS:-false} == true ]]; then
        repair "- topic $topic" tool kafka-topics --delete --topic "$topic"
      else
        printf 'topic %s is not declared and stays\n' "$topic"
      fi
    fi
  done
}

# -- users

declare -A live_users=()

read_users() {
  local line
  tool kafka-configs --describe --entity-type users > "$work/users"
  while IFS= read -r line; do
    if [[ $line =~ ^SCRAM\ credential\ configs\ for\ user-principal\ \'(.+)\'\ are\ (.*)$ ]]; then
      live_users[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
    fi
  done < "$work/users"
}

iterations_of() { # user, password
  local sum
  sum=$(printf '%s:%s' "$1" "$2" | sha256sum)
  printf '%d' $((4096 + 16#${sum:0:3}))
}

set_password() { # user, file, iterations
  local password text status=0
  password=$(< "$2")
  # Written to memory, read by the tool, and never part of a command line. A backslash is special in properties.
  printf 'SCRAM-SHA-512=iterations=%s,password=%s\n' "$3" "${password//\\/\\\\}" > "$work/password"
  text=$(tool kafka-configs --alter --entity-type users --entity-name "$1" --add-config-file "$work/password" 2>&1) || status=$?
  rm -f "$work/password"
  # The tool shows what it does not understand.
  printf '%s\n' "${text//"$password"/<redacted>}"
  return $status
}

reconcile_users() {
  local file user iterations
  for file in "$PASSWORDS"/*; do
    [[ -f $file ]] || continue
    user=${file##*/}
    iterations=$(iterations_of "$user" "$(< "$file")")
    if [[ -z ${live_users[$user]:-} ]]; then
      repair "+ user $user" set_password "$user" "$file" "$iterations"
    elif [[ ${live_users[$user]} != *"SCRAM-SHA-512=iterations=$iterations" ]]; then
      repair "~ user $user: password" set_password "$user" "$file" "$iterations"
    fi
  done
}

remove_user() {
  local mechanisms
  mechanisms=$(grep -Eo 'SCRAM-SHA-(256|512)' <<< "${live_users[$1]}" | sort -u | paste -sd, -)
  tool kafka-configs --alter --entity-type users --entity-name "$1" --delete-config "$mechanisms"
}

remove_users() {
  local user
  for user in "${!live_users[@]}"; do
    if [[ ! -f $PASSWORDS/$user ]] && { [[ $SCOPE == all ]] || grep -q "^User:$user " "$work/acls.extra"; }; then
      repair "- user $user" remove_user "$user"
    fi
  done
}

# -- access rules, as lines: principal, permission, host, operation, type, pattern, name

read_acls() {
  local line resource='' answer
  tool kafka-acls --list > "$work/answer.acls"
  while IFS= read -r line; do
    if [[ $line =~ resourceType=([A-Z_]+),\ name=(.+),\ patternType=([A-Z]+)\) ]]; then
      resource="${BASH_REMATCH[1]} ${BASH_REMATCH[3]} ${BASH_REMATCH[2]}"
    elif [[ $line =~ \(principal=(.+),\ host=(.+),\ operation=([A-Z_]+),\ permissionType=([A-Z]+)\) ]]; then
      answer="${BASH_REMATCH[1]} ${BASH_REMATCH[4]} ${BASH_REMATCH[2]} ${BASH_REMATCH[3]} $resource"
      if [[ $SCOPE == all ]] || { [[ $resource == TOPIC* ]] && ours "${resource##* }"; } || grep -qxF "$answer" "$ACLS"; then
        printf '%s\n' "$answer"
      fi
    fi
  done < "$work/answer.acls" | LC_ALL=C sort -u > "$work/acls.live"
  grep -v '^$' "$ACLS" | LC_ALL=C sort -u > "$work/acls.wanted" || true
  LC_ALL=C comm -13 "$work/acls.live" "$work/acls.wanted" > "$work/acls.missing"
  LC_ALL=C comm -23 "$work/acls.live" "$work/acls.wanted" > "$work/acls.extra"
}

pascal() { # DESCRIBE_CONFIGS -> DescribeConfigs
  local word text=
  for word in ${1//_/ }; do
    word=${word,,}
    text+=${word^}
  done
  printf '%s' "$text"
}

change_acls() { # add or remove, principal, permission, host, type, pattern, operations, names...
  local verb=$1 who=allow options=() operation name
  if [[ $3 == DENY ]]; then who=deny; fi
  options=("--$verb" "--$who-principal" "$2" "--$who-host" "$4" --resource-pattern-type "$6")
  if [[ $verb == remove ]]; then options+=(--force); fi
  for operation in $7; do
    options+=(--operation "$(pascal "$operation")")
  done
  local flag=--${5,,}
  for name in "${@:8}"; do
    if [[ $5 == CLUSTER ]]; then options+=(--cluster); else options+=("${flag//_/-}" "$name"); fi
  done
  tool kafka-acls "${options[@]}"
}

# One call for rules that differ in operations and names only.
each_group() { # add or remove, sign, file
  local principal permission host operation type pattern name key
  local - # a name may be an asterisk
  set -f
  declare -A operations=() names=()
  while read -r principal permission host operation type pattern name; do
    operations["$principal $permission $host $type $pattern $name"]+="$operation "
  done < "$3"
  for key in "${!operations[@]}"; do
    names["${key% *}|${operations[$key]}"]+="${key##* } "
  done
  while IFS= read -r key; do
    [[ -n $key ]] || continue
    read -r principal permission host type pattern <<< "${key%%|*}"
    # shellcheck disable=SC2086 # lists of words
    repair "$2 acl $principal $permission $type $pattern ${names[$key]}: ${key#*|}" \
      change_acls "$1" "$principal" "$permission" "$host" "$type" "$pattern" "${key#*|}" ${names[$key]}
  done < <(printf '%s\n' "${!names[@]}" | LC_ALL=C sort)
}

read_topics
read_acls
if [[ -n ${PASSWORDS:-} ]]; then read_users; fi
reconcile_topics
if [[ -n ${PASSWORDS:-} ]]; then reconcile_users; fi
each_group add + "$work/acls.missing"
each_group remove - "$work/acls.extra"
if [[ -n ${PASSWORDS:-} ]]; then remove_users; fi

printf '{"reconciler": "kafka", "drift_objects": %d, "time": "%s"}\n' "$drift" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
if ! $plan && ((failures)); then exit 1; fi
