#!/usr/bin/env bash
# Builds and tests the working tree with GCC 14, in a Debian 13 root that is made for it once and kept.
# `./dev test --root trixie` runs this.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$repository/tests/setup/root.sh"

name=trixie
if [[ ! -e $roots/$name/complete ]]; then
    remove_root "$name"
    make_root "$name" trixie
    in_root "$name" '
        set -e
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install --yes --no-install-recommends -o Dpkg::Use-Pty=0 g++-14 cmake ninja-build ccache \
            libboost-dev libssl-dev libfmt-dev libspdlog-dev libsimdjson-dev libsqlite3-dev libgtest-dev \
            librapidcheck-dev python3 curl procps iproute2 clang-19
        touch /complete' </dev/null
fi
# -O1: without optimisation GCC 14 makes no tail calls, and millions of synchronous child awaits overflow.
in_root "$name" "
    set -e
    cmake -S /source -B /build -G Ninja -DCMAKE_CXX_COMPILER=g++-14 -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
        -DCMAKE_BUILD_TYPE=Debug '-DCMAKE_CXX_FLAGS_DEBUG=-O2 -g1' -DCOHORT_WERROR=ON
    ninja -C /build -j ${COHORT_JOBS:-$(nproc)}
    ctest --test-dir /build --output-on-failure -j $(nproc)" "$repository"
echo "The root stays in $roots/$name for the next time; remove it when it is not wanted any more."
