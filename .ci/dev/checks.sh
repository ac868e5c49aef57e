# Tests, lints, fuzzing and benchmarks. Sourced by ./dev.
# shellcheck shell=bash

# test_preset PRESET [ctest options]: configures, builds, runs; ctest's closing line is the last one.
test_preset() {
    local preset=$1
    shift
    configure "$preset"
    build "$preset"
    say "Testing build/$preset"
    # What is meant for builds would be an option of a node, which knows no such one.
    env -u COHORT_JOBS ctest --preset "$preset" -j "$(nproc)" "$@"
}

run_tests() {
    local presets=() options=() where=
    while (($#)); do
        case $1 in
            --asan) presets+=(asan) ;;
            --tsan) presets+=(tsan) ;;
            --all) presets=(dev asan tsan) ;;
            --root)
                shift
                where=${1:-}
                ;;
            --)
                shift
                options=("$@")
                break
                ;;
            *) die "test takes --asan, --tsan, --all, --root trixie, and ctest options after --; not '$1'" ;;
        esac
        shift
    done
    if [[ -n $where ]]; then
        [[ $where == trixie ]] || die "the only other root is 'trixie', not '$where'"
        need trixie
        exec "$root/tests/setup/trixie_root.sh"
    fi
    ((${#presets[@]})) || presets=(dev)
    need build test
    [[ ${presets[*]} == dev ]] || need sanitize
    local preset failed=()
    for preset in "${presets[@]}"; do
        test_preset "$preset" "${options[@]}" || failed+=("$preset")
    done
    ((${#failed[@]} == 0)) || die "tests failed in: ${failed[*]}"
}

# Files of the project, also those that git does not know yet.
project_files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
    [[ -f $file ]] && echo "$file"
done; }

run_checks() {
    [[ $# -eq 0 ]] || die "check takes no options"
    need build test check
    local failed=()
    say "Formatting (clang-format)"
    local badly_formatted
    badly_formatted=$(project_files '*.hpp' '*.cpp' | xargs -r -n 1 -P "$(nproc)" sh -c \
        'clang-format-19 --dry-run --Werror "$0" 2>/dev/null || echo "$0"' | sort)
    [[ -z $badly_formatted ]] ||
        failed+=("formatting: run clang-format-19 -i ${badly_formatted//$'\n'/ }")
    say "Lints (seam, floors, sizes)"
    project_files '*.hpp' '*.cpp' | python3 tests/lint/lint.py || failed+=("lints: see above")
    configure dev
    build dev
    say "Headers compile alone"
    build dev all_verify_interface_header_sets || failed+=("a header does not compile alone")
    say "clang-tidy"
    python3 tests/lint/tidy.py --build build/dev --jobs "$(jobs_count)" || failed+=("clang-tidy: see above")
    if ((${#failed[@]})); then
        printf 'check failed: %s\n' "${failed[@]}" >&2
        exit 1
    fi
    say "All checks passed"
}

# Lines of the decoders that the inputs run which are kept in tests/fuzz/corpus, and those of some more seconds.
fuzz_coverage() {
    need build test sanitize
    configure coverage
    build coverage
    python3 tests/fuzz/coverage.py --build "$root/build/coverage" "$@"
}

run_fuzz() {
    if [[ ${1:-} == --coverage ]]; then
        shift
        fuzz_coverage "$@"
        return
    fi
    local seconds=${1:-20} only=${2:-}
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "fuzz takes seconds and a target's name; '$seconds' is no number of seconds"
    need build test sanitize
    configure fuzz
    build fuzz
    python3 tests/fuzz/run.py --build "$root/build/fuzz" --seconds "$seconds" ${only:+--only "$only"}
}

# The same seeds in several builds: the names of presets, or those that CI has made anyway.
compare_hashes() {
    local preset programs=()
    (($#)) || set -- dev asan sim
    need sanitize
    for preset in "$@"; do
        configure "$preset"
        build "$preset" cohort-sim
        programs+=("$root/build/$preset/tests/sim/cohort-sim")
    done
    python3 tests/sim/same_hash.py "${programs[@]}"
}

# Seeds on simulated nodes. The sums of a workload go on from start to start, as long as the commit is the same.
run_sim() {
    need build test
    if [[ ${1:-} == --same-hash ]]; then
        shift
        compare_hashes "$@"
        return
    fi
    configure sim
    build sim cohort-sim
    if [[ ${1:-} == --mutants ]]; then
        shift
        python3 tests/mutants/run.py "$root/build/sim/tests/sim/cohort-sim" "$@"
        return
    fi
    local options=() sums=kv commit word previous=
    for word in "$@"; do
        case $previous in
            --workload) sums=$word ;;
            --bug) sums=$sums-$word ;;
        esac
        previous=$word
    done
    if [[ " $* " == *" --seeds "* ]]; then
        commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
        [[ -z $(git status --porcelain 2>/dev/null) ]] || commit=$commit-changed
        [[ " $* " == *" --state "* ]] || options+=(--state "$root/build/sim/sums-$sums.json")
        options+=(--commit "$commit" --corpus "$root/tests/sim/corpus")
    fi
    "$root/build/sim/tests/sim/cohort-sim" "${options[@]}" "$@"
}

run_bench() {
    local what=${1:-}
    case $what in
        runtime | http | wire | wire-faults) need build bench ;;
        failover | pause | drain) need build test ;;
        cut) need build test cut ;;
        *)
            die "bench takes 'runtime', 'http', 'wire', 'wire-faults', 'failover', 'pause', 'drain' or 'cut'"
            ;;
    esac
    shift
    configure release -DCOHORT_BUILD_APPS=ON -DCOHORT_BUILD_TESTS=OFF -DCOHORT_BUILD_BENCH=ON
    if [[ $what == wire-faults ]]; then
        build release cohort-wire-node cohort-proxy
        python3 tests/proxy/wire_faults.py --build "$root/build/release" "$@"
        return
    fi
    build release
    python3 "tests/bench/run_$what.py" --build "$root/build/release" "$@"
}
