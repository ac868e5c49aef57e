#!/usr/bin/env python3
"""Measures GETs of a 100-byte value: the cache app beside raw epoll, nginx and redis, and its own
hits beside hits on another node and misses.

Servers are pinned to core 0, the client (cohort-load) to core 1; every server runs once a round, in
turn. Two nodes share core 0, so that what a hit on another node costs both of them is in its rate;
for the tails of such hits the node that is not asked runs beside the client. Only ratios within the
same rounds are gated, and tails.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import bench_common
import http_servers
from bench_common import Gate, median, number, say


@dataclasses.dataclass
class Row:
    name: str
    what: str
    must: str
    reach: str
    servers: tuple = ("cohort", "raw_epoll", "nginx", "redis")
    pipeline: int = 1
    connections: int = 64
    # Share of the server's own capacity that is offered in open loop; 0 is closed loop.
    load: float = 0
    capacity: str = "hit"  # the row that says what that is
    by_p50: bool = False   # what is compared is the median latency, not the rate
    # ("raw_epoll", 0.8): at least 0.8 times as good as raw epoll in the same rounds.
    gates: tuple = ()
    # ("p99", 1000): at most so many microseconds.
    limits: tuple = ()

    @property
    def ours(self):
        """The server that is judged."""
        return "cohort" if "cohort" in self.servers else self.servers[-1]


ROWS = [
    Row("hit", "GET hit on its own node, 64 connections",
        ">= 0.80x raw epoll, >= 1.0x nginx, >= 0.9x redis", "0.90x raw epoll",
        gates=(("raw_epoll", 0.8), ("nginx", 1.0), ("redis", 0.9))),
    Row("hit_pipelined", "the same, 16 requests pipelined",
        ">= 0.7x raw epoll, >= 1.0x redis", "0.85x raw epoll", pipeline=16,
        gates=(("raw_epoll", 0.7), ("redis", 1.0))),
    Row("tails", "latency at 70 % of own capacity, open loop, both sides under chrt -f 1",
        "p99 <= 1.5x raw epoll, p99.9 <= 2 ms", "-", load=0.7,
        gates=(("raw_epoll", 1 / 1.5),), limits=(("p99.9", 2000),)),
    Row("other", "GET hit on another node, 64 connections; both nodes on the server's core",
        ">= 0.75x own hit", "0.9x", servers=("own", "other"), gates=(("own", 0.75),)),
    Row("other_one", "the same, one connection", "p50 <= 2x own hit", "-",
        servers=("own", "other"), connections=1, by_p50=True, gates=(("own", 1 / 2),)),
    Row("other_tails", "hit on another node at 70 % of own capacity, open loop, chrt -f 1",
        "p99 <= 1 ms, p99.9 <= 2 ms", "-", servers=("other",), load=0.7, capacity="other",
        limits=(("p99", 1000), ("p99.9", 2000))),
    Row("miss", "read-through miss (SQLite), 64 connections", ">= 0.5x own hit", "0.65x",
        servers=("cached", "missed"), gates=(("cached", 0.5),)),
    Row("miss_tails", "miss at 70 % of own capacity, open loop, chrt -f 1",
        "p99 <= 1 ms, p99.9 <= 2 ms", "-", servers=("missed",), load=0.7, capacity="miss",
        limits=(("p99", 1000), ("p99.9", 2000))),
]
BY_NAME = {row.name: row for row in ROWS}


class Client:
    """Runs cohort-load against a server."""

    def __init__(self, program, seconds):
        self.program = program
        self.seconds = seconds

    def run(self, server, options, real_time=False):
        """What cohort-load reports, with the server's CPU beside it; None when it failed."""
        command = ["taskset", "-c", http_servers.CLIENT_CORE, str(self.program), "--json",
                   "--seconds", str(self.seconds), "--keys", str(server.keys), "--expect-key",
                   "--expect-bytes", str(http_servers.VALUE_BYTES), *server.key_options]
        if real_time:
            command = ["chrt", "-f", "1"] + command
        if server.resp:
            command.append("--resp")
        before = server.cpu_seconds()
        ran = subprocess.run(command + options + [f"127.0.0.1:{server.port}"],
                             capture_output=True, text=True, check=False,
                             preexec_fn=bench_common.favoured)
        cpu = server.cpu_seconds() - before
        try:
            report = json.loads(ran.stdout)
        except json.JSONDecodeError:
            say(f"{server.name}: the client failed: {ran.stderr.strip()}")
            return None
        if report["answered"] == 0:
            say(f"{server.name}: no request was answered: {ran.stderr.strip()}")
            return None
        report["server_cpu_us"] = cpu * 1e6 / report["answered"]
        report["wrong"] = self._wrong(report)
        if report["wrong"]:
            say(f"{server.name}: {report['wrong']} requests went wrong: statuses "
                f"{report['statuses']}, {report['mismatched']} mismatched, "
                f"{report['broken']} broken, {report['lost']} lost, "
                f"{report['unfinished']} unfinished")
        return report

    @staticmethod
    def _wrong(report):
        other = sum(count for status, count in report["statuses"].items() if status != "200")
        return (other + report["mismatched"] + report["broken"] + report["lost"]
                + report["unfinished"])


class Rounds:
    """The reports of all rounds, by row and server."""

    def __init__(self, client, real_time):
        self.client = client
        self.real_time = real_time
        self.reports = {}

    def measure(self, row, server):
        report = self._tail(row, server) if row.load else self._closed(row, server)
        if report is not None:
            self.reports.setdefault((row.name, server.name), []).append(report)

    def _closed(self, row, server):
        spin = ["--spin"] if row.connections > 1 else []
        return self.client.run(server, [*spin, "--connections", str(row.connections),
                                        "--pipeline", str(row.pipeline)])

    def _tail(self, row, server):
        capacity = self.middle(row.capacity, server.name, "ok_per_second")
        if capacity is None:
            report = self._closed(BY_NAME[row.capacity], server)
            if report is None:
                return None
            self.reports.setdefault((row.capacity, server.name), []).append(report)
            capacity = report["ok_per_second"]
        rate = max(1, capacity * row.load)
        if self.real_time and not server.set_real_time(True):
            say("this system refuses chrt -f 1: tails are measured without it")
            self.real_time = False
        try:
            return self.client.run(server, ["--rate", str(rate)], self.real_time)
        finally:
            if self.real_time:
                server.set_real_time(False)

    def middle(self, row, server, *path):
        """The median over the rounds of one number in the reports."""
        found = self.reports.get((row, server))
        if not found:
            return None
        values = []
        for report in found:
            for name in path:
                report = report[name]
            values.append(report)
        return median(values)

    def quality(self, row, server):
        """What the gates compare: more is better."""
        if not row.load and not row.by_p50:
            return self.middle(row.name, server, "ok_per_second")
        latency = self.middle(row.name, server, "latency_us", "p99" if row.load else "p50")
        return 1 / latency if latency else None


def gates_of(row, rounds):
    ours = rounds.quality(row, row.ours)
    if not ours:
        return []
    gates = []
    for peer, least in row.gates:
        theirs = rounds.quality(row, peer)
        if theirs and (row.load or row.by_p50):
            times = theirs / ours
            name = "p99" if row.load else "p50"
            gates.append(Gate(f"{name} at most {1 / least:g}x {peer}'s, is {times:.2f}x; to spare",
                              1 / least / times, 1))
        elif theirs:
            gates.append(Gate(f">= {least:g}x {peer}", ours / theirs, least))
    for name, most in row.limits:
        is_now = rounds.middle(row.name, row.ours, "latency_us", name)
        gates.append(Gate(f"{name} at most {most} us, is {is_now:.0f} us",
                          1 if is_now <= most else 0, 1, ""))
    wrong = sum(report["wrong"] for report in rounds.reports[(row.name, row.ours)])
    gates.append(Gate(f"every answer right ({wrong} wrong)", 1 if wrong == 0 else 0, 1, ""))
    return gates


def print_row(row, rounds, servers):
    print(f"\n{row.name}: {row.what}")
    first = next((name for name in ("raw_epoll", *row.servers) if name in row.servers), None)
    raw = rounds.middle(row.name, first, "ok_per_second")
    table = []
    for server in of_row(row, servers):
        rate = rounds.middle(row.name, server.name, "ok_per_second")
        if rate is None:
            continue
        latencies = [number(rounds.middle(row.name, server.name, "latency_us", name))
                     for name in ("p50", "p99", "p99.9", "max")]
        cpu = rounds.middle(row.name, server.name, "server_cpu_us")
        table.append([server.name, number(rate), f"{rate / raw:.2f}x" if raw else "-",
                      *latencies, number(cpu)])
    bench_common.print_table(["", "right answers/s", f"to {first}", "p50 us", "p99 us", "p99.9 us",
                              "max us", "server CPU us"], table)
    gates = gates_of(row, rounds)
    bench_common.print_gates(gates, f"must {row.must}; reach {row.reach}")
    return gates


def of_row(row, servers):
    return [server for server in servers if server.name in row.servers]


def measure(rows, servers, rounds, turns):
    for turn in range(turns):
        say(f"round {turn + 1} of {turns}")
        for row in rows:
            for server in of_row(row, servers):
                rounds.measure(row, server)


def views(server):
    """A server, and the same one asked for other keys."""
    if isinstance(server, http_servers.Pair):
        return [server, server.other()]
    if isinstance(server, http_servers.ColdCohort):
        return [server, server.missed()]
    return [server]


def main():
    options = bench_common.parser(__doc__, seconds=2)
    options.add_argument("--no-chrt", action="store_true", help="tails without SCHED_FIFO")
    asked = options.parse_args()
    rows = bench_common.chosen(ROWS, asked.rows)
    build = asked.build.resolve()
    client = bench_common.find_built(build, "cohort-load")
    if client is None:
        sys.exit("cohort-load is not built: configure with -DCOHORT_BUILD_BENCH=ON")
    bench_common.needs_two_cores()
    rounds = Rounds(Client(client, asked.seconds),
                    not asked.no_chrt and shutil.which("chrt") is not None)
    with tempfile.TemporaryDirectory(prefix="cohort-bench-") as folder:
        # nginx' worker leaves root's rights and must still reach its files.
        os.chmod(folder, 0o755)
        needed = {name for row in rows for name in row.servers}
        wanted = [server for server in http_servers.available(build, pathlib.Path(folder))
                  if needed & {view.name for view in views(server)}]
        started = []
        try:
            for server in wanted:
                if server.start():
                    started.append(server)
            servers = [view for server in started for view in views(server)]
            measure(rows, servers, rounds, asked.rounds)
        finally:
            for server in started:
                server.stop()

    versions = {"nginx": bench_common.package_version("nginx-light"),
                "redis": bench_common.package_version("redis-server")}
    bench_common.print_heading(
        asked, f"nginx {versions['nginx']}, redis {versions['redis']}; tails "
        f"{'under' if rounds.real_time else 'without'} chrt -f 1; ")
    verdicts = [(row.name, print_row(row, rounds, servers)) for row in rows]
    return bench_common.finish(asked, verdicts, {
        "versions": versions,
        "reports": {f"{row} {server}": reports
                    for (row, server), reports in rounds.reports.items()},
    })


if __name__ == "__main__":
    sys.exit(main())
