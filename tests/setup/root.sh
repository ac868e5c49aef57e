# Debian roots for tests, made with debootstrap. Sourced by the scripts of this folder; needs to be root.
# shellcheck shell=bash

roots=${COHORT_ROOTS:-/var/tmp/bare}

fail() {
    echo "$0: $*" >&2
    exit 1
}

# The mirror this machine uses itself.
debian_mirror() {
    sed -nE '/^ *#/d; s,.*(https?://[^ ]+/debian)/?( .*)?$,\1,p' /etc/apt/sources.list \
        /etc/apt/sources.list.d/* 2>/dev/null | sed -n 1p || true
}

# make_root NAME SUITE [debootstrap options]: a minimal root with git and certificates that reaches its
# packages the way this machine does.
make_root() {
    local root=$roots/$1 suite=$2 mirror
    shift 2
    [[ $(id -u) -eq 0 ]] || fail "making a root needs root"
    command -v debootstrap >/dev/null || fail "debootstrap is missing (apt-get install debootstrap)"
    mirror=$(debian_mirror)
    mirror=${mirror:-http://deb.debian.org/debian}
    mkdir -p "$roots/cache"
    echo "==> Making a minimal $suite root in $root"
    debootstrap --variant=minbase --include=git,ca-certificates --cache-dir="$roots/cache" "$@" \
        "$suite" "$root" "$mirror" >"$roots/debootstrap.log" 2>&1 || {
        tail -n 20 "$roots/debootstrap.log" >&2
        fail "debootstrap failed; its log is $roots/debootstrap.log"
    }
    cat >"$root/etc/apt/sources.list" <<SOURCES
deb $mirror $suite main
deb $mirror $suite-updates main
deb ${mirror%/debian*}/debian-security $suite-security main
SOURCES
    # Only how packages are reached: proxies, certificates, dates.
    local file
    for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
        if [[ -f $file ]] && grep -qE 'Acquire::.*(Proxy|CaInfo|Verify|Check-)' "$file"; then
            cp "$file" "$root/etc/apt/apt.conf.d/"
        fi
    done
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    [[ -f /etc/ssl/certs/ca-certificates.crt ]] &&
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    return 0
}

# in_root NAME SCRIPT [SOURCE]: runs a bash script inside, with its own processes and mounts, which end with
# it. SOURCE, a folder, is seen there as /source and cannot be written.
in_root() {
    local root=$roots/$1 script=$2 source=${3:-}
    mkdir -p "$root/source" "$root/dev/shm"
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child bash -c '
        set -e
        mount --make-rprivate /
        mount -t proc proc "$1/proc"
        mount -t tmpfs tmpfs "$1/dev/shm"
        if [[ -n $3 ]]; then
            mount --bind "$3" "$1/source"
            mount -o remount,bind,ro "$1/source"
        fi
        exec chroot "$1" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            LC_ALL=C.UTF-8 ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
            HOME=/root bash -c "$2"' sh "$root" "$script" "$source"
}

remove_root() {
    rm -rf --one-file-system "${roots:?}/$1"
}
