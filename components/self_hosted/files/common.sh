# shellcheck shell=bash
# What the programs of the server share.

# Patterns mean what they say, whatever the machine's language.
export LC_ALL=C.UTF-8
# shellcheck source=/dev/null
. /etc/trellis/server.env

# What may be set: the sizes that a plan decides, and no command or library that the server would run.
# shellcheck disable=SC2034
ALLOWED="max_connections|superuser_reserved_connections|shared_buffers|effective_cache_size"

# Whoever holds the stack's state has a certificate of its authority to show, and so is heard from every address that
# the cloud's firewall lets through: a list of sources that has no place for him any more can be changed. After the
# sources, for the first line that fits counts.
# shellcheck disable=SC2034
STATE_ACCESS="hostssl defaultdb doadmin 0.0.0.0/0 scram-sha-256 clientcert=verify-ca"

# How many bytes of a device its file system does not fill. Volumes grow by whole GiB; what is less is rounding.
room() {
  local counted
  counted=$(dumpe2fs -h "$1" 2>/dev/null | sed -n 's/^Block \(count\|size\): *//p' | paste -sd '*')
  echo $(($(blockdev --getsize64 "$1") - counted))
}
# shellcheck disable=SC2034
ROUNDING=$((1 << 29))

# With an environment of its own: nothing that root was told is for the server's account. Names in SQL mean
# PostgreSQL's own, whatever somebody made of the same name.
as_postgres() {
  env -i PATH="$PATH" PGPORT="$PORT" PGOPTIONS="-c search_path=pg_catalog" \
    setpriv --reuid=postgres --regid=postgres --init-groups "$@"
}

# As the administrator, not as the superuser: whoever may write the tables must not choose what a superuser runs.
as_administrator() {
  as_postgres psql -XqAt -U doadmin -d defaultdb -v ON_ERROR_STOP=1 "$@"
}

# Leaves word in the database of what was done last. Arguments: synchronisation or dump, whether it worked, a message.
report() {
  as_administrator -v name="$1" -v ok="$2" -v message="$(tr -cd '[:print:]\n' <<<"${3:0:2000}")" <<'SQL'
INSERT INTO server.state (name, at, ok, message) VALUES (:'name', pg_catalog.now(), :'ok', :'message')
ON CONFLICT (name) DO UPDATE SET at = excluded.at, ok = excluded.ok, message = excluded.message;
SQL
}
