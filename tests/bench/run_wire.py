#!/usr/bin/env python3
"""Runs the wire rows: actors of two processes beside raw sockets, interleaved, round by round.

The serving process is pinned to core 0, the other to core 1. The rows beside bulk run on a link of
1 Gbit/s between two network namespaces, which only root can make.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import bench_common
import http_servers
from bench_common import Gate, median, number, say

IN_FLIGHT = "64"
ROWS = {
    "rpc": ("RPC of 100 B, 64 in flight", ">= 0.8x raw sockets", "0.9x"),
    "tell": ("one-way tell of 100 B", ">= 0.4x raw sockets, >= 3 M/s", "0.7x"),
    "tls_rpc": ("RPC under TLS 1.3", ">= 0.8x of plaintext", "0.9x"),
    "tls_tell": ("one-way tell under TLS 1.3", ">= 0.8x of plaintext", "0.9x"),
    "beside_bulk": ("round trips a millisecond apart beside 4 MiB every 100 ms on 1 Gbit/s",
                    "p99 <= 5 ms", "2 ms"),
}


@dataclasses.dataclass
class Side:
    """A program that serves, and the command that visits it."""
    name: str
    program: pathlib.Path
    extra: tuple = ()
    cohort: bool = True

    def serve_command(self, host, port):
        words = ["serve", host, str(port)] if self.cohort else ["serve", str(port)]
        return [str(self.program), *words, *self.extra]

    def visit_command(self, row, host, port, seconds):
        words = [row, host, str(port)]
        if row == "rpc":
            words.append(IN_FLIGHT)
        return [str(self.program), *words, str(seconds), *self.extra]


class Served:
    """A serving process, in a network namespace when one is given."""

    def __init__(self, side, host, prefix=()):
        self.side = side
        self.host = host
        self.prefix = list(prefix)
        self.port = http_servers.free_port()
        self.process = subprocess.Popen(
            self.prefix + ["taskset", "-c", "0"] + side.serve_command(host, self.port),
            stdout=subprocess.DEVNULL, preexec_fn=bench_common.favoured)

    def visit(self, row, seconds, prefix=(), more=()):
        command = list(prefix) + ["taskset", "-c", "1"] + self.side.visit_command(
            row, self.host, self.port, seconds) + list(more)
        before = self.cpu_seconds()
        ran = subprocess.run(command, capture_output=True, text=True, check=False,
                             timeout=60 + seconds, preexec_fn=bench_common.favoured)
        if ran.returncode != 0 or not ran.stdout.strip():
            say(f"{self.side.name} {row} failed: {ran.stderr.strip()[-300:]}")
            return None
        report = json.loads(ran.stdout.strip().splitlines()[-1])
        report["server_cpu_us"] = (self.cpu_seconds() - before) * 1e6 / max(report["done"], 1)
        if report.get("failed"):
            say(f"{self.side.name} {row}: {report['failed']} of {report['done']} failed")
        return report

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        ticks = fields.split()
        return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Link:
    """Two network namespaces with a link of 1 Gbit/s between them."""

    NAMES = ("cohort-bench-a", "cohort-bench-b")

    def __enter__(self):
        for name in self.NAMES:
            self._ip("netns", "add", name)
        self._ip("link", "add", "cb0", "netns", self.NAMES[0], "type", "veth", "peer", "name",
                 "cb1", "netns", self.NAMES[1])
        for index, name in enumerate(self.NAMES):
            device = f"cb{index}"
            self._ip("-n", name, "addr", "add", f"10.77.0.{index + 1}/24", "dev", device)
            for each in (device, "lo"):
                self._ip("-n", name, "link", "set", each, "up")
            subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", device, "root", "tbf", "rate",
                            "1gbit", "burst", "128kb", "latency", "50ms"], check=True)
        return self

    def __exit__(self, *_):
        for name in self.NAMES:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    @staticmethod
    def _ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def inside(self, index):
        return ["ip", "netns", "exec", self.NAMES[index]]


def certificates(folder):
    """Certificates for both sides, made by the project's own command."""
    root = bench_common.HERE.parent.parent
    subprocess.run([str(root / "dev"), "--no-install", "certs", "--cluster", "cohort", "--out",
                    str(folder), "server", "client"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return ("--certs", str(folder))


def measure(asked, rows, programs, folder):
    reports = {}
    cohort, raw = programs
    secured = Side("cohort tls", cohort.program, certificates(folder)) \
        if any(row.startswith("tls") for row in rows) else None
    served = {side.name: Served(side, "127.0.0.1") for side in (cohort, raw, secured) if side}
    try:
        for turn in range(asked.rounds):
            say(f"round {turn + 1} of {asked.rounds}")
            for row in ("rpc", "tell"):
                names = ["cohort", "raw"] if row in rows or f"tls_{row}" in rows else []
                names += ["cohort tls"] if f"tls_{row}" in rows else []
                for name in names:
                    report = served[name].visit(row, asked.seconds)
                    if report:
                        key = f"tls_{row}" if name == "cohort tls" else row
                        reports.setdefault((key, name), []).append(report)
    finally:
        for each in served.values():
            each.stop()
    if "beside_bulk" in rows:
        measure_bulk(asked, cohort, reports)
    return reports


def measure_bulk(asked, cohort, reports):
    if os.geteuid() != 0:
        say("beside_bulk is skipped: only root makes network namespaces")
        return
    with Link() as link:
        served = Served(cohort, "10.77.0.1", link.inside(0))
        try:
            for _ in range(asked.rounds):
                for name, more in (("alone", ()), ("beside 4 MiB", ("--bulk",))):
                    report = served.visit("beside_bulk", asked.seconds, link.inside(1), more)
                    if report:
                        reports.setdefault(("beside_bulk", name), []).append(report)
        finally:
            served.stop()


def middle(reports, row, name, what):
    found = reports.get((row, name))
    return median([report.get(what, 0) for report in found]) if found else None


def gates_of(row, reports):
    if row == "beside_bulk":
        p99 = middle(reports, row, "beside 4 MiB", "p99_us")
        return [] if p99 is None else [Gate(f"p99 {p99 / 1000:.2f} ms, at most 5", 5000 / p99, 1)]
    # Ratios within a round, then their median.
    ours = reports.get((row, "cohort tls" if row.startswith("tls") else "cohort"), [])
    base = row.removeprefix("tls_")
    theirs = reports.get((base, "cohort" if row.startswith("tls") else "raw"), [])
    least = {"rpc": 0.8, "tell": 0.4}.get(row, 0.8)
    if not ours or not theirs:
        return []
    ratio = median([a["per_second"] / b["per_second"] for a, b in zip(ours, theirs)])
    against = "plaintext" if row.startswith("tls") else "raw sockets"
    failed = sum(report.get("failed", 0) for report in ours)
    return [Gate(f">= {least:g}x {against}", ratio, least),
            Gate(f"nothing failed ({failed} did)", 1 if failed == 0 else 0, 1, "")]


def print_row(row, reports):
    what, must, reach = ROWS[row]
    print(f"\n{row}: {what}")
    names = [name for each, name in reports if each == row]
    if row.startswith("tls"):
        names.append("cohort")
    table = []
    for name in names:
        of = row.removeprefix("tls_") if name == "cohort" else row
        table.append([name] + [number(middle(reports, of, name, key)) for key in
                               ("per_second", "cpu_us", "server_cpu_us", "p50_us", "p99_us")])
    bench_common.print_table(["", "per second", "CPU us", "server CPU us", "p50 us", "p99 us"],
                             table)
    gates = gates_of(row, reports)
    for gate in gates:
        print(f"  {gate}")
    print(f"  target: must {must}; reach {reach}")
    return gates


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", type=pathlib.Path)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--rows", default="", help="a,b: only these")
    parser.add_argument("--seconds", default=1, type=float, help="how long one run lasts")
    parser.add_argument("--json", default="", help="write every report of every round here")
    parser.add_argument("--gate", action="store_true", help="leave with 1 when a must is missed")
    return parser.parse_args()


def main():
    asked = parse()
    rows = asked.rows.split(",") if asked.rows else list(ROWS)
    if wrong := [row for row in rows if row not in ROWS]:
        sys.exit(f"there is no row {', '.join(wrong)}; there are {', '.join(ROWS)}")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("this takes two cores, one for each side")
    programs = []
    for name, program in (("cohort", "cohort-bench-wire"), ("raw", "bench-raw-wire")):
        path = bench_common.find_built(asked.build.resolve(), program)
        if path is None:
            sys.exit(f"{program} is not built: configure with -DCOHORT_BUILD_BENCH=ON")
        programs.append(Side(name, path, cohort=name == "cohort"))
    with tempfile.TemporaryDirectory(prefix="cohort-bench-") as folder:
        reports = measure(asked, rows, programs, pathlib.Path(folder))
    where = bench_common.machine()
    print(f"{where['cpu']}, {where['cores']} cores, Linux {where['kernel']}, {asked.rounds} "
          f"interleaved round(s) of {asked.seconds:g} s, medians; only lines with PASS or MISS gate")
    verdicts = [(row, print_row(row, reports)) for row in rows]
    missed = bench_common.summary(verdicts)
    bench_common.write_json(asked.json, {
        "machine": where, "rounds": asked.rounds,
        "reports": {f"{row} {name}": each for (row, name), each in reports.items()},
        "gates": {name: [dataclasses.asdict(gate) | {"passed": gate.passed} for gate in gates]
                  for name, gates in verdicts},
    })
    return 1 if asked.gate and missed else 0


if __name__ == "__main__":
    sys.exit(main())
