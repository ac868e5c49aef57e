"""What the runners share: command line, programs, medians, tables, gates."""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def say(sentence):
    print(sentence, file=sys.stderr, flush=True)


def parser(doc, seconds=None):
    """The options that every runner takes; with `seconds`, how long one run lasts unless told."""
    options = argparse.ArgumentParser(description=doc)
    options.add_argument("--build", default="build/release", type=pathlib.Path)
    options.add_argument("--rounds", default=5, type=int)
    options.add_argument("--rows", default="", help="a,b: only these")
    if seconds is not None:
        options.add_argument("--seconds", default=seconds, type=float,
                             help="how long one run lasts")
    options.add_argument("--json", default="", help="write every report of every round here")
    options.add_argument("--gate", action="store_true", help="leave with 1 when a must is missed")
    return options


def needs_two_cores():
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("this takes two cores, one for each side")


def find_built(build, name):
    """The executable called `name` below the build directory, or None."""
    for folder in ("tests/bench", "apps"):
        for path in sorted((build / folder).rglob(name)):
            if path.is_file() and os.access(path, os.X_OK):
                return path
    return None


def output_of(command):
    """The first line a command prints, or None when it cannot be run."""
    if shutil.which(command[0]) is None:
        return None
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (ran.stdout + ran.stderr).strip().splitlines()
    return lines[0] if ran.returncode == 0 and lines else None


def package_version(package):
    return output_of(["dpkg-query", "-W", "-f", "${Version}\n", package])


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release}


def favoured():
    """For `preexec_fn`: a process that neighbours' compilers do not push off its core.

    Needs root; without it the measurement is merely noisier. The autogroup counts where the kernel
    groups processes by session, and then the niceness inside the group does not.
    """
    try:
        os.setsid()
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        pathlib.Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        pass


def median(values):
    return statistics.median(values)


@dataclasses.dataclass
class Gate:
    """One "must": `ratio` of ours to theirs, whichever way up is better, against `least`.

    Without a unit the text says it all.
    """

    text: str
    ratio: float
    least: float
    unit: str = "x"

    @property
    def passed(self):
        return self.ratio >= self.least

    @property
    def measured(self):
        return f"{self.text}: {self.ratio:.2f}{self.unit}" if self.unit else self.text

    def __str__(self):
        return f"{'PASS' if self.passed else 'MISS'}  {self.measured}"


def number(value):
    if value is None:
        return "-"
    if value >= 100000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def print_table(header, rows):
    """Columns as wide as they need; the first is text, the others are right-aligned."""
    table = [header] + rows
    widths = [max(len(str(row[i])) for row in table) for i in range(len(header))]
    for row in table:
        cells = [str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip())


def print_heading(asked, more=""):
    where = machine()
    seconds = f" of {asked.seconds:g} s" if hasattr(asked, "seconds") else ""
    print(f"{where['cpu']}, {where['cores']} cores, Linux {where['kernel']}, {asked.rounds} "
          f"interleaved round(s){seconds}, medians; {more}only lines with PASS or MISS gate")


def print_gates(gates, target):
    for gate in gates:
        print(f"  {gate}")
    print(f"  target: {target}")


def chosen(rows, asked):
    """The rows called in `--rows a,b`, or all; ends with a sentence on a wrong name."""
    if not asked:
        return rows
    by_name = {row.name: row for row in rows}
    wrong = [name for name in asked.split(",") if name not in by_name]
    if wrong:
        sys.exit(f"there is no row {', '.join(wrong)}; there are {', '.join(by_name)}")
    return [by_name[name] for name in asked.split(",")]


def summary(verdicts):
    """Prints one line for each row and returns how many missed their must."""
    print("\nSummary")
    missed = 0
    for name, gates in verdicts:
        if not gates:
            print(f"  {name}: nothing to compare")
            continue
        bad = [gate for gate in gates if not gate.passed]
        missed += 1 if bad else 0
        print(f"  {name}: {'MISS' if bad else 'PASS'}"
              + "".join(f"; {gate.measured}" for gate in bad))
    return missed


def finish(asked, verdicts, measured):
    """Prints the summary, writes the file that was asked for, and gives the exit status."""
    missed = summary(verdicts)
    if asked.json:
        gates = {name: [dataclasses.asdict(gate) | {"passed": gate.passed} for gate in gates]
                 for name, gates in verdicts}
        content = {"machine": machine(), "rounds": asked.rounds} | measured | {"gates": gates}
        pathlib.Path(asked.json).write_text(json.dumps(content, indent=2) + "\n")
        say(f"written: {asked.json}")
    return 1 if asked.gate and missed else 0
