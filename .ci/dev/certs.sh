# Certificates for the nodes of one machine, or of a test. Sourced by ./dev.
# shellcheck shell=bash

# A key pair in Ed25519 and what signs it, without a question asked.
new_key() {
    (umask 077 && openssl genpkey -algorithm ed25519 -out "$1")
}

make_certs() {
    local cluster=cohort role=cache folder=$root/.run/certs names=()
    while (($# > 0)); do
        case $1 in
            --cluster | --role | --out)
                (($# > 1)) || die "$1 needs a value"
                case $1 in
                    --cluster) cluster=$2 ;;
                    --role) role=$2 ;;
                    --out) folder=$2 ;;
                esac
                shift
                ;;
            -*) die "certs knows --cluster, --role and --out, not '$1'" ;;
            *) names+=("$1") ;;
        esac
        shift
    done
    ((${#names[@]} > 0)) || names=(node)
    local word
    for word in "$cluster" "$role" "${names[@]}"; do
        [[ $word =~ ^[A-Za-z0-9._-]+$ ]] || die "'$word' is no name: letters, digits, '.', '_' and '-'"
    done
    need certs
    mkdir -p "$folder"
    local authority=$folder/authority
    if [[ ! -e $authority.pem ]]; then
        new_key "$authority-key.pem"
        openssl req -x509 -new -key "$authority-key.pem" -out "$authority.pem" -days 3650 \
            -subj "/CN=Cohort authority of $cluster" -addext basicConstraints=critical,CA:TRUE \
            -addext keyUsage=critical,keyCertSign
        say "made an authority: $authority.pem (keep $authority-key.pem to yourself)"
    fi
    local name
    for name in "${names[@]}"; do
        make_node_cert "$folder" "$name" "cohort://$cluster/$role"
        say "$folder/$name.pem and $folder/$name-key.pem are cohort://$cluster/$role"
    done
}

# Written beside the old files and moved over them, so that a node that reloads meets whole files.
make_node_cert() {
    local folder=$1 name=$2 uri=$3 new
    new=$(mktemp -d "$folder/.new.XXXXXX")
    new_key "$new/key.pem"
    openssl req -new -key "$new/key.pem" -subj "/CN=$name" -out "$new/request.pem"
    printf '%s\n' "subjectAltName=URI:$uri,DNS:localhost,IP:127.0.0.1" \
        extendedKeyUsage=serverAuth,clientAuth basicConstraints=critical,CA:FALSE >"$new/extensions"
    openssl x509 -req -in "$new/request.pem" -CA "$folder/authority.pem" \
        -CAkey "$folder/authority-key.pem" -set_serial "0x$(openssl rand -hex 16)" -days 825 \
        -extfile "$new/extensions" -out "$new/certificate.pem" 2>/dev/null
    mv "$new/key.pem" "$folder/$name-key.pem"
    mv "$new/certificate.pem" "$folder/$name.pem"
    rm -r "$new"
}
