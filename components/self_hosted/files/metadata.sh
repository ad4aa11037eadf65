#!/bin/sh
# Closes the metadata address, which tells user data with its keys, to every account but root. nobody is let through:
# DigitalOcean's monitoring agent runs under it and asks there for its token.
set -eu
for accounts in 1-65533 65535-4294967294; do
  ip rule delete priority 90 to 169.254.169.254/32 uidrange "$accounts" prohibit 2>/dev/null || true
  ip rule add priority 90 to 169.254.169.254/32 uidrange "$accounts" prohibit
done
