#!/usr/bin/env bash
# Installs what the demo, the tests, the drivers or the benchmarks need and is not there yet, on Debian 12 or 13 and Ubuntu
# 22.04 or 24.04 with Rust. Looks before it installs: where all is there it says nothing, takes no time and needs no network.
#
#   scripts/install.sh [demo|test|drivers|bench]      (demo by default; the others include it)
#
# Programs come by apt-get, as root or through sudo. All else goes into target/: tools/ (the AWS CLI and moto) and cargo-deny/
# (licences, bans and sources of dependencies) for the tests, drivers/ (the drivers and their runtimes) and bench-venv/ (what draws the plots).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'install: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

mode=${1:-demo}
case $mode in
demo | test | drivers | bench) ;;
*) die "usage: scripts/install.sh [demo|test|drivers|bench]" ;;
esac

# ---- What is there? ----

# $1 and anything newer is new enough for $2.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# As the sandbox looks for it (sandbox/src/postgres/programs.rs).
has_postgres_server() {
    local folder
    local -a path
    IFS=: read -r -a path <<<"$PATH"
    for folder in ${PG_BIN:+"$PG_BIN"} /usr/lib/postgresql/*/bin "${path[@]}"; do
        [ -f "$folder/initdb" ] && [ -f "$folder/postgres" ] && return
    done
    return 1
}

has_c_compiler() { printf '#include <stdio.h>\nint main(void) { return 0; }\n' | cc -x c -o /dev/null - 2>/dev/null; }

has_libpq_headers() {
    has cc && has pg_config &&
        printf '#include <libpq-fe.h>\n' | cc -I"$(pg_config --includedir)" -x c -E -o /dev/null - 2>/dev/null
}

has_openssl_headers() {
    has cc && printf '#include <openssl/ssl.h>\n' | cc -x c -E -o /dev/null - 2>/dev/null
}

# Debian puts it where the PATH of users does not lead.
has_haproxy() { has haproxy || [ -x /usr/sbin/haproxy ]; }
# Debian puts it where the PATH of users does not lead.
has_ip() { has ip || [ -x /usr/sbin/ip ] || [ -x /sbin/ip ]; }
has_pyyaml() { python3 -c 'import yaml' 2>/dev/null; }
has_promtool() { has promtool && has prometheus; }
has_pgbouncer() { has pgbouncer || [ -x /usr/sbin/pgbouncer ]; }

has_pgjdbc() { [ -f /usr/share/java/postgresql.jar ]; }
has_lib_pq() { [ -f /usr/share/gocode/src/github.com/lib/pq/conn.go ]; }
has_psqlodbc() { grep -qs '^\[PostgreSQL Unicode\]' /etc/odbcinst.ini; }

has_ca_certificates() {
    local file
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        [ -s "$file" ] && return
    done
    return 1
}

# The Python to make virtual environments with: the PATH's own if it can, else the distribution's.
python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# node-postgres needs 16.
has_node() {
    has node && has npm && node -e 'process.exitCode = parseInt(process.versions.node, 10) < 16 ? 1 : 0' 2>/dev/null
}

# ---- Debian packages ----

missing=()
need() {
    local package=$1
    shift
    "$@" || missing+=("$package")
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        # sudo drops the environment, and with it the proxies that apt would have gone through.
        sudo --preserve-env=http_proxy,https_proxy,ftp_proxy,no_proxy -- "$@"
    fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] && return
    has sudo || return
    # With a terminal sudo may ask for a password; without one it must not have to.
    sudo -n true 2>/dev/null || [ -t 0 ]
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }
apt_update() { apt update || { sleep 3 && apt update; } || say "apt-get update failed; trying with the lists that are there"; }
apt_install() { apt install -y --no-install-recommends "$@"; }

# Debian starts a server ("main" cluster) as soon as one is installed. Nobody here wants it: the sandbox starts its own.
createcluster=/etc/postgresql-common/createcluster.conf
install_postgres_server() {
    apt_install postgresql-common
    as_root cp -p "$createcluster" "$createcluster.redshift-iam-proxy"
    # The last one counts.
    printf 'create_main_cluster = false\n' | as_root tee -a "$createcluster" >/dev/null
    local failed=0
    apt_install postgresql || failed=$?
    as_root mv "$createcluster.redshift-iam-proxy" "$createcluster"
    return "$failed"
}

install_packages() {
    has apt-get || die "missing: ${missing[*]} (Debian's names); there is no apt-get here, so install them yourself"
    may_be_root ||
        die "missing: ${missing[*]}. Not root, and sudo is not here or wants a password: run, as root, apt-get install ${missing[*]}"
    say "apt-get install ${missing[*]}"
    apt_update
    local package rest=()
    for package in "${missing[@]}"; do
        [ "$package" = postgresql ] || rest+=("$package")
    done
    if [ "${#rest[@]}" -gt 0 ]; then
        apt_install "${rest[@]}" || die "apt-get could not install ${rest[*]}"
    fi
    # Debian starts these as well; tests and benchmarks start their own.
    for package in haproxy pgbouncer prometheus; do
        if [[ " ${rest[*]} " = *" $package "* ]] && [ -d /run/systemd/system ]; then
            as_root systemctl disable --quiet --now "$package" || say "$package was installed, and goes on as a service"
        fi
    done
    if [ "${#rest[@]}" -lt "${#missing[@]}" ]; then
        install_postgres_server || die "apt-get could not install postgresql"
    fi
}

# What cargo build and the sandbox call.
need ca-certificates has_ca_certificates
has_c_compiler || missing+=(gcc libc6-dev)
need make has make
need postgresql has_postgres_server
need postgresql-client has psql
need util-linux has setpriv
if [ "$mode" != demo ]; then
    python >/dev/null || missing+=(python3 python3-venv)
    # Network namespaces.
    need iproute2 has_ip
fi
if [ "$mode" = drivers ] || [ "$mode" = bench ]; then
    need libpq-dev has_libpq_headers
    need openssl has openssl
fi
if [ "$mode" = test ] || [ "$mode" = bench ]; then
    need haproxy has_haproxy
fi
if [ "$mode" = test ]; then
    # promtool judges /metrics, and Prometheus scrapes it. 22 MB, 7 seconds.
    need prometheus has_promtool
    # fail2ban-regex judges the filter of deploy/fail2ban/, PyYAML reads deploy/crowdsec/. 3 MB, 5 seconds; no jail is on.
    need fail2ban has fail2ban-regex
    need python3-yaml has_pyyaml
fi
if [ "$mode" = drivers ]; then
    # The terminal for Ctrl-C in psql.
    need bsdutils has script
    # A Java that runs a source file needs the compiler.
    need default-jdk-headless has javac
    need libpostgresql-jdbc-java has_pgjdbc
    need golang-go has go
    need golang-github-lib-pq-dev has_lib_pq
    need odbc-postgresql has_psqlodbc
    # The driver manager.
    need unixodbc has isql
fi
if [ "$mode" = bench ]; then
    need libssl-dev has_openssl_headers
    need pgbouncer has_pgbouncer
fi
[ "${#missing[@]}" = 0 ] || install_packages

# ---- Rust ----

if ! has cargo || ! has rustc; then
    die "Rust is missing: see https://rustup.rs"
fi
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
found=$(rustc --version | cut -d ' ' -f 2)
at_least "$wanted" "$found" || die "Rust $wanted or newer is needed, this is $found: rustup update"
if [ "$mode" = test ]; then
    for component in rustfmt clippy; do
        "cargo-${component/rust/}" --version >/dev/null 2>&1 && continue
        has rustup || die "$component is missing: install it the way Rust was installed"
        say "rustup component add $component"
        rustup component add "$component"
    done
fi

# ---- Into target/ ----

# Two of us at a time would be in each other's way.
lock() {
    mkdir -p target
    exec 9>target/.install.lock
    flock 9
}

# up_to_date FOLDER HASH: a complete one made from the same pins. The stamp is written last.
up_to_date() { [ "$(cat "$1/.stamp" 2>/dev/null)" = "$2" ]; }

# venv FOLDER PINS: a virtual environment with just that. Its scripts hold its absolute path, so that counts as well.
venv() {
    local folder=$1 pins=$2 interpreter hash
    interpreter=$(python) || die "no Python 3.10 or newer that has venv and ensurepip"
    hash=$({
        cat "$pins"
        pwd
        "$interpreter" -c 'import sys; print(sys.version)'
    } | sha256sum)
    up_to_date "$folder" "$hash" && return
    say "$folder: pip install -r $pins"
    rm -rf "$folder"
    "$interpreter" -m venv "$folder" || return
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$pins" || return
    printf '%s\n' "$hash" >"$folder/.stamp"
}

node_packages() {
    local folder=target/drivers/node hash
    if ! has_node; then
        venv target/drivers/node-runtime drivers/node-runtime.txt
        PATH=$PWD/target/drivers/node-runtime/bin:$PATH
        has_node || die "no Node.js 16 or newer with npm, and the one out of PyPI does not run"
    fi
    hash=$({
        cat drivers/package.json drivers/package-lock.json
        node --version
    } | sha256sum)
    up_to_date "$folder" "$hash" && return
    say "$folder: npm ci"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp drivers/package.json drivers/package-lock.json "$folder"
    (cd "$folder" && npm ci --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error)
    printf '%s\n' "$hash" >"$folder/.stamp"
}

# Not optimised: it takes a minute of two cores to build, and seconds to run.
cargo_deny() {
    local folder=target/cargo-deny version=0.20.2
    up_to_date "$folder" "$version" && return
    say "$folder: cargo install cargo-deny@$version"
    rm -rf "$folder"
    # In a target directory of its own, which is removed afterwards.
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --debug --root "$folder" "cargo-deny@$version" || return
    printf '%s\n' "$version" >"$folder/.stamp"
}

case $mode in
test)
    lock
    venv target/tools scripts/tools.txt
    cargo_deny
    ;;
drivers)
    lock
    mkdir -p target/drivers
    venv target/drivers/venv drivers/requirements.txt
    venv target/drivers/venv-rsc drivers/redshift-connector.txt
    venv target/drivers/venv-dbt drivers/dbt.txt
    venv target/drivers/venv-dlt drivers/dlt.txt
    node_packages
    ;;
bench)
    lock
    venv target/bench-venv bench/requirements.txt || say "no matplotlib: there will be no plots"
    ;;
esac
