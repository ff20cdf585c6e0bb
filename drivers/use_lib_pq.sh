#!/usr/bin/env bash
# lib/pq, Go's oldest driver: of its own tests those that cancel, in one run, as Debian ships them. Some cancel a context while
# they close its connection, so that hundreds of cancel requests come for sessions that have just ended.
set -uo pipefail

# The folder of the distribution's Go packages.
gopath=/usr/share/gocode
tests='Test(ContextCancel(Exec|Query|Begin)|Issue(617|1046|1062)|CommitInFailedTransactionWithCancelContext|StmtQueryContext|StmtExecContext|ConnPrepareContext)'

printf 'version %s\n' "$(dpkg-query -W -f '${Version}' golang-github-lib-pq-dev | sed 's/-[^-]*$//')"

export PGHOST=$PROXY_HOST PGPORT=$PROXY_PORT PGUSER=$PROXY_USER PGPASSWORD=$PROXY_PASSWORD PGDATABASE=$PROXY_DATABASE
export PGSSLMODE=verify-full PGSSLROOTCERT=$PROXY_CA
# Nothing is fetched. The home folder is new for each run, and Go's own library is not to be compiled in each.
export GO111MODULE=off GOFLAGS='' GOPATH=$gopath GOPROXY=off GOCACHE=$PWD/target/drivers/go-cache

# Some give a login 10 ms, which a busy machine does not always have: one run of three has to be right from end to end.
for _ in 1 2 3; do
    said=$(go test -count=1 -v -run "^$tests\$" github.com/lib/pq 2>&1) && [ "$(grep -c '^--- PASS' <<<"$said")" = 10 ] && break
done
if [ "$(grep -c '^--- PASS' <<<"$said")" = 10 ]; then
    printf 'ok cancel\n'
else
    printf 'fail cancel %s\n' "$(grep -v '^=== RUN\|^ *--- PASS' <<<"$said" | tr '\n' ' ' | cut -c 1-500)"
fi
