#!/usr/bin/env bash
# The proxy, configured by ./proxy.toml, in front of the sandbox, until Ctrl-C. `make demo` builds both and calls this.
#
# DEMO_ONCE=1: log in the way that is shown, look at the answer, and end; exit 0 if it was the right one.
# BIN_DIR: where the two programs are (target/debug).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${BIN_DIR:-target/debug}
aws_port=4566 warehouse_port=5441 proxy_port=5439
conninfo="host=127.0.0.1 port=$proxy_port user=demo password=demo-password dbname=sales sslmode=require"
want=IAMR:rs01

say() { printf 'demo: %s\n' "$*"; }
die() {
    say "$*" >&2
    exit 1
}

# ---- The way out: both are ended by their own pids, whatever happened. ----

sandbox='' proxy='' folder=''

# end PID: asks it to end, and waits for that.
# shellcheck disable=SC2317 # reached by a trap
end() {
    kill -TERM "$1" 2>/dev/null || true
    # A signal to us interrupts the wait.
    while kill -0 "$1" 2>/dev/null; do wait "$1" || true; done
}

# shellcheck disable=SC2317 # reached by a trap
finish() {
    local code=$?
    trap '' HUP
    # The proxy lets sessions finish; a second Ctrl-C, or kill, does not.
    trap '[ -z "$proxy" ] || kill -TERM "$proxy" 2>/dev/null || true' INT TERM
    if [ -n "$proxy" ]; then
        say "ending the proxy (pid $proxy)"
        end "$proxy"
    fi
    if [ -n "$sandbox" ]; then
        say "ending the sandbox (pid $sandbox)"
        end "$sandbox"
    fi
    [ -z "$folder" ] || rm -rf "$folder"
    [ -z "$proxy$sandbox" ] || say "ended"
    exit "$code"
}
trap finish EXIT
trap 'exit 0' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# ---- Before the start ----

# free PORT WHAT: nobody listens there.
free() {
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
        die "port $1 on 127.0.0.1 is in use, and $2 needs it: end what listens there (ss -ltnp 'sport = :$1') and try again"
    fi
}
free "$aws_port" "the sandbox's AWS endpoint"
free "$warehouse_port" "the sandbox's warehouse"
free "$proxy_port" "the proxy"
for program in redshift-sandbox redshift-iam-proxy; do
    [ -x "$bin/$program" ] || die "$bin/$program is missing: make demo builds it"
done

# Your own AWS settings and PostgreSQL's stay out of it, and HTTP proxies out of the way to ourselves.
for name in "${!AWS_@}" "${!PG@}"; do
    [ "$name" = PG_BIN ] || unset "$name"
done
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

# ---- The start ----

# In sessions of their own, so that Ctrl-C reaches this script alone, which then ends them in order. If this script is
# killed, the kernel ends them.
mkdir -p target/demo
folder=$(mktemp -d)
mkfifo "$folder/stdout"
setsid setpriv --pdeathsig TERM "$bin/redshift-sandbox" serve --aws "127.0.0.1:$aws_port" \
    --warehouse "127.0.0.1:$warehouse_port" --ca-out target/demo/ca.crt \
    </dev/null >"$folder/stdout" 2>target/demo/sandbox.log &
sandbox=$!
exec 3<"$folder/stdout"
if ! read -r -t 120 line <&3 || [ "$line" != ready ]; then
    cat target/demo/sandbox.log >&2
    die "the sandbox did not start; what it said is above"
fi
say "the sandbox is up: AWS endpoint 127.0.0.1:$aws_port, warehouse 127.0.0.1:$warehouse_port, log target/demo/sandbox.log"

# The keys of the sandbox's only IAM user (AwsOptions::default() in sandbox/src/aws/options.rs).
setsid setpriv --pdeathsig TERM env \
    AWS_ACCESS_KEY_ID=AKIASANDBOXEXAMPLE00 AWS_SECRET_ACCESS_KEY=sandbox/secret/access/key/EXAMPLE0000000 \
    AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null \
    "$bin/redshift-iam-proxy" --config proxy.toml serve </dev/null &
proxy=$!
# 30 s, looking ten times a second: the proxy says nowhere but in its log that it accepts.
for ((tries = 300; ; tries--)); do
    kill -0 "$proxy" 2>/dev/null || die "the proxy did not start; what it said is above"
    ! "$bin/redshift-iam-proxy" --config proxy.toml healthcheck 2>/dev/null || break
    [ "$tries" -gt 0 ] || die "the proxy does not accept connections"
    sleep 0.1
done
kill -0 "$proxy" 2>/dev/null || die "the proxy did not stay up; what it said is above"

# ---- The use ----

cat <<END

The proxy is up. In another terminal:

  psql "$conninfo"

and there, for example:

  select current_user, version();

END

if [ -n "${DEMO_ONCE:-}" ]; then
    answer=$(timeout 60 psql "$conninfo" -X -Atc 'select current_user' </dev/null) || die "psql failed"
    [ "$answer" = "$want" ] || die "current_user should be $want, and is $answer"
    say "current_user is $answer: ok"
    exit 0
fi

say "Ctrl-C ends it"
wait -n "$sandbox" "$proxy" || true
die "one of the two ended by itself; see above, and target/demo/sandbox.log"
