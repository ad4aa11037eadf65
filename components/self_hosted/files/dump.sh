#!/usr/bin/env bash
# Dumps every database and copies the dumps to Spaces. A dump that cannot be read back is not copied.
set -euo pipefail
# shellcheck source=/dev/null
. /etc/trellis/server.env

scratch=$(mktemp -d /srv/postgresql/dump.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
chown postgres "$scratch"
stamp=$(date -u +%Y-%m-%dT%H%M%SZ)
databases=$(runuser -u postgres -- psql -XqAt -p "$PORT" -c \
  "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname")

runuser -u postgres -- pg_dumpall -p "$PORT" --globals-only --no-role-passwords >"$scratch/globals.sql"
rclone copyto "$scratch/globals.sql" "spaces:$DUMP_BUCKET/$stamp/globals.sql"
for database in $databases; do
  file="$scratch/$database.dump"
  runuser -u postgres -- pg_dump -p "$PORT" --format=custom --file="$file" "$database"
  runuser -u postgres -- pg_restore --list "$file" >/dev/null
  rclone copyto "$file" "spaces:$DUMP_BUCKET/$stamp/$database.dump"
  echo "dumped $database: $(stat -c %s "$file") bytes"
  rm "$file"
done
