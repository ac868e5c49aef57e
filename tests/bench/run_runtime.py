#!/usr/bin/env python3
"""Runs the actor rows: Cohort, its peers and the machine's limits, interleaved, round by round.

Only ratios within the same rounds are gated; nanoseconds are printed beside them.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys

import bench_common
from bench_common import Gate, median, number, say

PEERS = ("caf", "erlang", "go")


@dataclasses.dataclass
class Row:
    name: str
    what: str
    must: str
    reach: float
    unit: str = "ns"
    cores: int = 1
    peers: tuple = PEERS
    limit: str = ""
    # ("caf", 8) cohort at least 8 times as good as CAF; ("best", 4) as the best peer of all;
    # ("limit", 3) at most 3 times the limit; ("most", 256) at most 256 of the row's unit.
    gates: tuple = ()
    peer_cores: bool = True
    once: bool = False


# Where the target is in nanoseconds, the ratio is what they were to the peer on one quiet machine.
ROWS = [
    Row("receive", "receive of a queued message", "<= 5 ns", 2, peers=("asio",),
        gates=(("asio", 3.5),)),
    Row("ping_pong", "ping-pong round trip, same core", "<= 45 ns", 25,
        gates=(("caf", 8), ("erlang", 5), ("best", 4))),
    Row("pipelined", "pipelined 1:1, per message", "<= 20 ns", 11,
        gates=(("caf", 8), ("erlang", 5), ("best", 1.7))),
    Row("fan_in", "fan-in 100:1, per message", "<= 25 ns", 12, gates=(("best", 1),)),
    Row("ring", "ring of 1,000, per hop", "<= 30 ns", 13,
        gates=(("caf", 8), ("erlang", 5), ("best", 4))),
    Row("ask", "ask with a 5 s deadline, round trip", "<= 60 ns", 25,
        gates=(("caf", 8), ("erlang", 5), ("best", 1))),
    Row("cross_ping_pong", "cross-core round trip", "<= 3x the cache line", 2, cores=2, peers=(),
        limit="cache_line", gates=(("limit", 3),)),
    Row("cross_pipelined", "cross-core pipelined, per message", "<= 4x a bare ring", 2, cores=2,
        peers=(), limit="spsc", gates=(("limit", 4),)),
    Row("spawn", "spawn, one message, exit", "<= 250 ns", 100, gates=(("go", 5), ("best", 1))),
    Row("skynet", "skynet, 1,111,111 actors, per actor", "<= 250 ns", 100,
        gates=(("best", 2.3),)),
    Row("idle_memory", "memory of an idle actor, 1,000,000 parked", "<= 256 bytes", 208,
        unit="bytes", gates=(("most", 256),), peer_cores=False, once=True),
    Row("idle_cpu", "CPU of an idle process, 10 s without traffic", "<= 20 ms", 20, unit="ms",
        peers=(), gates=(("most", 20),), once=True),
]
# Printed beside the rows, so that a reader knows what the machine was like in these rounds.
LIMITS = ("lock_xchg", "malloc_free", "clock_read", "epoll_wait", "cache_line", "spsc", "spsc_32")


class Programs:
    """The command of each program, for the ones that can run here."""

    def __init__(self, build):
        self.commands = {}
        self.versions = {}
        self._built("cohort", build, "cohort-bench-runtime", None)
        self._built("limit", build, "bench-limits", None)
        self._built("asio", build, "bench-asio", "libboost1.81-dev")
        self._built("caf", build, "bench-caf", "libcaf-dev")
        compiled = build / "tests" / "bench"
        compiled.mkdir(parents=True, exist_ok=True)
        self._go(compiled)
        self._erlang(compiled)

    def _built(self, peer, build, name, package):
        path = bench_common.find_built(build, name)
        if path is None:
            say(f"{peer} is skipped: {name} is not built"
                + (f" (Debian: {package})" if package else ""))
            return
        self.commands[peer] = lambda row, cores: [str(path), row, "--cores", str(cores)]
        if package:
            self.versions[peer] = bench_common.package_version(package)

    def _go(self, compiled):
        # The distribution's Go: its version is known, whatever else stands on the PATH.
        go = next((path for path in ("/usr/lib/go-1.19/bin/go", "/usr/lib/go/bin/go")
                   if os.access(path, os.X_OK)), None)
        if go is None:
            say("go is skipped: it is not installed (Debian: golang-go)")
            return
        out = compiled / "bench-go"
        environment = dict(os.environ, GO111MODULE="off", GOTOOLCHAIN="local", GOFLAGS="",
                           GOROOT=str(pathlib.Path(go).resolve().parent.parent))
        source = bench_common.HERE / "peers" / "go" / "main.go"
        if not self._compile("go", [go, "build", "-o", str(out), str(source)], environment):
            return
        self.commands["go"] = lambda row, cores: [str(out), row, "--cores", str(cores)]
        self.versions["go"] = bench_common.output_of([go, "version"])

    def _erlang(self, compiled):
        if not (shutil.which("erl") and shutil.which("erlc")):
            say("erlang is skipped: it is not installed (Debian: erlang-base)")
            return
        source = bench_common.HERE / "peers" / "erlang" / "actor_bench.erl"
        if not self._compile("erlang", ["erlc", "-o", str(compiled), str(source)], None):
            return
        self.commands["erlang"] = lambda row, cores: [
            "erl", "-noshell", "+S", f"{cores}:{cores}", "+P", "4000000", "-pa", str(compiled),
            "-run", "actor_bench", "main", row, str(cores)]
        self.versions["erlang"] = bench_common.package_version("erlang-base")

    @staticmethod
    def _compile(peer, command, environment):
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            say(f"{peer} is skipped: its program does not compile: {ran.stderr.strip()}")
        return ran.returncode == 0

    def run(self, peer, row, cores):
        """The JSON line of one run, or None with a sentence about why there is none."""
        # A crash of Erlang's leaves no dump in the work tree.
        environment = dict(os.environ, ERL_CRASH_DUMP_BYTES="0")
        try:
            ran = subprocess.run(self.commands[peer](row, cores), env=environment,
                                 capture_output=True, text=True, timeout=180, check=False,
                                 preexec_fn=bench_common.favoured)
            if ran.returncode == 0:
                return json.loads(ran.stdout.strip().splitlines()[-1])
            problem = ran.stderr.strip().splitlines()[-1:] or [f"left with {ran.returncode}"]
            say(f"{peer} {row} on {cores} core(s) failed: {problem[0]}")
        except subprocess.TimeoutExpired:
            say(f"{peer} {row} on {cores} core(s) took over 180 s and was ended")
        except (json.JSONDecodeError, IndexError, OSError) as problem:
            say(f"{peer} {row} on {cores} core(s) printed no result: {problem}")
        return None


class Results:
    """Every line of every round, by row, peer and cores."""

    def __init__(self):
        self.lines = {}
        self.broken = set()

    def add(self, row, peer, cores, line):
        if line is None:
            self.broken.add((row, peer, cores))
        else:
            self.lines.setdefault((row, peer, cores), []).append(line)

    def value(self, row, peer, cores, field="value"):
        found = self.lines.get((row, peer, cores))
        return median([line[field] for line in found]) if found else None

    def best(self, row, peer):
        """The better of the medians on one and on more cores."""
        values = [self.value(name, who, cores) for (name, who, cores) in self.lines
                  if (name, who) == (row, peer)]
        return min(values) if values else None


def planned(row, programs, peer_cores):
    """(peer, row name, cores) of every run that one round of a row takes."""
    runs = [("cohort", row.name, row.cores)]
    for peer in row.peers:
        for cores in peer_cores if row.peer_cores and peer != "asio" else [1]:
            runs.append((peer, row.name, cores))
    if row.limit:
        runs.append(("limit", row.limit, 2))
    return [run for run in runs if run[0] in programs.commands]


def measure(rows, programs, rounds, peer_cores, results):
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        runs = []
        for row in rows:
            if turn == 0 or not row.once:
                runs += planned(row, programs, peer_cores)
        wanted = {run for run in runs if run[0] == "limit"}
        if "limit" in programs.commands:
            runs += [("limit", name, cores) for name in LIMITS
                     for cores in [2 if name in ("cache_line", "spsc", "spsc_32") else 1]
                     if ("limit", name, cores) not in wanted]
        for peer, name, cores in runs:
            if (name, peer, cores) not in results.broken:
                results.add(name, peer, cores, programs.run(peer, name, cores))


def gates_of(row, results):
    """The row's gates that can be judged with what was measured."""
    ours = results.value(row.name, "cohort", row.cores)
    if not ours:
        return []
    gates = []
    theirs = {peer: results.best(row.name, peer) for peer in row.peers}
    theirs = {peer: value for peer, value in theirs.items() if value}
    for against, least in row.gates:
        if against == "best" and theirs:
            peer = min(theirs, key=theirs.get)
            gates.append(Gate(f">= {least:g}x the best peer ({peer})", theirs[peer] / ours, least))
        elif against in theirs:
            gates.append(Gate(f">= {least:g}x {against}", theirs[against] / ours, least))
        elif against == "limit":
            floor = results.best(row.limit, "limit")
            if floor:
                gates.append(Gate(f"at most {least:g}x {row.limit}, which is {ours / floor:.2f}x; "
                                  "to spare", least * floor / ours, 1))
        elif against == "most":
            gates.append(Gate(f"at most {least:g} {row.unit}, is {ours:.1f}; to spare",
                              least / ours, 1))
    return gates


def print_row(row, results):
    print(f"\n{row.name}: {row.what} ({row.unit})")
    ours = results.value(row.name, "cohort", row.cores)
    table = []
    for (name, peer, cores), lines in sorted(results.lines.items(), key=lambda item: item[0][1:]):
        if name != row.name and not (peer == "limit" and name == row.limit):
            continue
        values = [line["value"] for line in lines]
        middle = median(values)
        label = f"limit {name}" if peer == "limit" else f"{peer}, {cores} core(s)"
        ratio = "" if peer == "cohort" or not ours else f"{middle / ours:.2f}x"
        table.append([label, number(middle), number(min(values)), number(max(values)),
                      number(median([line["cpu_ns"] for line in lines])), ratio])
    bench_common.print_table(["", "median", "least", "most", "CPU ns", "to cohort"], table)
    gates = gates_of(row, results)
    target = f"must {row.must}"
    if ours:
        reached = ours <= row.reach
        if row.limit:
            floor = results.best(row.limit, "limit")
            reached = floor is not None and ours <= row.reach * floor
        unit = "x the limit" if row.limit else f" {row.unit}"
        target += f"; reach {row.reach:g}{unit}: {'reached' if reached else 'not reached'}"
    bench_common.print_gates(gates, target)
    return gates


def main():
    options = bench_common.parser(__doc__)
    options.add_argument("--peer-cores", default="1,2", help="how many cores the peers run with")
    asked = options.parse_args()
    rows = bench_common.chosen(ROWS, asked.rows)
    cores_here = len(os.sched_getaffinity(0))
    peer_cores = [cores for cores in map(int, asked.peer_cores.split(",")) if cores <= cores_here]
    programs = Programs(asked.build.resolve())
    results = Results()
    measure(rows, programs, asked.rounds, peer_cores, results)

    bench_common.print_heading(asked)
    for peer, version in programs.versions.items():
        print(f"  {peer}: {version}")
    print("  limits (ns): " + ", ".join(
        f"{name} {number(results.best(name, 'limit'))}" for name in LIMITS))
    verdicts = [(row.name, print_row(row, results)) for row in rows]
    return bench_common.finish(asked, verdicts, {
        "versions": programs.versions,
        "lines": [line for lines in results.lines.values() for line in lines],
    })


if __name__ == "__main__":
    sys.exit(main())
