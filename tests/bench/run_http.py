#!/usr/bin/env python3
"""Measures GETs of a cached 100-byte value: the cache app beside raw epoll, nginx and redis.

Servers are pinned to core 0, the client (cohort-load) to core 1; every server runs once a round, in
turn. Only ratios within the same rounds are gated.
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

CLIENT_CORE = "1"


@dataclasses.dataclass
class Row:
    name: str
    what: str
    must: str
    reach: str
    pipeline: int = 1
    # Share of the server's own capacity that is offered in open loop; 0 is closed loop.
    load: float = 0
    # ("raw_epoll", 0.8): at least 0.8 times as good as raw epoll in the same rounds.
    gates: tuple = ()


ROWS = [
    Row("hit", "GET hit on its own node, 64 connections",
        ">= 0.80x raw epoll, >= 1.0x nginx, >= 0.9x redis", "0.90x raw epoll",
        gates=(("raw_epoll", 0.8), ("nginx", 1.0), ("redis", 0.9))),
    Row("hit_pipelined", "the same, 16 requests pipelined",
        ">= 0.7x raw epoll, >= 1.0x redis", "0.85x raw epoll", pipeline=16,
        gates=(("raw_epoll", 0.7), ("redis", 1.0))),
    Row("tails", "latency at 70 % of own capacity, open loop, both sides under chrt -f 1",
        "p99 <= 1.5x raw epoll, p99.9 <= 2 ms", "-", load=0.7,
        gates=(("raw_epoll", 1 / 1.5),)),
]


class Client:
    """Runs cohort-load against a server."""

    def __init__(self, program, seconds):
        self.program = program
        self.seconds = seconds

    def run(self, server, options, real_time=False):
        """What cohort-load reports, with the server's CPU beside it; None when it failed."""
        command = ["taskset", "-c", CLIENT_CORE, str(self.program), "--json",
                   "--connections", "64", "--seconds", str(self.seconds),
                   "--keys", str(server.keys), "--expect-key",
                   "--expect-bytes", str(http_servers.VALUE_BYTES)]
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
        return self.client.run(server, ["--spin", "--pipeline", str(row.pipeline)])

    def _tail(self, row, server):
        capacity = self.middle("hit", server.name, "ok_per_second")
        if capacity is None:
            report = self._closed(ROWS[0], server)
            if report is None:
                return None
            self.reports.setdefault(("hit", server.name), []).append(report)
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
        if not row.load:
            return self.middle(row.name, server, "ok_per_second")
        p99 = self.middle(row.name, server, "latency_us", "p99")
        return 1 / p99 if p99 else None


def gates_of(row, rounds):
    ours = rounds.quality(row, "cohort")
    if not ours:
        return []
    gates = []
    for peer, least in row.gates:
        theirs = rounds.quality(row, peer)
        if theirs and row.load:
            times = theirs / ours
            gates.append(Gate(f"p99 at most {1 / least:g}x {peer}'s, is {times:.2f}x; to spare",
                              1 / least / times, 1))
        elif theirs:
            gates.append(Gate(f">= {least:g}x {peer}", ours / theirs, least))
    wrong = sum(report["wrong"] for report in rounds.reports[(row.name, "cohort")])
    gates.append(Gate(f"every answer right ({wrong} wrong)", 1 if wrong == 0 else 0, 1, ""))
    return gates


def print_row(row, rounds, servers):
    print(f"\n{row.name}: {row.what}")
    raw = rounds.middle(row.name, "raw_epoll", "ok_per_second")
    table = []
    for server in servers:
        rate = rounds.middle(row.name, server.name, "ok_per_second")
        if rate is None:
            continue
        latencies = [number(rounds.middle(row.name, server.name, "latency_us", name))
                     for name in ("p50", "p99", "p99.9", "max")]
        cpu = rounds.middle(row.name, server.name, "server_cpu_us")
        table.append([server.name, number(rate), f"{rate / raw:.2f}x" if raw else "-",
                      *latencies, number(cpu)])
    bench_common.print_table(["", "right answers/s", "to raw", "p50 us", "p99 us", "p99.9 us",
                              "max us", "server CPU us"], table)
    gates = gates_of(row, rounds)
    bench_common.print_gates(gates, f"must {row.must}; reach {row.reach}")
    return gates


def measure(rows, servers, rounds, turns):
    for turn in range(turns):
        say(f"round {turn + 1} of {turns}")
        for row in rows:
            for server in servers:
                rounds.measure(row, server)


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
        wanted = http_servers.available(build, pathlib.Path(folder))
        servers = []
        try:
            for server in wanted:
                if server.start():
                    servers.append(server)
            measure(rows, servers, rounds, asked.rounds)
        finally:
            for server in servers:
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
