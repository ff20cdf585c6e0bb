#!/usr/bin/env bash
# Builds the container image and tries it. Where there is no Docker, does what the Dockerfile says in target/image-check: runs
# the first stage's steps on this machine, puts the last stage's file system together, and tries the program in that, as
# the image's user.
#
# IMAGE_CHECK_PROFILE: another cargo profile than the Dockerfile's dist (dev is quick), without Docker.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The one of Docker's builds; modes of files in the image depend on it.
umask 022

repository=$PWD
profile=${IMAGE_CHECK_PROFILE:-dist}
case $profile in
dev) output=debug ;;
*) output=$profile ;;
esac
# The user nonroot of the distroless images.
nonroot=65532
binary=/usr/local/bin/redshift-iam-proxy
# All that the last stage may add to its base.
wanted_files=$'/usr/local/bin/redshift-iam-proxy\n/usr/share/doc/redshift-iam-proxy/LICENSE'
# What gcr.io/distroless/cc-debian12 has of Debian's libraries; linux-vdso is the kernel's.
base_libraries='^(linux-vdso|libc|libm|libdl|libpthread|librt|libresolv|libgcc_s|libstdc\+\+|ld-linux-[a-z0-9-]+)\.so\.[0-9]+$'

say() { printf 'image-check: %s\n' "$*"; }
die() {
    say "$*" >&2
    exit 1
}

# ---- With Docker ----

if docker info >/dev/null 2>&1; then
    say "docker build"
    docker build --tag redshift-iam-proxy:check .
    docker run --rm redshift-iam-proxy:check --version
    user=$(docker image inspect --format '{{.Config.User}}' redshift-iam-proxy:check)
    [ "$user" = nonroot ] || die "the image runs as ${user:-root}"
    ! docker run --rm redshift-iam-proxy:check healthcheck 2>/dev/null || die "healthy without a configuration"
    say "ok (image redshift-iam-proxy:check)"
    exit 0
fi
say "no Docker here: doing the Dockerfile's steps in target/image-check, profile $profile"

# ---- The Dockerfile, as far as it is used here ----

work=$repository/target/image-check
context=$work/context builder=$work/builder final=$work/final
rm -rf "$work"
mkdir -p "$context" "$builder" "$final"

# The context is what .dockerignore lets through: nothing (*), but for what it names (!).
[ "$(grep -v '^#' .dockerignore | head -n 1)" = '*' ] || die ".dockerignore should exclude all (*) first"
# With new times: cargo, which goes by them, would take an older build for one of these sources.
while read -r entry; do
    cp -r --preserve=mode --parents "$entry" "$context"
done < <(sed -n 's/^!//p' .dockerignore)

# copy FROM TO ITEM... DESTINATION, in the folders FROM and TO; of a folder its content, as COPY does.
copy() {
    local from=$1 to=$2 item
    local -a items=("${@:3:$#-3}")
    local destination=${*: -1}
    for item in "${items[@]}"; do
        if [ -d "$from/$item" ]; then
            mkdir -p "$to/$destination"
            cp -a "$from/$item/." "$to/$destination"
        elif [[ $destination == */ ]]; then
            install -D -p -m "$(stat -Lc %a "$from/$item")" "$from/$item" "$to/$destination$(basename "$item")"
        else
            install -D -p -m "$(stat -Lc %a "$from/$item")" "$from/$item" "$to/$destination"
        fi
    done
}

stages=0 directory='' user='' entrypoint='' healthcheck=''
environment=()
while read -r instruction rest; do
    # The profile asked for, in place of the Dockerfile's.
    rest=${rest//--profile dist/--profile $profile}
    rest=${rest//target\/dist\//target/$output/}
    case $stages:$instruction in
    ?:FROM)
        stages=$((stages + 1))
        ;;
    1:WORKDIR)
        directory=$builder$rest
        mkdir -p "$directory"
        # Shared with the other builds, so that the dependencies are there already.
        target=$(realpath -m "${CARGO_TARGET_DIR:-$repository/target}")
        mkdir -p "$target"
        ln -s "$target" "$directory/target"
        ;;
    1:COPY)
        read -r -a words <<<"$rest"
        copy "$context" "$directory" "${words[@]}"
        ;;
    1:RUN)
        say "RUN $rest"
        (cd "$directory" && env -u CARGO_TARGET_DIR sh -c "$rest" </dev/null)
        ;;
    2:COPY)
        read -r -a words <<<"$rest"
        from=$context mode=''
        while [[ ${words[0]} == --* ]]; do
            case ${words[0]} in
            --from=builder) from=$builder ;;
            --chmod=*) mode=${words[0]#*=} ;;
            *) die "this script does not know COPY ${words[0]}" ;;
            esac
            words=("${words[@]:1}")
        done
        copy "$from" "$final" "${words[@]}"
        [ -z "$mode" ] || chmod "$mode" "$final${words[-1]}"
        ;;
    2:ENV) environment+=("$rest") ;;
    2:USER) user=$rest ;;
    2:ENTRYPOINT) entrypoint=$rest ;;
    2:HEALTHCHECK) healthcheck=${rest##*CMD } ;;
    2:LABEL | 2:EXPOSE | 2:STOPSIGNAL) ;;
    *) die "this script does not know what $instruction means in stage $stages" ;;
    esac
done < <(sed -e '/^#/d' -e '/^$/d' Dockerfile | sed -e ':again' -e '/\\$/N; s/\\\n */ /; tagain')

# ---- What came out ----

[ "$stages" = 2 ] || die "the Dockerfile should have two stages, not $stages"
[ "$user" = nonroot ] || die "the image runs as ${user:-root}"
[ "$entrypoint" = "[\"$binary\"]" ] || die "ENTRYPOINT is $entrypoint"
[ "$healthcheck" = "[\"$binary\", \"healthcheck\"]" ] || die "HEALTHCHECK is $healthcheck"

files=$(cd "$final" && find . ! -type d | sed 's/^\.//' | LC_ALL=C sort)
[ "$files" = "$wanted_files" ] || die "these files, and only these, should be in it: $wanted_files; there are: $files"
[ -z "$(find "$final" -perm /022)" ] || die "writable by others than root: $(find "$final" -perm /022)"
[ "$(stat -c %a "$final$binary")" = 755 ] || die "$binary has mode $(stat -c %a "$final$binary")"

libraries=$(ldd "$final$binary" | awk '{ n = split($1, path, "/"); print path[n] }')
foreign=$(grep -Ev "$base_libraries" <<<"$libraries" || true)
[ -z "$foreign" ] || die "linked with what the base image does not have: $foreign"
say "files: $(tr '\n' ' ' <<<"$files")($(du -h "$final$binary" | cut -f 1))"
say "libraries: $(tr '\n' ' ' <<<"$libraries")"

# ---- Does it run? ----

# A port that nobody has, and that no outgoing connection gets.
port=0
until [ "$port" != 0 ] && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((20000 + RANDOM % 10000))
done

config=/etc/redshift-iam-proxy/proxy.toml
[ "${environment[*]}" = "REDSHIFT_IAM_PROXY_CONFIG=$config" ] || die "ENV is ${environment[*]}"
mkdir -p "$final/etc/redshift-iam-proxy"
# The user's verifier is that of "demo-password".
cat >"$final$config" <<END
[listen]
address = "127.0.0.1:$port"
[aws]
region = "ap-southeast-2"
[connections.sales]
type = "redshift-serverless"
host = "analytics.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com"
database = "dev"
role_arn = "arn:aws:iam::123456789012:role/rs01"
[users.demo]
password = "$(sed -n 's/^password = "\(SCRAM-SHA-256\$.*\)"$/\1/p' proxy.toml | head -n 1)"
connections = ["sales"]
END

# In that tree and nothing but it, with this machine's libraries and CA certificates for those of the base image. chroot is
# root's; others run the program where it lies.
if [ "$(id -u)" = 0 ]; then
    while read -r library; do
        install -D -m 755 "$library" "$final$library"
    done < <(ldd "$final$binary" | grep -o '/[^ ]*')
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$final/etc/ssl/certs/ca-certificates.crt"
    as_image=(env -i "${environment[@]}" "$(command -v chroot)" --userspec="$nonroot:$nonroot" --groups= "$final" "$binary")
    say "running as $nonroot:$nonroot, in a chroot"
else
    as_image=(env -i "REDSHIFT_IAM_PROXY_CONFIG=$final$config" "$final$binary")
    say "running as $(id -un), without a chroot"
fi

proxy=''
finish() {
    local code=$?
    if [ -n "$proxy" ]; then
        kill -TERM "$proxy" 2>/dev/null || true
        wait "$proxy" || true
    fi
    exit "$code"
}
trap finish EXIT

"${as_image[@]}" --version
"${as_image[@]}" check --offline
! "${as_image[@]}" healthcheck 2>/dev/null || die "healthy although nothing listens"

"${as_image[@]}" </dev/null &
proxy=$!
for ((tries = 100; ; tries--)); do
    ! "${as_image[@]}" healthcheck 2>/dev/null || break
    kill -0 "$proxy" 2>/dev/null || die "the proxy did not start"
    [ "$tries" -gt 0 ] || die "the proxy does not become healthy"
    sleep 0.1
done
# The image's STOPSIGNAL.
kill -TERM "$proxy"
code=0
wait "$proxy" || code=$?
proxy=''
[ "$code" = 0 ] || die "the proxy ended with $code on SIGTERM"
say ok
