#!/usr/bin/env bash
# The servers of the slow lane that no wheel carries: PostgreSQL 15 and PgBouncer, as Debian has them. Idempotent. Where
# this is not root on a Debian, nothing is installed, and the tests say what they skip.
set -euo pipefail
lacking=()
[ -x /usr/lib/postgresql/15/bin/postgres ] || lacking+=(postgresql-15)
PATH="$PATH:/usr/sbin" command -v pgbouncer >/dev/null || lacking+=(pgbouncer)
[ ${#lacking[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed: ${lacking[*]} (that takes root and apt-get)."
    exit 0
fi
apt-get update -qq
# RUNLEVEL=1: the packages start no service. The tests start what they need and stop it.
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}"
