#!/usr/bin/env bash
# Dumps every database and copies the dumps to Spaces. A dump that cannot be read back is not copied, and one that fails
# does not stop the others.
set -euo pipefail
# shellcheck source=/dev/null
. /usr/local/lib/trellis-common.sh

scratch=$(mktemp -d /srv/postgresql/dump.XXXXXX)
file="$scratch/dump"
stamp=$(date -u +%Y-%m-%dT%H%M%SZ)
message="It did not come to its end; the journal of trellis-dump says why."

finish() {
  local code=$? outcome=true
  rm -rf "$scratch"
  [ "$code" = 0 ] || outcome=false
  report dump "$outcome" "$message"
  exit "$code"
}
trap finish EXIT

# The key is for rclone alone, which root runs.
copy() {
  # shellcheck source=/dev/null
  (set -a && . /etc/trellis/spaces.env && exec rclone copyto "$file" "spaces:$DUMP_BUCKET/$stamp/$1")
}

# A database's name reaches pg_dump through the environment: as an argument it could be a connection string. In the
# name of the dump, what a path cannot hold is written as in an address.
dump() {
  local name=${1//%/%25}
  name=${name//\//%2F}
  as_postgres env PGDATABASE="$1" pg_dump --format=custom >"$file" &&
    as_postgres pg_restore --list <"$file" >/dev/null &&
    copy "${name//$'\n'/%0A}.dump" &&
    echo "dumped $1: $(stat -c %s "$file") bytes"
}

as_postgres pg_dumpall --globals-only --no-role-passwords >"$file"
copy globals.sql
mapfile -d '' -t databases < <(
  as_postgres psql -XAt0 -d postgres -c "SELECT datname FROM pg_catalog.pg_database
    WHERE datallowconn AND NOT datistemplate AND datname OPERATOR(pg_catalog.<>) 'postgres' ORDER BY datname"
)
failed=()
for database in "${databases[@]}"; do
  dump "$database" || failed+=("$database")
done
if [ ${#failed[@]} -gt 0 ] || [ ${#databases[@]} = 0 ]; then
  message="Of ${#databases[@]} databases these were not dumped: ${failed[*]-}"
  echo "error: $message" >&2
  exit 1
fi
message="${#databases[@]} databases, in $DUMP_BUCKET/$stamp"
