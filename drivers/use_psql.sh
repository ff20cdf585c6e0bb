#!/usr/bin/env bash
# psql. Each check is a function that prints what it has to, which is compared with what was wanted.
set -uo pipefail
export PGPASSWORD=$PROXY_PASSWORD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# psql with these keywords of libpq's beside host, user and database, or instead of the usual verify-full.
conninfo() { printf 'host=%s user=%s dbname=%s ' "$PROXY_HOST" "$PROXY_USER" "$PROXY_DATABASE"; }
verified="port=$PROXY_PORT sslmode=verify-full sslrootcert=$PROXY_CA"
run() { psql "$(conninfo)${how:-$verified}" -XAtq "$@"; }

# check NAME WANTED: what the function `check_FUNCTION` prints, its errors too.
check() {
    local name=$1 function=$2 wanted=$3 got
    got=$("$function" 2>&1)
    if [ "$got" = "$wanted" ]; then
        printf 'ok %s\n' "$name"
    else
        printf 'fail %s got %s, not %s\n' "$name" "$(tr '\n' ' ' <<<"$got" | cut -c 1-500)" "$(tr '\n' ' ' <<<"$wanted")"
        failed=1
    fi
}

login() { run -c 'select current_user'; }

# Prepared on the server; the values are psql's variables, quoted by it.
text="naïve ☃ 'quoted' \\ \"too\""
typed_parameters() {
    run -v ON_ERROR_STOP=1 -v int=2147483647 -v text="$text" -v bool=true \
        -v hex="$(printf %s "$text" | od -An -tx1 | tr -d ' \n')" \
        -v numeric=12345678901234567890.123456789 -v timestamp='2024-02-29 23:59:59.123456' -v octets=00ff5c27 <<'SQL'
prepare typed(int, text, text, bool, numeric, timestamp, bytea) as
select $1, $2, $3 is null, $4, $5, $6, encode($7, 'hex'),
  $2 = convert_from(decode(:'hex', 'hex'), 'UTF8');
execute typed(:int, :'text', null, :bool, :numeric, :'timestamp', decode(:'octets', 'hex'));
SQL
}

rows() { run -c "select n, 'row ' || n from generate_series(1, 100000) n" | awk -F '|' '$2 != "row " $1 { exit } { sum += $1 } END { printf "%d %.0f %s\n", NR, sum, $0 }'; }

error() {
    run <<'SQL'
\set VERBOSITY sqlstate
selec 1;
select 1 / 0;
select * from no_such_table;
\echo :LAST_ERROR_SQLSTATE
select 'after';
SQL
}

# Waits for the statement, with a session of its own.
asleep() { [ "$(run -c "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and application_name = 'to_cancel'")" = 1 ]; }

# Ctrl-C in a terminal, since only there psql goes on after it.
cancel() {
    local psql="psql '$(conninfo)$verified application_name=to_cancel' -XAtqn -P pager=off -v PROMPT1= -v VERBOSITY=sqlstate"
    {
        printf 'select pg_sleep(60);\n'
        for _ in {1..300}; do
            asleep && break
            sleep 0.1
        done
        printf '\003'
        printf '%s\n' '\echo :LAST_ERROR_SQLSTATE' "select 'af' || 'ter';" '\q'
    } | script -E never -qec "$psql" /dev/null | tr -d '\r'
}

# One session writes, another looks, through `\!`.
transaction() {
    export look="psql '$(conninfo)$verified' -XAtq -c 'select count(*), sum(n) from drivers_psql'"
    run -v ON_ERROR_STOP=1 <<'SQL'
create table drivers_psql (n int);
begin;
insert into drivers_psql values (1);
rollback;
\! eval "$look"
begin;
insert into drivers_psql values (2);
\! eval "$look"
commit;
\! eval "$look"
drop table drivers_psql;
SQL
}

copy() {
    seq 10000 | awk -v OFS='\t' '{ print $1, "row " $1 " ☃ \\t \\\\ \\n", $1 % 10 ? $1 * 2 : "\\N" }' >"$folder/in"
    run -v ON_ERROR_STOP=1 <<SQL
create temporary table copied (n int, t text, twice int);
\copy copied from '$folder/in'
\copy (select * from copied order by n) to '$folder/out'
select count(*), sum(n), sum(twice) from copied;
SQL
    cmp "$folder/in" "$folder/out"
}

# The last message, without our session's id and libpq's words before it.
refusal() { sed -n 's/^.*\(FATAL: .*\|SSL error: .*\)$/\1/; s/ (session [0-9a-z]*)$//; p' | tail -n 1; }

tls_modes() {
    run -c '\conninfo' | grep -c 'TLSv1\.[23]'
    how="port=$PROXY_PORT sslmode=verify-full sslrootcert=$PROXY_WRONG_CA" run -c 'select 1' 2>&1 | refusal
    how="port=$PROXY_PORT sslmode=disable" run -c 'select 1' 2>&1 | refusal
    how="port=$PROXY_PLAIN_PORT sslmode=disable" run -c 'select current_user' -c '\conninfo' >"$folder/out"
    head -n 1 "$folder/out"
    grep -c TLSv1 "$folder/out"
}

wrong_password() { PGPASSWORD=wrong run -c 'select 1' 2>&1 | refusal; }

# The command line, and what a shell sources: no password in either, and not which CA to trust.
url() (
    export PGSSLROOTCERT=$PROXY_CA PGPASSWORD=$PROXY_PASSWORD
    sh -c "$PROXY_URL_PSQL -XAtqc 'select current_user'"
    eval "$PROXY_URL_ENV"
    psql -XAtqc 'select current_user'
)

# Commands, an error that is no end, and \watch, which asks until psql is told to stop.
console() {
    PROXY_DATABASE=proxy_admin
    run -c 'SHOW SESSIONS' | cut -d '|' -f 2,4
    run -v VERBOSITY=sqlstate -c 'SHOW POOLS' -c 'SELECT 1'
    { echo 'SHOW DRAIN \watch 0.1'; } | timeout -s INT 2 psql "$(conninfo)$verified" -XAtq | sort -u | cut -d '|' -f 1 | sed '/^$/d'
}

printf 'version %s\n' "$(psql --version | sed 's/.*) \([0-9][0-9.]*\).*/\1/')"
check login login 'IAMR:rs01'
check 'typed parameters' typed_parameters \
    "2147483647|$text|t|t|12345678901234567890.123456789|2024-02-29 23:59:59.123456|00ff5c27|t"
check '100,000 rows' rows '100000 5000050000 100000|row 100000'
check error error $'ERROR:  42601\nERROR:  22012\nERROR:  42P01\n42P01\nafter'
check cancel cancel $'Cancel request sent\nERROR:  57014\n57014\nafter'
check transaction transaction $'0|\n0|\n1|2'
check copy copy '10000|50005000|90000000'
check 'TLS modes' tls_modes $'1\nSSL error: certificate verify failed\nFATAL:  TLS is required\nIAMR:rs01\n0'
check 'wrong password' wrong_password "FATAL:  password authentication failed for user \"$PROXY_USER\""
check url url $'IAMR:rs01\nIAMR:rs01'
check console console $'console|proxy_admin\nERROR:  42601\n1\nserving'
exit "$failed"
