"""The servers that run_http.py measures: how each is started, filled and stopped.

All of them serve the keys k0 ... with values of 100 bytes that begin with their key, so that the
client can tell an answer that belongs to another request.
"""

import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import time

import bench_common
from bench_common import say

KEYS = 1000
VALUE_BYTES = 100
READY_SECONDS = 20
CORE = "0"


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
    package = ""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.port = free_port()
        self.process = None

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

    def pids(self):
        """The server's process and its descendants."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
        found = {self.process.pid}
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
        """SCHED_FIFO 1 for all its threads, or back. False when the system refuses."""
        policy = ["-f", "-p", "1"] if on else ["-o", "-p", "0"]
        return all(subprocess.run(["chrt", "-a", *policy, str(pid)], capture_output=True,
                                  check=False).returncode == 0 for pid in self.pids())


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
                                ("raw_epoll", "bench-raw-epoll", RawEpoll)):
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
