#!/usr/bin/env bash
# Builds and tests the working tree with GCC 14, in a Debian 13 root that is made for it once and kept.
# `./dev test --root trixie` runs this.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$repository/tests/setup/root.sh"
source "$repository/.ci/dev/packages.sh"

name=trixie
[[ $(id -u) -eq 0 ]] || fail "a Debian root can be made and entered by root only"
mkdir -p "$roots"
exec 9>"$roots/$name.lock"
flock -n 9 || fail "another run uses the root; wait for it"
if [[ ! -e $roots/$name/complete ]]; then
    remove_root "$name"
    make_root "$name" trixie
    in_root "$name" 'apt-get update -qq'
    touch "$roots/$name/complete"
fi
# The same libraries in the versions of Debian 13, and its compiler.
packages=$(for group in build test; do packages_of "$group"; done | tr ' ' '\n' |
    sed 's/^clang-19$/g++-14/; s/^libboost1.81-dev$/libboost-dev/' | sort -u | tr '\n' ' ')
# Warnings are the reference compiler's business; GCC sees uninitialised reads in every union.
# -O2: without optimisation GCC 14 makes no tail calls, and millions of synchronous child awaits overflow.
in_root "$name" "
    set -e
    export DEBIAN_FRONTEND=noninteractive CCACHE_NOHASHDIR=1
    apt-get install --yes --no-install-recommends -qq -o Dpkg::Use-Pty=0 $packages </dev/null
    cmake -S /source -B /build -G Ninja -DCMAKE_CXX_COMPILER=g++-14 -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \\
        -DCMAKE_BUILD_TYPE=Debug '-DCMAKE_CXX_FLAGS_DEBUG=-O2 -g1' -DCOHORT_WERROR=OFF
    ninja -C /build -j ${COHORT_JOBS:-$(nproc)}
    ctest --test-dir /build --output-on-failure -j $(nproc)" "$repository"
echo "The root stays in $roots/$name for the next time; remove it when it is not wanted any more."
