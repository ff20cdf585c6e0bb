#!/usr/bin/env bash
# The proxy as a benchmark's harness wants it (bench/ours.json): one process in the foreground, of which CPU and memory are
# read, ended by a signal to it, SIGKILL included.
#
#   bench/ours.sh CONFIG USER PASSWORD
#
# The credentials come from the sandbox's AWS endpoint, which hands out this user and password. Both programs are taken from
# $BENCH_BIN_DIR (target/release); the endpoint listens on a free port.
#
# This process becomes the proxy. The endpoint is nobody's child but a keeper's, which is nobody's child either, so that neither
# is counted as the proxy's. The keeper ends it when the proxy is gone: it waits for the end of a pipe that the proxy holds open.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'ours: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# keep FOLDER USER PASSWORD: the endpoint, for as long as somebody has FOLDER/alive open for writing.
keep() {
    local folder=$1 endpoint
    "$bin/redshift-sandbox" aws --static "$2" "$3" --listen 127.0.0.1:0 </dev/null >"$folder/ready" 2>"$folder/aws.log" &
    endpoint=$!
    read -r _ <"$folder/alive" || true
    kill -TERM "$endpoint" 2>/dev/null || true
    wait "$endpoint" || true
}

bin=${BENCH_BIN_DIR:-target/release}
if [ "${1:-}" = --keep ]; then
    shift
    keep "$@"
    exit
fi
[ "$#" = 3 ] || die "usage: bench/ours.sh CONFIG USER PASSWORD"
config=$1 user=$2 password=$3
for program in redshift-sandbox redshift-iam-proxy; do
    [ -x "$bin/$program" ] || die "$bin/$program is missing: cargo build --release --workspace"
done

# OpenSSL takes a CA's certificate for a server's, rustls does not, and nothing makes the proxy skip verification.
path() { sed -n "s/^$1 = \"\(.*\)\"\$/\1/p" "$config"; }
if cmp -s "$(path ca)" "$(path cert)" && openssl x509 -in "$(path ca)" -noout -ext basicConstraints | grep -q CA:TRUE; then
    die "the server's certificate says that it is a CA's: the harness has to be run with OPENSSL_CONF=bench/openssl.cnf"
fi

folder=$(dirname "$config")
mkfifo "$folder/ready" "$folder/alive"
# A process whose parent is gone: it leaves the tree, and the session too, so that Ctrl-C does not reach it.
(setsid bench/ours.sh --keep "$folder" "$user" "$password" &)
exec 9>"$folder/alive"
if ! read -r -t 10 line <"$folder/ready" || [ "$line" != ready ]; then
    cat "$folder/aws.log" >&2
    die "the AWS endpoint did not start; what it said is above"
fi
# Everybody has them open. Harnesses that keep the folder could not copy them.
rm "$folder/ready" "$folder/alive"

# Nobody's own AWS settings; then those that the endpoint names.
for name in "${!AWS_@}"; do
    unset "$name"
done
while read -r setting; do
    export "${setting?}"
done < <(grep -o 'AWS_[A-Z_]*=[^ ]*' "$folder/aws.log")
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
exec "$bin/redshift-iam-proxy" --config "$config" serve
