# Starting and stopping a node of the distributed cache. Sourced by ./dev.
# shellcheck shell=bash

node_host=127.0.0.1
node_port=9000
node_url=http://$node_host:$node_port
node_pid_file=$run_dir/cache.pid
node_log=$run_dir/cache.log
node_database=$run_dir/cache.db
node_catalogue_stanzas=60000

# The pid of our node when it runs: a pid file may outlive its process, and the number may be another's.
node_pid() {
    local pid
    pid=$(cat "$node_pid_file" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ && $(readlink "/proc/$pid/exe" 2>/dev/null) == "$root"/build/*/cohort-cache* ]] ||
        return 1
    echo "$pid"
}

node_port_open() { (exec 3<>"/dev/tcp/$node_host/$node_port") 2>/dev/null; }

node_healthy() { curl -fsS -o /dev/null --max-time 2 "$node_url/health" 2>/dev/null; }

node_log_tail() {
    if [[ -s $node_log ]]; then
        echo "--- the end of its log:" >&2
        tail -n 20 "$node_log" >&2
    fi
}

# The catalogue as apt knows it. A fresh root may know only what is installed.
node_write_catalogue() {
    local file=$1 count
    apt-cache dumpavail >"$file"
    count=$(grep -c '^Package:' "$file" || true)
    if ((count < node_catalogue_stanzas)) && [[ $install_allowed == yes ]]; then
        say "apt knows only $count packages: updating its lists"
        as_root apt-get update -qq -o Dpkg::Use-Pty=0 </dev/null || die "apt-get update failed; see above"
        apt-cache dumpavail >"$file"
        count=$(grep -c '^Package:' "$file" || true)
    fi
    ((count > 0)) || die "apt-cache dumpavail prints no packages, so there is nothing to import"
    say "Importing $count packages into .run/cache.db (once)"
}

# Into a new file that gets its name when it is whole: an interrupted import is done again.
node_import_once() {
    local cache=$1 new=$node_database.new catalogue=$run_dir/catalogue.txt
    [[ -f $node_database ]] && return
    rm -f "$new" "$new"-*
    node_write_catalogue "$catalogue"
    "$cache" import --origin "sqlite:$new" --format dumpavail "$catalogue" || {
        rm -f "$new" "$new"-* "$catalogue"
        die "the import failed; its words are above"
    }
    mv "$new" "$node_database"
    rm -f "$new"-*
    rm -f "$catalogue"
}

node_start() {
    local cache=$1 pid
    if node_port_open; then
        die "port $node_port is in use by another process: stop it first (ss -ltnp shows which one)"
    fi
    say "Starting the node"
    trap 'echo; node_stop; exit 130' INT TERM
    # Its own session: Ctrl-C reaches this script only, which then stops the node in order.
    setsid "$cache" --origin "sqlite:$node_database" >"$node_log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$node_pid_file"
    for _ in $(seq 300); do
        if ! kill -0 "$pid" 2>/dev/null; then
            rm -f "$node_pid_file"
            node_log_tail
            die "the node ended before it was ready"
        fi
        node_healthy && return
        sleep 0.1
    done
    node_log_tail
    node_stop >/dev/null
    die "the node was not ready within 30 seconds"
}

node_tell_how() {
    cat <<TEXT

The cache listens on $node_url (process $1, log .run/cache.log).

  Try:   curl -i $node_url/cache-data/bash
         again, and Cache-Status says 'hit' where it said 'fwd=miss'
  Stop:  $2

TEXT
}

node_run() {
    local detach=no pid cache=
    case "${*:-}" in
        "") ;;
        --detach) detach=yes ;;
        *) die "run takes --detach and nothing else" ;;
    esac
    if pid=$(node_pid); then
        say "The node already runs"
        node_tell_how "$pid" "./dev stop"
        return
    fi
    need build run
    configure release -DCOHORT_BUILD_APPS=ON -DCOHORT_BUILD_TESTS=OFF -DCOHORT_BUILD_BENCH=OFF
    build release cohort-cache
    cache=$(find "$root/build/release" -type f -name cohort-cache -perm -u+x -print -quit)
    mkdir -p "$run_dir"
    node_import_once "$cache"
    node_start "$cache"
    pid=$(cat "$node_pid_file")
    if [[ $detach == yes ]]; then
        trap - INT TERM
        node_tell_how "$pid" "./dev stop"
        return
    fi
    node_tell_how "$pid" "Ctrl-C here, or ./dev stop elsewhere"
    trap 'echo; node_stop; exit 0' INT TERM
    tail -n +1 -f --pid="$pid" "$node_log" &
    if ! wait "$pid"; then
        rm -f "$node_pid_file"
        die "the node ended on its own; the end of its log is above and in .run/cache.log"
    fi
    rm -f "$node_pid_file" "$node_log"
    say "The node was stopped"
}

node_stop() {
    local pid waited=0
    [[ $# -eq 0 ]] || die "stop takes no options"
    if ! pid=$(node_pid); then
        rm -f "$node_pid_file" "$node_log"
        say "No node runs"
        return
    fi
    say "Stopping the node (process $pid)"
    kill -TERM "$pid" 2>/dev/null || true
    while [[ -d /proc/$pid ]] && ! grep -q '^State:.*Z' "/proc/$pid/status" 2>/dev/null; do
        if ((++waited > 300)); then
            say "It did not end within 30 seconds: killing it"
            kill -KILL "$pid" 2>/dev/null || true
            waited=0
        fi
        sleep 0.1
    done
    rm -f "$node_pid_file" "$node_log"
    say "Stopped; the imported data stays in .run/cache.db"
}
