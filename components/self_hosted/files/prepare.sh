#!/usr/bin/env bash
# Brings the server to where it should be; runs at every boot, and changes nothing that is right already.
# Everything that must outlive the Droplet lies on the volume.
set -euo pipefail
# shellcheck source=/dev/null
. /etc/trellis/server.env

data=/srv/postgresql
cluster="$data/$PG_MAJOR/main"
config="/etc/postgresql/$PG_MAJOR/main"

mount_volume() {
  mkdir -p "$data"
  if ! mountpoint -q "$data"; then
    for _ in $(seq 150); do
      [ -e "$VOLUME_DEVICE" ] && break
      sleep 2
    done
    [ -e "$VOLUME_DEVICE" ] || { echo "error: no volume at $VOLUME_DEVICE after 5 minutes" >&2; exit 1; }
    blkid "$VOLUME_DEVICE" >/dev/null || mkfs.ext4 -q "$VOLUME_DEVICE"
    mount -o noatime "$VOLUME_DEVICE" "$data"
  fi
  # The volume may have grown while the Droplet was off.
  resize2fs "$(findmnt -nvo SOURCE "$data")" 2>/dev/null || true
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

make_cluster() {
  chown postgres:postgres "$data"
  for other in "$data"/*/main/PG_VERSION; do
    if [ -e "$other" ] && [ "$(cat "$other")" != "$PG_MAJOR" ]; then
      echo "error: the volume holds PostgreSQL $(cat "$other"), not $PG_MAJOR. Dump it and restore." >&2
      exit 1
    fi
  done
  if [ ! -e "$config/postgresql.conf" ]; then
    # Takes the data of an earlier Droplet over where the volume has them.
    pg_createcluster --port "$PORT" --datadir "$cluster" "$PG_MAJOR" main -- --auth-local=peer --data-checksums
  fi
}

# The server's own key never leaves it; the certificate names the addresses of this Droplet.
make_certificate() {
  local key=/etc/trellis/server.key
  [ -e "$key" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$key"
  openssl req -new -key "$key" -subj "/CN=$PRIVATE_ADDRESS" |
    openssl x509 -req -CA /etc/trellis/ca.crt -CAkey /etc/trellis/ca.key -CAcreateserial -days 3650 -out /etc/trellis/server.crt \
      -extfile <(echo "subjectAltName=IP:$PRIVATE_ADDRESS,IP:$PUBLIC_ADDRESS") 2>/dev/null
  chown root:postgres /etc/trellis "$key" /etc/trellis/server.crt
  chmod 750 /etc/trellis
  chmod 640 "$key" /etc/trellis/server.crt
}

configure() {
  mkdir -p "$config/conf.d"
  grep -q "^include_dir = 'conf.d'" "$config/postgresql.conf" || echo "include_dir = 'conf.d'" >>"$config/postgresql.conf"
  cat >"$config/conf.d/server.conf" <<EOF
listen_addresses = '$PRIVATE_ADDRESS,$PUBLIC_ADDRESS'
port = $PORT
ssl = on
ssl_cert_file = '/etc/trellis/server.crt'
ssl_key_file = '/etc/trellis/server.key'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'
shared_preload_libraries = 'pg_stat_statements'
EOF
  printf 'server postgres postgres\nserver postgres doadmin\n' >"$config/pg_ident.conf"
  [ -e "$config/trellis-sources.conf" ] || printf 'hostssl all doadmin 0.0.0.0/0 scram-sha-256\n' >"$config/trellis-sources.conf"
  { echo "$LOCAL_ACCESS"; cat "$config/trellis-sources.conf"; } >"$config/pg_hba.conf"
  chown -R postgres:postgres "$config"
}

configure_pooler() {
  touch /etc/pgbouncer/pools.ini /etc/pgbouncer/userlist.txt
  cat >/etc/pgbouncer/pgbouncer.ini <<EOF
[pgbouncer]
listen_addr = $PRIVATE_ADDRESS,$PUBLIC_ADDRESS
listen_port = $POOL_PORT
unix_socket_dir =
auth_type = hba
auth_hba_file = $config/trellis-sources.conf
auth_file = /etc/pgbouncer/userlist.txt
client_tls_sslmode = require
client_tls_key_file = /etc/trellis/server.key
client_tls_cert_file = /etc/trellis/server.crt
max_client_conn = 5000
ignore_startup_parameters = extra_float_digits
pidfile = /run/postgresql/pgbouncer.pid
logfile = /var/log/postgresql/pgbouncer.log
%include /etc/pgbouncer/pools.ini
EOF
  chown -R postgres:postgres /etc/pgbouncer
  chmod 640 /etc/pgbouncer/*
}

# The administrator of the databases. Like a managed cluster's, it is no superuser.
make_administrator() {
  runuser -u postgres -- psql -XqAt -p "$PORT" -v ON_ERROR_STOP=1 -v verifier="$ADMIN_VERIFIER" <<'EOF'
SELECT 'CREATE ROLE doadmin LOGIN CREATEDB CREATEROLE IN ROLE pg_monitor, pg_signal_backend'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'doadmin') \gexec
SELECT format('ALTER ROLE doadmin PASSWORD %L', :'verifier') \gexec
SELECT 'CREATE DATABASE defaultdb OWNER doadmin'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'defaultdb') \gexec
\connect defaultdb
SET ROLE doadmin;
CREATE SCHEMA IF NOT EXISTS server;
CREATE TABLE IF NOT EXISTS server.settings (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS server.sources (range cidr PRIMARY KEY);
CREATE TABLE IF NOT EXISTS server.pools (
  name text PRIMARY KEY, database text NOT NULL, mode text NOT NULL, size integer NOT NULL CHECK (size > 0)
);
EOF
}

mount_volume
install_packages
make_cluster
make_certificate
configure
configure_pooler
systemctl restart "postgresql@$PG_MAJOR-main" pgbouncer
make_administrator
