#!/bin/sh
# What the entry of PostgreSQL's official image does with what compose.yaml gives it: it begins as root, gives its folders
# to the user postgres and becomes it; makes the cluster and the database once, with a server that listens on its socket
# alone, and runs the files of /docker-entrypoint-initdb.d; then it is the server.
set -eu
sockets=/var/run/postgresql
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" "$sockets"
    chmod 0700 "$PGDATA"
    chmod 3777 "$sockets"
    find "$PGDATA" "$sockets" ! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --clear-groups -- "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
    # shellcheck disable=SC2086 - several options
    initdb --username="$POSTGRES_USER" --pwfile=/tmp/password $POSTGRES_INITDB_ARGS
    rm /tmp/password
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    pg_ctl --options="-c listen_addresses= -c unix_socket_directories=$sockets" --wait start
    ask="psql --set=ON_ERROR_STOP=1 --host=$sockets --username=$POSTGRES_USER"
    $ask --dbname=postgres --command="CREATE DATABASE $POSTGRES_DB"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        $ask --dbname="$POSTGRES_DB" --file="$file"
    done
    pg_ctl --mode=fast --wait stop
fi
exec "$@" -c "unix_socket_directories=$sockets"
