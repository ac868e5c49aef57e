# What every verb needs: speaking, the environment, building. Sourced by ./dev.
# shellcheck shell=bash

install_allowed=yes
run_dir=$root/.run

# A job runner may provide neither HOME nor USER; ccache and sudo want HOME.
if [[ -z ${HOME:-} ]]; then
    HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
    export HOME=${HOME:-/tmp}
fi
# Objects of one checkout are found again from another one, and by ctest, which sets a locale of its own.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-locale}

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

if [[ ! -t 1 ]]; then
    say() { printf '==> %s\n' "$*"; }
fi

die() {
    printf '%s: %s\n' "./dev" "$*" >&2
    exit 1
}

# Compilers to run at once: one a core, and 1.5 GiB of free memory for each.
jobs_count() {
    if [[ -n ${COHORT_JOBS:-} ]]; then
        echo "$COHORT_JOBS"
        return
    fi
    local cores memory
    cores=$(nproc)
    memory=$(awk '/^MemAvailable:/ {print int($2 / 1572864)}' /proc/meminfo)
    ((memory < 1)) && memory=1
    echo $((cores < memory ? cores : memory))
}

# configure PRESET [-DNAME=VALUE ...]: only when the preset, the options or the compiler changed; ninja
# notices changed CMake files itself.
configure() {
    local preset=$1 build=$root/build/$1 wanted
    shift
    wanted="$* $(cksum <CMakePresets.json)"
    if [[ -f $build/build.ninja && $(cat "$build/.configured" 2>/dev/null) == "$wanted" ]]; then
        return
    fi
    say "Configuring build/$preset"
    mkdir -p "$root/build"
    cmake --preset "$preset" "$@" >"$root/build/$preset.configure.log" 2>&1 || {
        cat "$root/build/$preset.configure.log" >&2
        die "CMake could not configure build/$preset; its words are above"
    }
    echo "$wanted" >"$build/.configured"
}

# build PRESET [TARGET ...]
build() {
    local preset=$1
    shift
    say "Building build/$preset ${*:+($*) }with $(jobs_count) jobs"
    ninja -C "$root/build/$preset" -j "$(jobs_count)" "$@" || die "build/$preset does not build"
}
