#!/usr/bin/env bash
# Does what README says, as its first reader would: on a minimal Debian 12 with git and certificates and
# nothing else, clones this repository (the current commit) and runs its two commands.
#
#   tests/setup/bare_root.sh [--keep] [--ccache FOLDER] [run] [test]      without words: both
#
# --ccache copies a compiler cache into the root: a trial of everything but the compiling is quicker with it.
# Takes its time, needs to be root, a network, debootstrap and the ports of three nodes; no job runs it on its own.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$repository/tests/setup/root.sh"

keep=no ccache='' steps=()
while (($#)); do
    case $1 in
        --keep) keep=yes ;;
        --ccache)
            shift
            ccache=${1:-}
            [[ -d $ccache ]] || fail "--ccache takes a folder, not '$ccache'"
            ;;
        run | test) steps+=("$1") ;;
        *) fail "knows --keep, --ccache, run and test, not '$1'" ;;
    esac
    shift
done
((${#steps[@]})) || steps=(run test)
name=bookworm-$$

finish() {
    if [[ $keep == yes ]]; then
        echo "==> The root stays in $roots/$name"
    else
        remove_root "$name"
        rm -rf "$roots/cache"
    fi
}
trap finish EXIT

# What README promises about `./dev run`.
run_step='
queries() {
    for port in 9100 9101 9102; do
        curl -fsS http://127.0.0.1:$port/metrics | sed -n "s/^cohort_origin_queries_total //p"
    done | awk "{sum += \$1} END {if (NR == 3) print sum}"
}
owner() { sed -n "s/^[Cc]ache-[Ss]tatus:.*detail=\([^; \r]*\).*/\1/p" <<<"$1"; }
./dev run --detach
before=$(queries)
first=$(curl -si http://127.0.0.1:9000/cache-data/bash)
between=$(queries)
second=$(curl -si http://127.0.0.1:9001/cache-data/bash)
third=$(curl -si http://127.0.0.1:9002/cache-data/bash)
after=$(queries)
printf "%s\n\n" "$first" | head -n 30
grep -qi "^cache-status:.*fwd=miss" <<<"$first" || { echo "the first answer is no miss" >&2; exit 1; }
grep -q "^Package: bash" <<<"$first" || { echo "the first answer is not the stanza" >&2; exit 1; }
for answer in "$second" "$third"; do
    grep -qi "^cache-status:.*hit" <<<"$answer" || { echo "a later answer is no hit" >&2; exit 1; }
    [[ -n $(owner "$first") && $(owner "$answer") == "$(owner "$first")" ]] ||
        { echo "two nodes name two owners" >&2; exit 1; }
done
echo "==> Queries of the origin: $before before, $between after the first GET, $after after two more"
echo "==> All three nodes name $(owner "$first") as the owner"
[[ -n $before ]] || { echo "the admin route does not count the queries" >&2; exit 1; }
((between == before + 1 && after == between)) ||
    { echo "the first GET makes one query and the others none" >&2; exit 1; }
./dev stop
if ls /proc/*/exe 2>/dev/null | xargs -n1 readlink 2>/dev/null | grep -q cohort; then
    echo "a process is left" >&2
    exit 1
fi
for port in 9000 9001 9002 9100 9101 9102 2551 2552 2553; do
    if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; then
        echo "port $port is still open" >&2
        exit 1
    fi
done
[[ -z $(ls .run | grep -v "^cache.db") ]] || { echo "files are left in .run:" .run/* >&2; exit 1; }
echo "==> run: as promised"
'
test_step='
./dev test
echo "==> test: as promised"
'

make_root "$name" bookworm
if [[ -n $ccache ]]; then
    mkdir -p "$roots/$name/root/.cache"
    cp -r "$ccache" "$roots/$name/root/.cache/ccache"
fi
git -C "$repository" bundle create --quiet "$roots/$name/mnt/cohort.bundle" HEAD
script='set -euo pipefail; cd /root; git clone --quiet /mnt/cohort.bundle cohort; cd cohort;'
for step in "${steps[@]}"; do
    [[ $step == run ]] && script+=$run_step
    [[ $step == test ]] && script+=$test_step
done
time in_root "$name" "$script"
