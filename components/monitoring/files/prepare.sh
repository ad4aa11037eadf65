#!/usr/bin/env bash
# Brings the machine to where it watches: packages, a certificate, the files that its programs read. What fails is tried
# again until it has worked.
set -euo pipefail
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
# shellcheck source=/dev/null
. /etc/trellis/server.env
# shellcheck source=/dev/null
. /usr/local/lib/trellis-certificate.sh

cd /etc/trellis
[ -e ca.key ] || exit 0
# None of them starts before its key is there.
apt-get -q update || true
apt-get -qy install --no-install-recommends prometheus prometheus-alertmanager prometheus-sql-exporter openssl

# All of 127.0.0.0/8 is this machine's own.
local_address=127.${PRIVATE_ADDRESS#*.}
cat >place.env <<EOF
PUBLIC_ADDRESS=$PUBLIC_ADDRESS
LOCAL_ADDRESS=$local_address
TRELLIS_SINCE=$(date -u +%FT%TZ)
EOF
sed -i "s/@PUBLIC@/$PUBLIC_ADDRESS/; s/@LOCAL@/$local_address/" prometheus.yml
make_certificate monitoring
chgrp -R prometheus secrets alertmanager.yml web.yml
chgrp postgres sql-exporter.yml
chmod 750 secrets
chmod 640 secrets/* alertmanager.yml web.yml sql-exporter.yml
install -m 640 -o root -g prometheus server.key prometheus.key
systemctl restart prometheus-sql-exporter prometheus-alertmanager prometheus
rm ca.key
