#!/usr/bin/env python3
"""Runs the wire rows: actors of two processes beside raw sockets, interleaved, round by round.

The serving process is pinned to core 0, the other to core 1. The codec's rows have a peer instead.
The rows beside bulk run on a link of 1 Gbit/s between two network namespaces, which only root can
make.
"""

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


@dataclasses.dataclass
class Row:
    """One program's run beside another's; `least` is the ratio that must be reached. `plain` are
    the same two without TLS, of which it says what TLS leaves."""
    name: str
    what: str
    must: str
    reach: str
    run: str = ""
    ours: str = "cohort"
    theirs: str = "raw"
    least: float = 0.8
    plain: tuple = ()

    @property
    def is_codec(self):
        return self.theirs == "protobuf"

    @property
    def names(self):
        return self.ours, self.theirs, *self.plain


# Where the target is in nanoseconds, the ratio is what they were to the peer on one quiet machine.
ROWS = [
    Row("rpc", "RPC of 100 B, 64 in flight", ">= 0.8x raw sockets", "0.9x", "rpc"),
    Row("tell", "one-way tell of 100 B", ">= 0.4x raw sockets, >= 3 M/s", "0.7x", "tell",
        least=0.4),
    # The target says 0.8x of plaintext, which raw sockets do not reach with Debian 12's OpenSSL.
    Row("tls_rpc", "RPC under TLS 1.3", ">= 0.8x raw sockets under TLS", "0.9x of plaintext", "rpc",
        "cohort tls", "raw tls", plain=("cohort", "raw")),
    Row("tls_tell", "one-way tell under TLS 1.3", ">= 0.4x raw sockets under TLS",
        "0.9x of plaintext", "tell", "cohort tls", "raw tls", least=0.4, plain=("cohort", "raw")),
    Row("encode", "encoding a message of 100 B", "<= 20 ns", "8 ns", "encode",
        theirs="protobuf", least=2),
    Row("decode", "decoding a message of 100 B", "<= 50 ns", "17 ns", "decode",
        theirs="protobuf", least=1.34),
    Row("beside_bulk", "round trips a millisecond apart beside 4 MiB every 100 ms on 1 Gbit/s",
        "p99 <= 5 ms", "2 ms"),
]


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

    def run(self, row, seconds, prefix=(), more=()):
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


class Alone:
    """A program that needs no other: it prints what a row took."""

    def __init__(self, program):
        self.program = program

    def run(self, row, _seconds):
        ran = subprocess.run(["taskset", "-c", "1", str(self.program), row], capture_output=True,
                             text=True, check=False, preexec_fn=bench_common.favoured)
        if ran.returncode != 0 or not ran.stdout.strip():
            say(f"{self.program.name} {row} failed: {ran.stderr.strip()[-300:]}")
            return None
        report = json.loads(ran.stdout.strip().splitlines()[-1])
        return report | {"per_second": 1e9 / report["value"]}

    def stop(self):
        pass


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


def start(rows, programs, folder):
    """What runs in every round, by name."""
    runs = {row.run for row in rows}
    sides = [Side("cohort", programs["cohort-bench-wire"]),
             Side("raw", programs["bench-raw-wire"], cohort=False)]
    if any(row.ours == "cohort tls" for row in rows):
        certs = certificates(folder)
        sides.append(Side("cohort tls", programs["cohort-bench-wire"], certs))
        sides.append(Side("raw tls", programs["bench-raw-wire"], certs, cohort=False))
    started = {}
    if runs & {"rpc", "tell"}:
        started |= {side.name: Served(side, "127.0.0.1") for side in sides}
    if programs["bench-protobuf"] is None:
        say("protobuf is missing: the codec is measured without it")
    else:
        started["protobuf"] = Alone(programs["bench-protobuf"])
    return started


def measure(asked, rows, programs, folder):
    reports = {}
    codec = Alone(programs["cohort-bench-codec"])
    started = start(rows, programs, folder)
    # A run that two rows compare is made once a round; what is compared runs close together.
    runs = list(dict.fromkeys(row.run for row in rows if row.run))
    wanted = sorted(dict.fromkeys((row.run, name, row.is_codec) for row in rows if row.run
                                  for name in reversed(row.names)),
                    key=lambda each: runs.index(each[0]))
    try:
        for turn in range(asked.rounds):
            say(f"round {turn + 1} of {asked.rounds}")
            for run, name, is_codec in wanted:
                program = codec if is_codec and name == "cohort" else started.get(name)
                report = program.run(run, asked.seconds) if program else None
                if report:
                    reports.setdefault((run, name), []).append(report)
    finally:
        for each in started.values():
            each.stop()
    if any(row.name == "beside_bulk" for row in rows):
        measure_bulk(asked, Side("cohort", programs["cohort-bench-wire"]), reports)
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
                    report = served.run("beside_bulk", asked.seconds, link.inside(1), more)
                    if report:
                        reports.setdefault(("beside_bulk", name), []).append(report)
        finally:
            served.stop()


def middle(reports, run, name, what):
    found = reports.get((run, name))
    return median([report.get(what, 0) for report in found]) if found else None


def ratio_of(reports, run, ours, theirs):
    """Of ratios within a round, their median; None where one of both did not run."""
    pairs = zip(reports.get((run, ours), []), reports.get((run, theirs), []))
    ratios = [a["per_second"] / b["per_second"] for a, b in pairs]
    return median(ratios) if ratios else None


def gates_of(row, reports):
    if row.name == "beside_bulk":
        p99 = middle(reports, row.name, "beside 4 MiB", "p99_us")
        return [] if p99 is None else [Gate(f"p99 {p99 / 1000:.2f} ms, at most 5", 5000 / p99, 1)]
    ratio = ratio_of(reports, row.run, row.ours, row.theirs)
    if ratio is None:
        return []
    against = {"raw": "raw sockets", "raw tls": "raw sockets under TLS"}.get(row.theirs, row.theirs)
    gates = [Gate(f">= {row.least:g}x {against}", ratio, row.least)]
    if not row.is_codec:
        failed = sum(report["failed"] for report in reports[row.run, row.ours])
        gates.append(Gate(f"nothing failed ({failed} did)", 1 if failed == 0 else 0, 1, ""))
    return gates


COLUMNS = {"per second": "per_second", "CPU us": "cpu_us", "server CPU us": "server_cpu_us",
           "p50 us": "p50_us", "p99 us": "p99_us"}
CODEC_COLUMNS = {"ns": "value", "CPU ns": "cpu_ns"}


def print_row(row, reports):
    print(f"\n{row.name}: {row.what}")
    columns = CODEC_COLUMNS if row.is_codec else COLUMNS
    run, names = (row.run, row.names) if row.run else \
        (row.name, ("alone", "beside 4 MiB"))
    bench_common.print_table(["", *columns], [
        [name] + [number(middle(reports, run, name, key)) for key in columns.values()]
        for name in names if (run, name) in reports])
    for secured, plain in zip((row.ours, row.theirs), row.plain):
        kept = ratio_of(reports, run, secured, plain)
        if kept is not None:
            print(f"  {secured} is {kept:.2f}x {plain}")
    gates = gates_of(row, reports)
    bench_common.print_gates(gates, f"must {row.must}; reach {row.reach}")
    return gates


def main():
    asked = bench_common.parser(__doc__, seconds=1).parse_args()
    rows = bench_common.chosen(ROWS, asked.rows)
    bench_common.needs_two_cores()
    programs = {}
    for name in ("cohort-bench-wire", "bench-raw-wire", "cohort-bench-codec", "bench-protobuf"):
        programs[name] = bench_common.find_built(asked.build.resolve(), name)
        if programs[name] is None and name != "bench-protobuf":
            sys.exit(f"{name} is not built: configure with -DCOHORT_BUILD_BENCH=ON")
    with tempfile.TemporaryDirectory(prefix="cohort-bench-") as folder:
        reports = measure(asked, rows, programs, pathlib.Path(folder))
    protobuf = bench_common.package_version("libprotobuf-dev")
    bench_common.print_heading(asked, f"protobuf {protobuf}; ")
    verdicts = [(row.name, print_row(row, reports)) for row in rows]
    return bench_common.finish(asked, verdicts, {
        "reports": {f"{run} {name}": each for (run, name), each in reports.items()}})


if __name__ == "__main__":
    sys.exit(main())
