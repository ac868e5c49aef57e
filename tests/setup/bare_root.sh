#!/usr/bin/env bash
# Does what README says, as its first reader would: on a minimal Debian 12 with git and certificates and
# nothing else, clones this repository (the current commit) and runs its two commands.
#
#   tests/setup/bare_root.sh [--keep] [--ccache FOLDER] [run] [test]      without words: both
#
# --ccache copies a compiler cache into the root: a trial of everything but the compiling is quicker with it.
# Takes its time, needs to be root, a network, debootstrap and ports 9000 and 9001; no job runs it on its own.
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
queries() { curl -fsS http://127.0.0.1:9001/metrics | sed -n "s/^cohort_origin_queries_total //p"; }
./dev run --detach
before=$(queries)
first=$(curl -si http://127.0.0.1:9000/cache-data/bash)
between=$(queries)
second=$(curl -si http://127.0.0.1:9000/cache-data/bash)
after=$(queries)
printf "%s\n\n" "$first" | head -n 30
grep -qi "^cache-status:.*fwd=miss" <<<"$first" || { echo "the first answer is no miss" >&2; exit 1; }
grep -q "^Package: bash" <<<"$first" || { echo "the first answer is not the stanza" >&2; exit 1; }
grep -qi "^cache-status:.*hit" <<<"$second" || { echo "the second answer is no hit" >&2; exit 1; }
echo "==> Queries of the origin: $before before, $between after the first GET, $after after the second"
[[ -n $before ]] || { echo "the admin route does not count the queries" >&2; exit 1; }
((between == before + 1 && after == between)) ||
    { echo "the first GET makes one query and the second none" >&2; exit 1; }
./dev stop
if ls /proc/*/exe 2>/dev/null | xargs -n1 readlink 2>/dev/null | grep -q cohort; then
    echo "a process is left" >&2
    exit 1
fi
for port in 9000 9001; do
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
