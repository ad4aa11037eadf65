#!/usr/bin/env bash
# Carries what the database says about pools, trusted sources and sizes into the configuration of PostgreSQL and
# PgBouncer, every five seconds. So a pool is changed with SQL, and the Droplet is not built again for it. A volume that
# has grown is filled on the way.
set -euo pipefail
# shellcheck source=/dev/null
. /usr/local/lib/trellis-common.sh

config="/etc/postgresql/$PG_MAJOR/main"
sizes="$config/conf.d/sizes.conf"
access="$config/pg_hba.conf"
pools=/etc/pgbouncer/pools.ini
pool_access=/etc/pgbouncer/hba.conf
logins=/etc/pgbouncer/userlist.txt
certificate=/etc/trellis/server.crt

# What a restarted server has to go on with: files are in place that nobody has read yet.
unfinished=/run/trellis-sync.unfinished

# Lets lines through that match a pattern, and fails at any other. The tables check the same; but a check can be taken
# away, and what stands in these files decides who becomes superuser.
only() {
  local line
  while IFS= read -r line; do
    if ! [[ $line =~ ^$1$ ]]; then
      echo "error: refused, and nothing was changed: ${line@Q}" >&2
      return 1
    fi
    printf '%s\n' "$line"
  done
}

# Standard input becomes the next version of a file. Arguments: the file, the group that may read it, its mode.
stage() {
  install -m "${3:-640}" -o root -g "$2" /dev/null "$1.new"
  cat >"$1.new"
}

login='"[a-z_][a-z0-9_]{0,62}"'
pool='[a-z_][a-z0-9_-]{0,62}'
range='[0-9.]{7,15}/[0-9]{1,2}'

# The certificate that was sent, where it is for the key of this server: a volume brings that of the server before.
next_certificate() {
  local sent
  sent=$(as_administrator -c "SELECT certificate FROM server.certificate")
  if [ -n "$sent" ] && [ "$sent" != "$(cat "$certificate")" ] &&
    cmp -s <(openssl x509 -noout -pubkey <<<"$sent") <(openssl pkey -in /etc/trellis/server.key -pubout); then
    openssl x509 <<<"$sent"
  else
    cat "$certificate"
  fi
}

stage_all() {
  as_administrator -c "SELECT format('%s = %L', name, value) FROM server.settings ORDER BY name" |
    only "($ALLOWED) = '[0-9]{1,9}(kB|MB|GB)?'" | stage "$sizes" postgres
  {
    echo "$LOCAL_ACCESS"
    # Whom a pool is for comes through it, and not past it, by either of its logins. The first line that fits counts.
    as_administrator -c "SELECT DISTINCT format('hostssl all \"%s\" all reject', coalesce(logins.login, pools.login))
      FROM server.pools LEFT JOIN server.logins ON role = pools.login
      WHERE pools.login <> 'doadmin' ORDER BY 1" | only "hostssl all $login all reject"
    as_administrator -c "SELECT concat('hostssl all all ', range, ' scram-sha-256') FROM server.sources ORDER BY range" |
      only "hostssl all all $range scram-sha-256"
    echo "$STATE_ACCESS"
  } | stage "$access" postgres
  {
    echo "[databases]"
    as_administrator -c "SELECT format('%s = host=/run/postgresql port=$PORT dbname=%s pool_mode=%s pool_size=%s max_db_connections=%s',
      name, database, mode, size, size) FROM server.pools ORDER BY name" |
      only "$pool = host=/run/postgresql port=$PORT dbname=[a-z_][a-z0-9_]{0,62} pool_mode=(session|transaction|statement) pool_size=[0-9]{1,5} max_db_connections=[0-9]{1,5}"
  } | stage "$pools" pgbouncer
  # Each pool is for its own user, as a managed cluster's is, by the login that serves, or by both while clients change.
  as_administrator -c "SELECT format('hostssl \"%s\" \"%s\" %s scram-sha-256', name, coalesce(logins.login, pools.login), range)
    FROM server.pools LEFT JOIN server.logins ON role = pools.login CROSS JOIN server.sources
    WHERE admitted IS NOT FALSE ORDER BY name, logins.login, range" |
    only "hostssl \"$pool\" $login $range scram-sha-256" | stage "$pool_access" pgbouncer
  # Passwords are the superuser's to read. A role with any other name or kind of password is none that uses a pool.
  as_postgres psql -XqAt -d postgres -v ON_ERROR_STOP=1 -c "SELECT format('\"%s\" \"%s\"', rolname, rolpassword)
    FROM pg_catalog.pg_authid WHERE rolcanlogin AND NOT rolsuper
    AND rolname OPERATOR(pg_catalog.~) '^[a-z_][a-z0-9_]*\$'
    AND rolpassword OPERATOR(pg_catalog.~) '^SCRAM-SHA-256[\$][0-9]+:[A-Za-z0-9+/=]+[\$][A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+\$'
    ORDER BY rolname" |
    only "$login \"SCRAM-SHA-256[$][A-Za-z0-9+/=:$]+\"" | stage "$logins" pgbouncer
  next_certificate | stage "$certificate" root 644
}

# All is written, then all is moved, then both servers read it: a source that is gone has no way in left.
synchronise() {
  local stamp
  if [ -z "$(as_administrator -c "SELECT range FROM server.sources LIMIT 1")" ]; then
    return
  fi
  stamp=$(as_administrator -c "SELECT stamp FROM server.change WHERE NOT carried_out")
  carry_out
  if [ -n "$stamp" ]; then
    as_administrator -v stamp="$stamp" <<<"UPDATE server.change SET carried_out = true WHERE stamp = :'stamp'"
  fi
}

carry_out() {
  local file changed=()
  stage_all
  for file in "$sizes" "$access" "$pools" "$pool_access" "$logins" "$certificate"; do
    if cmp -s "$file.new" "$file"; then
      rm "$file.new"
    else
      changed+=("$file")
    fi
  done
  if [ ${#changed[@]} -gt 0 ]; then
    echo "${changed[@]}" >>"$unfinished"
    for file in "${changed[@]}"; do
      mv "$file.new" "$file"
    done
  elif ! [ -e "$unfinished" ]; then
    return
  fi
  if grep -qF "$sizes" "$unfinished"; then
    systemctl restart "postgresql@$PG_MAJOR-main"
  else
    systemctl reload "postgresql@$PG_MAJOR-main"
  fi
  systemctl reload-or-restart pgbouncer
  echo "carried over: $(tr '\n' ' ' <"$unfinished")"
  rm "$unfinished"
}

# Fills a volume that has grown. Each size is tried once; how it went is told in the database.
grow() {
  local device size missing output
  device=$(findmnt -nvo SOURCE /srv/postgresql) && size=$(blockdev --getsize64 "$device") || return
  [ "$size" != "$filled" ] || return 0
  missing=$(room "$device") || return
  if [ "$missing" -gt "$ROUNDING" ] && ! output=$(resize2fs "$device" 2>&1); then
    echo "error: $output"
    report storage false "The file system does not fill the volume of $((size >> 30)) GiB: $output" || return
  else
    report storage true "The file system fills the volume of $((size >> 30)) GiB." || return
  fi
  filled=$size
}

if [ "${1:-}" = once ]; then
  # One at a time: whoever types it meets the one that goes on, and both write the same files.
  exec 9>/run/trellis-sync.lock
  flock 9
  synchronise
  exit
fi

# What fails is told once, in the journal and in the database, and tried again.
said=
reported=
filled=
while :; do
  grow || true
  if output=$("$0" once 2>&1); then
    outcome=true
  else
    outcome=false
  fi
  if [ -n "$output" ] && [ "$output" != "$said" ]; then
    echo "$output"
  fi
  said=$output
  # Nothing to do is no news, but after a failure it is.
  if [ "$outcome $output" != "$reported" ] && { [ -n "$output" ] || [ "${reported%% *}" != true ]; }; then
    # A server that is down cannot be told, and said so above.
    report synchronisation "$outcome" "$output" 2>/dev/null && reported="$outcome $output"
  fi
  sleep 5
done
