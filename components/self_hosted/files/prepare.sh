#!/usr/bin/env bash
# Brings the server to where it should be; runs at every boot, and changes nothing that is right already.
# Everything that must outlive the Droplet lies on the volume.
set -euo pipefail
# shellcheck source=/dev/null
. /usr/local/lib/trellis-common.sh
# shellcheck source=/dev/null
. /usr/local/lib/trellis-certificate.sh

data=/srv/postgresql
cluster="$data/$PG_MAJOR/main"
config="/etc/postgresql/$PG_MAJOR/main"

# The volume may have grown while the Droplet was off. Before it is mounted nothing but the device is needed for that;
# what fails is tried once more, and told, by the synchronisation.
fill() {
  local place
  if [ "$(room "$1")" -gt "$ROUNDING" ]; then
    # DigitalOcean mounts a volume below /mnt, too, where nobody uses it.
    for place in $(findmnt -rno TARGET --source "$(readlink -f "$1")" || true); do
      umount "$place" || true
    done
    if e2fsck -fp "$1" || [ $? = 1 ]; then
      resize2fs "$1" || true
    fi
  fi
}

mount_volume() {
  mkdir -p "$data"
  if ! mountpoint -q "$data"; then
    for _ in $(seq 150); do
      [ -e "$VOLUME_DEVICE" ] && break
      sleep 2
    done
    [ -e "$VOLUME_DEVICE" ] || { echo "error: no volume at $VOLUME_DEVICE after 5 minutes" >&2; exit 1; }
    blkid "$VOLUME_DEVICE" >/dev/null || mkfs.ext4 -q "$VOLUME_DEVICE"
    fill "$VOLUME_DEVICE"
    mount -o noatime,nodev,nosuid "$VOLUME_DEVICE" "$data"
  fi
}

# Before the package that wants it.
make_account() {
  id -u pgbouncer >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pgbouncer
}

install_packages() {
  # Debian's package would make a cluster on the Droplet's own disk.
  mkdir -p /etc/postgresql-common
  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  export DEBIAN_FRONTEND=noninteractive
  if command -v pgbouncer rclone "/usr/lib/postgresql/$PG_MAJOR/bin/postgres" >/dev/null; then
    return
  fi
  apt-get -q update || true
  apt-get -qy install --no-install-recommends postgresql-common ca-certificates
  if ! apt-cache show "postgresql-$PG_MAJOR" >/dev/null 2>&1; then
    # Debian has one major version; PostgreSQL's own repository has the others.
    /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y
  fi
  apt-get -qy install --no-install-recommends "postgresql-$PG_MAJOR" pgbouncer rclone openssl
}

create_cluster() {
  pg_createcluster --port "$PORT" --datadir "$1" --locale C.UTF-8 --encoding UTF8 "$PG_MAJOR" main -- \
    --auth-local=peer --data-checksums
}

# Root owns every folder that it writes into; the server's account owns the data alone. So who became that account
# cannot lay a link where root writes.
make_cluster() {
  local other version
  chown -h root:root "$data"
  for other in "$data"/*/main; do
    [ -d "$other" ] || continue
    # On another Droplet the account may have had another number.
    [ "$(stat -c %U "$other")" = postgres ] || chown -hR postgres:postgres "$other"
    version=$(as_postgres cat "$other/PG_VERSION")
    if [ "$version" != "$PG_MAJOR" ]; then
      echo "error: the volume holds PostgreSQL ${version@Q}, not $PG_MAJOR. Dump it and restore." >&2
      exit 1
    fi
  done
  if [ ! -e "$config/postgresql.conf" ]; then
    if [ -e "$cluster" ]; then
      # Debian's configuration went with the earlier Droplet. An empty cluster brings another, for the data there are.
      create_cluster /var/lib/postgresql/empty
    else
      create_cluster "$cluster"
    fi
  fi
  pg_conftool "$PG_MAJOR" main set data_directory "$cluster"
  rm -rf /var/lib/postgresql/empty
  grep -q "map=server" "$config/pg_hba.conf" || echo "$LOCAL_ACCESS" >"$config/pg_hba.conf"
  chown -h root:root "$data/$PG_MAJOR" /etc/postgresql "/etc/postgresql/$PG_MAJOR"
  chown -hR root:postgres "$config"
  chmod -R g-w "$config"
}

# Each server has a copy of the key that its own group alone can read.
certify() {
  [ -e /etc/trellis/ca.key ] || return 0
  make_certificate postgresql
  install -m 640 -o root -g postgres /etc/trellis/server.key /etc/trellis/postgresql.key
  install -m 640 -o root -g pgbouncer /etc/trellis/server.key /etc/trellis/pgbouncer.key
  rm /etc/trellis/ca.key
}

configure() {
  mkdir -p "$config/conf.d"
  grep -q "^include_dir = 'conf.d'" "$config/postgresql.conf" || echo "include_dir = 'conf.d'" >>"$config/postgresql.conf"
  cat >"$config/conf.d/server.conf" <<EOF
listen_addresses = '$PRIVATE_ADDRESS,$PUBLIC_ADDRESS'
port = $PORT
ssl = on
ssl_cert_file = '/etc/trellis/server.crt'
ssl_key_file = '/etc/trellis/postgresql.key'
ssl_ca_file = '/etc/trellis/ca.crt'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'
shared_preload_libraries = 'pg_stat_statements'
EOF
  printf 'server postgres postgres\nserver postgres doadmin\n' >"$config/pg_ident.conf"
}

# Whom it admits stands in hba.conf, which the synchronisation writes.
configure_pooler() {
  touch /etc/pgbouncer/pools.ini /etc/pgbouncer/userlist.txt /etc/pgbouncer/hba.conf
  cat >/etc/pgbouncer/pgbouncer.ini <<EOF
[pgbouncer]
listen_addr = $PRIVATE_ADDRESS,$PUBLIC_ADDRESS
listen_port = $POOL_PORT
unix_socket_dir =
auth_type = hba
auth_hba_file = /etc/pgbouncer/hba.conf
auth_file = /etc/pgbouncer/userlist.txt
client_tls_sslmode = require
client_tls_key_file = /etc/trellis/pgbouncer.key
client_tls_cert_file = /etc/trellis/server.crt
max_client_conn = 5000
ignore_startup_parameters = extra_float_digits
%include /etc/pgbouncer/pools.ini
EOF
  chown -hR root:pgbouncer /etc/pgbouncer
  chmod 750 /etc/pgbouncer
  chmod 640 /etc/pgbouncer/*
}

make_administrator() {
  as_postgres psql -XqAt -d postgres -v ON_ERROR_STOP=1 -v verifier="$ADMIN_VERIFIER" -v sizes="^($ALLOWED)\$" \
    </usr/local/lib/trellis-administrator.sql
}

# The administrator may not make this extension, so the superuser does: in every database, and in those to come.
make_extension() {
  local database
  as_postgres psql -XAt0 -d postgres -c "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname" |
    while IFS= read -rd '' database; do
      # Without its comment, which a restore as the administrator could not make.
      as_postgres env PGDATABASE="$database" psql -Xq -v ON_ERROR_STOP=1 </dev/null \
        -c "CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public" \
        -c "COMMENT ON EXTENSION pg_stat_statements IS NULL" ||
        echo "warning: ${database@Q} has no query statistics" >&2
    done
}

# Once all is there: the administrator alone, from where the stack admits, and its tables for who holds the state. The
# synchronisation writes the rest.
admit_administrator() {
  local range
  if ! grep -q "^hostssl" "$config/pg_hba.conf"; then
    for range in $SOURCES; do
      echo "hostssl all doadmin $range scram-sha-256" >>"$config/pg_hba.conf"
    done
    echo "$STATE_ACCESS" >>"$config/pg_hba.conf"
    systemctl reload "postgresql@$PG_MAJOR-main"
  fi
}

mount_volume
make_account
install_packages
make_cluster
certify
configure
configure_pooler
systemctl restart "postgresql@$PG_MAJOR-main" pgbouncer
make_administrator
make_extension
admit_administrator
