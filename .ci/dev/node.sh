# Starting and stopping the distributed cache: three nodes on this machine. Sourced by ./dev.
# shellcheck shell=bash

node_host=127.0.0.1
node_count=3
node_database=$run_dir/cache.db
node_catalogue_stanzas=60000

# Node I listens on 9000 + I, for other nodes on 2551 + I, and for its operator on 9100 + I.
node_port() { echo $((9000 + $1)); }
node_url() { echo "http://$node_host:$(node_port "$1")"; }
node_admin() { echo "http://$node_host:$((9100 + $1))"; }
node_pid_file() { echo "$run_dir/cache-$1.pid"; }
node_log() { echo "$run_dir/cache-$1.log"; }
node_numbers() { seq 0 $((node_count - 1)); }

# The pid of one of our nodes when it runs: a pid file may outlive its process, and the number may be another's.
node_pid() {
    local pid
    pid=$(cat "$(node_pid_file "$1")" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ && $(readlink "/proc/$pid/exe" 2>/dev/null) == "$root"/build/*/cohort-cache* ]] ||
        return 1
    echo "$pid"
}

# The pids of all nodes that run.
node_pids() {
    local one
    for one in $(node_numbers); do
        node_pid "$one" || true
    done
}

node_port_open() { (exec 3<>"/dev/tcp/$node_host/$(node_port "$1")") 2>/dev/null; }

node_healthy() { curl -fsS -o /dev/null --max-time 2 "$(node_url "$1")/health" 2>/dev/null; }

node_log_tail() {
    if [[ -s $(node_log "$1") ]]; then
        echo "--- the end of the log of node-$1:" >&2
        tail -n 20 "$(node_log "$1")" >&2
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

node_started=()

# Starts those that do not run; what fails on the way stops these and no others.
node_start() {
    local cache=$1 one seeds=
    for one in $(node_numbers); do
        if ! node_pid "$one" >/dev/null && node_port_open "$one"; then
            die "port $(node_port "$one") is in use by another process: stop it first (ss -ltnp shows which one)"
        fi
        seeds+=${seeds:+,}$node_host:$((2551 + one))
    done
    say "Starting $((node_count - $(node_pids | wc -l))) nodes"
    trap 'echo; node_stop_started; exit 130' INT TERM
    for one in $(node_numbers); do
        node_pid "$one" >/dev/null && continue
        # Sessions of their own: Ctrl-C reaches this script only, which then stops the nodes in order. What this
        # script is told by its environment is not for them.
        COHORT_CLUSTER_SEED_NODES=$seeds setsid env -u COHORT_JOBS -u COHORT_ROOTS "$cache" --origin "sqlite:$node_database" --node.name "node-$one" \
            --http.port "$(node_port "$one")" --admin.port $((9100 + one)) --remoting.port $((2551 + one)) \
            --cores 1 >"$(node_log "$one")" 2>&1 </dev/null &
        echo $! >"$(node_pid_file "$one")"
        node_started+=($!)
    done
    for one in $(node_numbers); do
        node_wait_ready "$one"
    done
}

node_wait_ready() {
    local one=$1 pid
    pid=$(cat "$(node_pid_file "$one")")
    for _ in $(seq 600); do
        if ! kill -0 "$pid" 2>/dev/null; then
            node_log_tail "$one"
            node_stop_started
            die "node-$one ended before it was ready"
        fi
        node_healthy "$one" && return
        sleep 0.1
    done
    node_log_tail "$one"
    node_stop_started
    die "node-$one was not ready within 60 seconds"
}

node_stop_started() {
    local pid
    kill -TERM "${node_started[@]}" 2>/dev/null || true
    for pid in "${node_started[@]}"; do
        node_wait_gone "$pid"
    done
}

node_tell_how() {
    cat <<TEXT

Three nodes of the cache are one cluster: $(node_url 0), $(node_url 1) and
$(node_url 2) (logs in .run/, what they agree on at $(node_admin 0)/cluster/members).

  Try:   curl -i $(node_url 0)/cache-data/bash
         again by another node: Cache-Status says 'hit' where it said 'fwd=miss', and the same owner
  Stop:  $1

TEXT
}

node_run() {
    local detach=no cache= pids
    case "${*:-}" in
        "") ;;
        --detach) detach=yes ;;
        *) die "run takes --detach and nothing else" ;;
    esac
    mapfile -t pids < <(node_pids)
    if ((${#pids[@]} == node_count)); then
        say "The nodes already run"
        node_tell_how "./dev stop"
        return
    fi
    # Nodes of an earlier start are not this script's to wait for: what joins them is left running too.
    ((${#pids[@]} == 0)) || detach=yes
    need build run
    configure release -DCOHORT_BUILD_APPS=ON -DCOHORT_BUILD_TESTS=OFF -DCOHORT_BUILD_BENCH=OFF
    build release cohort-cache
    cache=$(find "$root/build/release" -type f -name cohort-cache -perm -u+x -print -quit)
    mkdir -p "$run_dir"
    node_import_once "$cache"
    node_start "$cache"
    if [[ $detach == yes ]]; then
        trap - INT TERM
        node_tell_how "./dev stop"
        return
    fi
    node_tell_how "Ctrl-C here, or ./dev stop elsewhere"
    trap 'echo; node_stop; exit 0' INT TERM
    mapfile -t pids < <(node_pids)
    tail -n +1 -f "${pids[@]/#/--pid=}" "$(node_log 0)" "$(node_log 1)" "$(node_log 2)" &
    if ! wait "${pids[@]}"; then
        node_stop >/dev/null
        die "a node ended on its own; the others were stopped"
    fi
    node_forget
    say "The nodes were stopped"
}

node_forget() {
    local one
    for one in $(node_numbers); do
        rm -f "$(node_pid_file "$one")" "$(node_log "$one")"
    done
}

node_gone() { [[ ! -d /proc/$1 ]] || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }

# All at once: the whole cluster ends.
node_stop() {
    local pids pid
    [[ $# -eq 0 ]] || die "stop takes no options"
    mapfile -t pids < <(node_pids)
    if ((${#pids[@]} == 0)); then
        node_forget
        say "No node runs"
        return
    fi
    say "Stopping ${#pids[@]} nodes (processes ${pids[*]})"
    kill -TERM "${pids[@]}" 2>/dev/null || true
    for pid in "${pids[@]}"; do
        node_wait_gone "$pid"
    done
    node_forget
    say "Stopped; the imported data stays in .run/cache.db"
}

node_wait_gone() {
    local pid=$1 waited=0
    until node_gone "$pid"; do
        if ((++waited > 650)); then
            say "It did not end within 65 seconds: killing it"
            kill -KILL "$pid" 2>/dev/null || true
            waited=0
        fi
        sleep 0.1
    done
}
