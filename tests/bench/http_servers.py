"""The servers that run_http.py measures: how each is started, filled and stopped.

All of them serve the keys k0 ... with values of 100 bytes that begin with their key, so that the
client can tell an answer that belongs to another request.
"""

import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import bench_common
import cluster_nodes
from bench_common import say

KEYS = 1000
VALUE_BYTES = 100
READY_SECONDS = 20
CORE = "0"
CLIENT_CORE = "1"


def value_of(key):
    return (key + ".").ljust(VALUE_BYTES, "v")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cohort_command(program, port, folder):
    """The one place that knows how the cache app is started."""
    return [str(program), "--port", str(port), "--origin", f"sqlite:{folder / 'origin.db'}"]


class Server:
    """A server process pinned to one core, and what the client must know about it."""

    resp = False
    keys = KEYS
    key_options = ()
    package = ""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.port = free_port()
        self.process = None
        self.policies = {}

    def command(self):
        raise NotImplementedError

    def fill(self):
        """Puts the values in, for servers that do not start with them."""

    def start(self):
        """Starts and fills the server; says why and returns False when that fails."""
        log = open(self.folder / f"{self.name}.log", "wb")
        with log:
            self.process = subprocess.Popen(["taskset", "-c", CORE] + self.command(), stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder,
                                            preexec_fn=bench_common.favoured)
        try:
            self._wait_until_ready()
            self.fill()
            return True
        except (OSError, http.client.HTTPException, RuntimeError) as problem:
            lines = pathlib.Path(log.name).read_text(errors="replace").strip().splitlines()
            said = f"; its last words: {lines[-1]}" if lines else ""
            say(f"{self.name} is skipped: {problem}{said}")
            self.stop()
            return False

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"it left with {self.process.returncode}")
            try:
                if self.answers():
                    return
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"it was not ready within {READY_SECONDS} s")
            time.sleep(0.05)

    def answers(self):
        """Whether a GET gets any answer that is not a refusal to serve yet."""
        return self.request("GET", "k0") < 500

    def request(self, method, key, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request(method, f"/cache-data/{key}", body=body)
            return connection.getresponse().status
        finally:
            connection.close()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            say(f"{self.name} did not stop within 10 s and was killed")
            self.process.kill()
            self.process.wait()

    def roots(self):
        return {self.process.pid}

    def pids(self):
        """The server's processes and their descendants."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
        found = self.roots()
        while True:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            if not more:
                return found
            found |= more

    def cpu_seconds(self):
        ticks = 0
        for pid in self.pids():
            try:
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def set_real_time(self, on):
        """SCHED_FIFO 1 for all its threads, or back to what they were. False when the system
        refuses."""
        try:
            if not on:
                for thread, (policy, priority) in self.policies.items():
                    os.sched_setscheduler(thread, policy, priority)
                return True
            self.policies = {}
            for pid in self.pids():
                for thread in map(int, os.listdir(f"/proc/{pid}/task")):
                    self.policies[thread] = (os.sched_getscheduler(thread),
                                             os.sched_getparam(thread))
                    os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
            return True
        except OSError:
            return False


class Cohort(Server):
    def __init__(self, folder, program):
        super().__init__("cohort", folder)
        self.program = program

    def command(self):
        return cohort_command(self.program, self.port, self.folder)

    def fill(self):
        for number in range(KEYS):
            key = f"k{number}"
            status = self.request("PUT", key, value_of(key).encode())
            if status not in (200, 201, 204):
                raise RuntimeError(f"PUT {key} was answered with {status}")


class ColdCohort(Server):
    """A node with many rows in its origin, of which it keeps few in memory. `missed` asks for one
    row after the other, so each comes from the origin; `cached` asks for a few."""

    rows = 200_000
    kept = 1000

    def __init__(self, folder, program):
        super().__init__("cached", folder)
        self.program = program
        self.keys = self.kept // 2
        self.origin = f"sqlite:{folder / 'cold.db'}"

    def command(self):
        lines = self.folder / "rows.ndjson"
        with open(lines, "w") as file:
            for number in range(self.rows):
                file.write(json.dumps({"key": f"k{number}", "value": value_of(f"k{number}")}) + "\n")
        subprocess.run([str(self.program), "import", "--origin", self.origin, str(lines)],
                       check=True, capture_output=True)
        return [str(self.program), "--port", str(self.port), "--admin-port", "0", "--origin",
                self.origin, "--cache.keys_max", str(self.kept)]

    def missed(self):
        return View(self, "missed", self.rows, ("--pattern", "turn"))


class View:
    """A server that is asked for other keys."""

    resp = False

    def __init__(self, server, name, keys, key_options):
        self.server = server
        self.name = name
        self.keys = keys
        self.key_options = key_options

    def __getattr__(self, name):
        return getattr(self.server, name)


class Pair(Server):
    """Two nodes of a cluster that share the server's core. One of them is asked: for keys that it
    owns, and by the view `other` for keys of the other one."""

    def __init__(self, folder, program):
        super().__init__("own", folder)
        self.cluster = cluster_nodes.Cluster(
            program, 2, wraps=[["taskset", "-c", CORE]] * 2, prepare=bench_common.favoured)
        self.port = self.cluster.nodes[0].http
        self.lists = {True: folder / "own-keys", False: folder / "other-keys"}
        self.key_options = ("--key-list", str(self.lists[True]))

    def start(self):
        try:
            self.cluster.__enter__()
            self.fill()
            return True
        except (OSError, http.client.HTTPException, RuntimeError, TimeoutError) as problem:
            say(f"{self.name} is skipped: {problem}")
            self.stop()
            return False

    def fill(self):
        asked = self.cluster.nodes[0]
        self.cluster.wait("two members with shards", lambda: all(
            self._owners(asked).count(here) > 100 for here in (True, False)))
        time.sleep(cluster_nodes.TTL)  # for the last shards to move
        keys = {True: [], False: []}
        for number in range(2 * KEYS):
            key = f"k{number}"
            keys[asked.admin_json(f"/cluster/locate/{key}")["here"]].append(key)
            status = asked.get(f"/cache-data/{key}", method="PUT", body=value_of(key).encode()).status
            if status not in (201, 204):
                raise RuntimeError(f"PUT {key} was answered with {status}")
        for here, file in self.lists.items():
            file.write_text("\n".join(keys[here]) + "\n")

    @staticmethod
    def _owners(node):
        return [node.admin_json(f"/cluster/locate/k{number}")["here"] for number in range(400)]

    def other(self):
        return View(self, "other", self.keys, ("--key-list", str(self.lists[False])))

    def roots(self):
        return {node.process.pid for node in self.cluster.nodes}

    def set_real_time(self, on):
        """Two real-time processes on one core wait for each other whatever their load is: for
        tails the node that is not asked runs beside the client."""
        core = int(CLIENT_CORE if on else CORE)
        for thread in os.listdir(f"/proc/{self.cluster.nodes[1].process.pid}/task"):
            os.sched_setaffinity(int(thread), {core})
        return super().set_real_time(on)

    def stop(self):
        self.cluster.__exit__(None, None, None)


class RawEpoll(Server):
    def __init__(self, folder, program):
        super().__init__("raw_epoll", folder)
        self.program = program

    def command(self):
        return [str(self.program), str(self.port), str(KEYS)]


class Nginx(Server):
    keys = 1
    package = "nginx-light"

    def __init__(self, folder):
        super().__init__("nginx", folder)

    def command(self):
        configuration = self.folder / "nginx.conf"
        configuration.write_text(f"""
daemon off;
worker_processes 1;
pid {self.folder}/nginx.pid;
error_log {self.folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {self.folder}/nginx-body;
    proxy_temp_path {self.folder}/nginx-proxy;
    fastcgi_temp_path {self.folder}/nginx-fastcgi;
    uwsgi_temp_path {self.folder}/nginx-uwsgi;
    scgi_temp_path {self.folder}/nginx-scgi;
    server {{
        listen 127.0.0.1:{self.port};
        location / {{ return 200 "{value_of('k0')}"; }}
    }}
}}
""")
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(configuration), "-p",
                str(self.folder), "-e", str(self.folder / "nginx-error.log")]


class Redis(Server):
    resp = True
    package = "redis-server"

    def __init__(self, folder):
        super().__init__("redis", folder)

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no"]

    def answers(self):
        return self._talk("PING\r\n", 1) == ["+PONG"]

    def fill(self):
        sets = "".join(f"SET k{number} {value_of(f'k{number}')}\r\n" for number in range(KEYS))
        if set(self._talk(sets, KEYS)) != {"+OK"}:
            raise RuntimeError("redis refused a SET")

    def _talk(self, text, lines):
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(text.encode())
            with connection.makefile("r", newline="\r\n") as answers:
                return [answers.readline().strip() for _ in range(lines)]


def available(build, folder):
    """The servers that can run on this machine; the others are named."""
    found = []
    for name, program, kind in (("cohort", "cohort-cache", Cohort),
                                ("raw_epoll", "bench-raw-epoll", RawEpoll),
                                ("own and other", "cohort-cache", Pair),
                                ("cached and missed", "cohort-cache", ColdCohort)):
        path = bench_common.find_built(build, program)
        if path is None:
            say(f"{name} is skipped: {program} is not built")
        else:
            found.append(kind(folder, path))
    for kind, program in ((Nginx, "nginx"), (Redis, "redis-server")):
        if shutil.which(program) is None and not os.access(f"/usr/sbin/{program}", os.X_OK):
            say(f"{program} is skipped: it is not installed (Debian: {kind.package})")
        else:
            found.append(kind(folder))
    return found
