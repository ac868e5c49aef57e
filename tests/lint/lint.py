"""Lints that a compiler cannot do: the seam to the world, the floors of the house, sizes.

Reads file names (relative to --root) from standard input, prints one line for each finding, and exits
with 1 when there is any.
"""

import argparse
import pathlib
import re
import sys

HEADER_LINES_MAX = 400
SOURCE_LINES_MAX = 800
COLUMNS_MAX = 100

# Floors of the framework, lowest first: a room includes itself and what is below it.
FRAMEWORK = ["world", "runtime", "task", "actor", "testkit"]
# What a module may include besides itself and the framework without its testkit.
MODULES = {
    "discovery": [],
    "tls": [],
    "remoting": ["discovery", "tls"],
    "cluster": ["discovery", "tls", "remoting"],
    "sharding": ["discovery", "tls", "remoting", "cluster"],
    "http": [],
    "cluster_routes": ["discovery", "tls", "remoting", "cluster", "http"],
    "management": ["http"],
}
# Linked privately, so a consumer may not have them: no business of a public header.
PRIVATE_LIBRARIES = r"<(simdjson|spdlog/|fmt/|sqlite3|libpq)"

# Everything that reaches the world without asking the seam.
SEAM = {
    "steady_clock::now": r"steady_clock::now",
    "system_clock::now": r"system_clock::now",
    "high_resolution_clock::now": r"high_resolution_clock::now",
    "clock_gettime": r"\bclock_gettime\b",
    "gettimeofday": r"\bgettimeofday\b",
    "time(nullptr)": r"\btime\((nullptr|NULL|0)\)",
    "std::random_device": r"\brandom_device\b",
    "rand(": r"(?<!\w)s?rand\(",
    "std::thread": r"std::j?thread\b",
    "std::async": r"std::async\b",
    "pthread_create": r"\bpthread_create\b",
    "sleep": r"\b(this_thread::sleep_\w+|usleep|nanosleep)\b",
    "::socket(": r"(?<![\w>])::socket\(",
    "getenv(": r"\bgetenv\(",
}
SEAM_FOLDERS = ("framework/", "modules/", "apps/")
SEAM_REAL_BACKEND = "framework/cohort/world/asio_"
SEAM_ALLOWED = "tests/lint/seam_allowed.txt"

# Comments and the insides of string literals, so that talking about a thing is not doing it.
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def lint_sizes(name, text):
    lines = text.split("\n")
    limit = HEADER_LINES_MAX if name.endswith(".hpp") else SOURCE_LINES_MAX
    if len(lines) - 1 > limit:
        yield 1, f"has {len(lines) - 1} lines; the limit is {limit}: split it by idea"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX and not line.startswith(("#error", "#include")):
            if "http" not in line:
                yield number, f"has {len(line)} columns; the limit is {COLUMNS_MAX}"


def lint_seam(name, code, allowed, used):
    if not name.startswith(SEAM_FOLDERS) or name.startswith(SEAM_REAL_BACKEND):
        return
    for number, line in enumerate(code.split("\n"), 1):
        for label, pattern in SEAM.items():
            if not re.search(pattern, line):
                continue
            if (name, label) in allowed:
                used.add((name, label))
            else:
                yield number, (
                    f"uses {label} directly: go through the world, or give the reason in {SEAM_ALLOWED}"
                )


def read_allowed(root):
    """Lines of `path label: reason`."""
    allowed, findings = {}, []
    file = root / SEAM_ALLOWED
    for number, line in enumerate(file.read_text().splitlines() if file.exists() else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\S+) (.+?): +(\S.*)", line)
        if not match or match[2] not in SEAM:
            findings.append((SEAM_ALLOWED, number, "is not `path label: reason` with a known label"))
        else:
            allowed[match[1], match[2]] = number
    return allowed, findings


def place_of(name):
    """(part, room) of a file: ("framework", "actor"), ("modules", "http"), ("apps", None)."""
    match = re.match(r"(framework|modules)/cohort/(\w+)/", name)
    if match:
        return match[1], match[2]
    return ("apps", None) if name.startswith("apps/") else (None, None)


def lint_include(part, room, target, private):
    """Why a file at (part, room) may not include <cohort/target/...>, or None."""
    if part == "framework":
        if target not in FRAMEWORK:
            return f"the framework knows nothing of the module {target}"
        if room in FRAMEWORK and FRAMEWORK.index(target) > FRAMEWORK.index(room):
            return f"{target} is above {room}, and includes point down"
    elif part == "modules":
        below = MODULES.get(room, []) + [room] + FRAMEWORK[:-1]
        if target not in below:
            return f"{target} is not below the module {room}"
    elif target == "testkit":
        return "an app does not ship the testkit"
    if private and (part, target) != (part, room):
        return f"the detail of {target} is its own"
    return None


def lint_floors(name, text):
    part, room = place_of(name)
    if part is None:
        return
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        kind, path = match.groups()
        if kind == '"' and (part != "apps" or ".." in path or path.startswith("cohort/")):
            yield number, f'includes "{path}": write <cohort/...>'
        public = name.endswith(".hpp") and part != "apps" and "/detail/" not in name
        if public and re.match(PRIVATE_LIBRARIES, f"<{path}>"):
            yield number, f"includes <{path}> in a public header: consumers may not have it"
        target = re.match(r"cohort/(\w+)/", path)
        if target:
            why = lint_include(part, room, target[1], "/detail/" in path)
            if why:
                yield number, f"includes <{path}>: {why}"


def lint(root, names):
    allowed, findings = read_allowed(root)
    used = set()
    for name in names:
        text = (root / name).read_text(errors="replace")
        code = NOT_CODE.sub(blank, text)
        for check in (lint_sizes(name, text), lint_floors(name, text)):
            findings += [(name, number, why) for number, why in check]
        findings += [(name, number, why) for number, why in lint_seam(name, code, allowed, used)]
    for entry, number in allowed.items():
        if entry not in used and entry[0] in names:
            findings.append((SEAM_ALLOWED, number, f"allows {entry[1]} in {entry[0]}, which has none"))
        elif entry[0] not in names:
            findings.append((SEAM_ALLOWED, number, f"names {entry[0]}, which does not exist"))
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path("."))
    root = parser.parse_args().root
    findings = lint(root, [line.strip() for line in sys.stdin if line.strip()])
    for name, number, why in findings:
        print(f"{name}:{number}: {why}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
