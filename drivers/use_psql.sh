#!/usr/bin/env bash
# psql, through libpq, with a statement prepared on the server.
set -euo pipefail
export PGPASSWORD=$PROXY_PASSWORD
conninfo="host=$PROXY_HOST port=$PROXY_PORT user=$PROXY_USER dbname=$PROXY_DATABASE sslmode=verify-full sslrootcert=$PROXY_CA"
answer=$(
    psql "$conninfo" -XAtq -v ON_ERROR_STOP=1 <<'SQL'
prepare sum(int, text) as select current_user, $1 + 1, $2;
execute sum(41, 'naïve');
SQL
)
[ "$answer" = 'IAMR:rs01|42|naïve' ] || {
    printf 'psql: got %s\n' "$answer" >&2
    exit 1
}
printf 'psql %s ok\n' "$(psql --version | sed 's/.* \([0-9][0-9.]*\).*/\1/')"
