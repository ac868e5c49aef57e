# Which Debian packages each verb needs, and how they get there. Sourced by ./dev.
# shellcheck shell=bash

packages_of() {
    case $1 in
        build)
            echo clang-19 cmake ninja-build mold ccache libboost1.81-dev libssl-dev libfmt-dev \
                libspdlog-dev libsimdjson-dev libsqlite3-dev libpq-dev libcli11-dev libxxhash-dev
            ;;
        run) echo curl ;;
        test) echo libgtest-dev librapidcheck-dev python3 python3-yaml curl git procps iproute2 openssl postgresql ;;
        certs) echo openssl ;;
        sanitize) echo libclang-rt-19-dev llvm-19 ;;
        check) echo clang-format-19 clang-tidy-19 python3 git ;;
        bench) echo iproute2 openssl libcaf-dev libprotobuf-dev protobuf-compiler erlang-base golang-go nginx-light redis-server python3 curl ;;
        k8s) echo yamllint python3 python3-yaml ;;
        npm) echo nodejs npm ;;
        containers)
            echo podman buildah runc netavark aardvark-dns debootstrap iproute2 nftables iptables catatonit \
                ccache curl python3 python3-yaml
            ;;
        cut) echo nftables iproute2 ;;
        trixie) echo debootstrap git ;;
        *) die "there is no package group '$1'" ;;
    esac
}

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "installing packages needs root, and there is no sudo: run as root, install them by hand ($*), or use --no-install"
    fi
}

# Servers among the packages (nginx, redis, postgresql) must not start on their own while they are installed.
install_quietly() {
    local policy=/usr/sbin/policy-rc.d made=no status=0
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        made=yes
    fi
    # PostgreSQL would make itself a database cluster as well, and start that with the machine.
    local clusters=/etc/postgresql-common/createcluster.conf
    if [[ " $* " == *" postgresql "* && ! -e $clusters ]]; then
        as_root mkdir -p "${clusters%/*}"
        echo 'create_main_cluster = false' | as_root tee "$clusters" >/dev/null
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        -o Dpkg::Use-Pty=0 "$@" </dev/null || status=$?
    [[ $made == yes ]] && as_root rm -f "$policy"
    return "$status"
}

# need GROUP ...: afterwards every package of these groups is installed, or the script has ended with a
# sentence. Costs one dpkg-query when nothing is missing.
need() {
    local wanted missing
    wanted=$(for group in "$@"; do packages_of "$group"; done | tr ' ' '\n' | sort -u)
    if ! command -v dpkg-query >/dev/null; then
        [[ $install_allowed == no ]] && return
        die "this system has no dpkg, so nothing can be checked or installed; provide" \
            "$(tr '\n' ' ' <<<"$wanted")and use --no-install"
    fi
    # shellcheck disable=SC2086
    missing=$(comm -23 <(echo "$wanted") <(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' $wanted \
        2>/dev/null | awk '$2 == "ii" || $2 == "hi" {print $1}' | sort -u))
    [[ -z $missing ]] && return
    missing=$(tr '\n' ' ' <<<"$missing")
    missing=${missing% }
    if [[ $install_allowed == no ]]; then
        die "missing packages: $missing (install them, or leave out --no-install)"
    fi
    say "Installing with apt: $missing"
    as_root apt-get update -qq -o Dpkg::Use-Pty=0 </dev/null || die "apt-get update failed; see above"
    # shellcheck disable=SC2086
    install_quietly $missing || die "apt could not install: $missing"
}
