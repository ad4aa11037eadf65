#!/usr/bin/env bash
# Carries what the database says about pools, trusted sources and sizes into the configuration of PostgreSQL and
# PgBouncer, every five seconds. So a pool is changed with SQL, and the Droplet is not built again for it.
set -euo pipefail
# shellcheck source=/dev/null
. /etc/trellis/server.env

config="/etc/postgresql/$PG_MAJOR/main"

# Not runuser, which writes two lines into the journal each time.
as_postgres() {
  setpriv --reuid=postgres --regid=postgres --init-groups "$@"
}

# As the administrator, not as the superuser: whoever may write the tables must not choose what a superuser runs.
asked() {
  as_postgres psql -XqAt -p "$PORT" -U doadmin -d defaultdb -v ON_ERROR_STOP=1 -c "$1"
}

# Puts standard input in place of a file, if it differs; true when it did.
replace() {
  local new="$1.new"
  install -m 640 -o postgres -g postgres /dev/null "$new"
  cat >"$new"
  if cmp -s "$new" "$1"; then
    rm "$new"
    return 1
  fi
  mv "$new" "$1"
}

sync_sources() {
  local sources
  sources=$(asked "SELECT 'hostssl all all ' || range || ' scram-sha-256' FROM server.sources ORDER BY range")
  if replace "$config/trellis-sources.conf" <<<"$sources"; then
    replace "$config/pg_hba.conf" <<<"$LOCAL_ACCESS
$sources" || true
    pg_ctlcluster "$PG_MAJOR" main reload
  fi
}

sync_sizes() {
  local sizes
  sizes=$(asked "SELECT name || ' = ' || quote_literal(value) FROM server.settings ORDER BY name")
  if replace "$config/conf.d/sizes.conf" <<<"$sizes"; then
    systemctl restart "postgresql@$PG_MAJOR-main"
  fi
}

sync_pools() {
  local pools logins changed=no
  pools=$(asked "SELECT format('%s = host=/var/run/postgresql port=$PORT dbname=%s pool_mode=%s pool_size=%s max_db_connections=%s',
    name, database, mode, size, size) FROM server.pools ORDER BY name")
  logins=$(as_postgres psql -XqAt -p "$PORT" -c "SELECT format('\"%s\" \"%s\"', rolname, rolpassword)
    FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL ORDER BY rolname")
  replace /etc/pgbouncer/userlist.txt <<<"$logins" && changed=yes
  replace /etc/pgbouncer/pools.ini <<<"[databases]
$pools" && changed=yes
  if [ "$changed" = yes ]; then
    systemctl reload pgbouncer
  fi
}

# A failure ends the script; systemd starts it again.
while :; do
  if [ "$(asked "SELECT count(*) > 0 FROM server.sources")" = t ]; then
    sync_sizes
    sync_sources
    sync_pools
  fi
  sleep 5
done
