"""Runs clang-tidy on the sources of framework, modules and apps, only on those that changed.

A source is clean until it, a project header that it includes, its flags or .clang-tidy change; what ninja
knows about includes decides, so the build directory has to be built first. Exits with 1 on findings.
"""

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time

TOOL = "clang-tidy-19"
FOLDERS = ("framework/", "modules/", "apps/")


def headers_of_objects(build):
    """Object file -> files it was compiled from, from ninja's log of dependencies."""
    text = subprocess.run(
        ["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True
    ).stdout
    headers = {}
    for block in text.split("\n\n"):
        first, *rest = block.lstrip("\n").split("\n")
        headers[first.split(": #deps")[0]] = [line.strip() for line in rest if line.strip()]
    return headers


def key_of(command, dependencies, root, build):
    """Changes with everything of the project that the verdict on one source depends on."""
    digest = hashlib.sha256()
    digest.update((root / ".clang-tidy").read_bytes())
    digest.update(re.sub(r"\s+", " ", command).encode())
    for name in sorted(set(dependencies)):
        path = (build / name).resolve()
        if path.is_relative_to(root):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def work_to_do(root, build, verdicts):
    """(source, key) of every source without a clean verdict, and how many there are in all."""
    headers = headers_of_objects(build)
    work, total = [], 0
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["file"])
        if not source.is_relative_to(root):
            continue
        name = str(source.relative_to(root))
        if not name.startswith(FOLDERS):
            continue
        total += 1
        output = re.search(r" -o (\S+)", entry["command"])[1]
        dependencies = [*headers.get(output, []), entry["file"]]
        key = key_of(entry["command"], dependencies, root, build)
        if not (verdicts / key).exists():
            work.append((name, key))
    return work, total


def tidy(name, build):
    started = time.monotonic()
    done = subprocess.run(
        [TOOL, "--quiet", "-p", build, name], capture_output=True, text=True, check=False
    )
    return done.returncode == 0, done.stdout.strip(), time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    root, build = pathlib.Path(".").resolve(), arguments.build.resolve()
    verdicts = build / "tidy"
    verdicts.mkdir(exist_ok=True)
    work, total = work_to_do(root, build, verdicts)
    print(f"{len(work)} of {total} sources to check, the others have not changed", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(tidy, name, build): (name, key) for name, key in work}
        for number, future in enumerate(concurrent.futures.as_completed(running), 1):
            name, key = running[future]
            clean, output, seconds = future.result()
            print(f"[{number}/{len(work)}] {name} ({seconds:.0f} s)", flush=True)
            if clean:
                (verdicts / key).touch()
            else:
                failed += 1
                print(output, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
