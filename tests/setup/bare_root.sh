#!/usr/bin/env bash
# Does what README says, as its first reader would: on a minimal Debian 12 with git and certificates and
# nothing else, clones this repository (the current commit) and runs its two commands.
#
#   tests/setup/bare_root.sh [--keep] [run] [test]      without words: both
#
# Takes its time, needs to be root, a network, debootstrap and port 9000; no job runs it on its own.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$repository/tests/setup/root.sh"

keep=no steps=()
for word in "$@"; do
    case $word in
        --keep) keep=yes ;;
        run | test) steps+=("$word") ;;
        *) fail "knows --keep, run and test, not '$word'" ;;
    esac
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
./dev run --detach
first=$(curl -si http://127.0.0.1:9000/cache-data/bash)
second=$(curl -si http://127.0.0.1:9000/cache-data/bash)
printf "%s\n\n" "$first" | head -n 30
grep -qi "^cache-status:.*fwd=miss" <<<"$first" || { echo "the first answer is no miss" >&2; exit 1; }
grep -q "^Package: bash" <<<"$first" || { echo "the first answer is not the stanza" >&2; exit 1; }
grep -qi "^cache-status:.*hit" <<<"$second" || { echo "the second answer is no hit" >&2; exit 1; }
./dev stop
if ls /proc/*/exe 2>/dev/null | xargs -n1 readlink 2>/dev/null | grep -q cohort; then
    echo "a process is left" >&2
    exit 1
fi
if (exec 3<>/dev/tcp/127.0.0.1/9000) 2>/dev/null; then
    echo "port 9000 is still open" >&2
    exit 1
fi
[[ -z $(ls .run | grep -v "^cache.db") ]] || { echo "files are left in .run:" .run/* >&2; exit 1; }
echo "==> run: as promised"
'
test_step='
./dev test
echo "==> test: as promised"
'

make_root "$name" bookworm
git -C "$repository" bundle create --quiet "$roots/$name/mnt/cohort.bundle" HEAD
script='set -euo pipefail; cd /root; git clone --quiet /mnt/cohort.bundle cohort; cd cohort;'
for step in "${steps[@]}"; do
    [[ $step == run ]] && script+=$run_step
    [[ $step == test ]] && script+=$test_step
done
time in_root "$name" "$script"
