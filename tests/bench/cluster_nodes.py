"""Three nodes of the cache as real processes, and requests to them: what the cluster's benches share."""

import dataclasses
import http.client
import json
import os
import pathlib
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from bench_common import Gate, say

TTL = 3.0
READY_WITHIN = 90.0


def free_ports(count):
    """Ports nobody listens on right now; held together, so that no two are the same."""
    held = []
    for _ in range(count):
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        held.append(taken)
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def owner(self):
        found = re.search(r"detail=\"?([^;\", ]+)", self.headers.get("cache-status", ""))
        return found.group(1) if found else None

    @property
    def fence(self):
        """(shard, epoch) of an answer of an audited node, or None."""
        found = re.fullmatch(r"(\d+)/(\d+)", self.headers.get("cohort-epoch", ""))
        return (int(found.group(1)), int(found.group(2))) if found else None


class Node:
    """One process. Its ports stay the same from start to start."""

    def __init__(self, cluster, index, host="127.0.0.1", wrap=()):
        self.cluster = cluster
        self.index = index
        self.name = f"node-{index}"
        self.host = host
        self.wrap = list(wrap)
        self.http, self.admin, self.remoting = free_ports(3)
        self.process = None
        self.log = cluster.folder / f"{self.name}.log"

    def environment(self):
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "COHORT_NODE_NAME": self.name,
            "COHORT_HTTP_HOST": self.host,
            "COHORT_HTTP_PORT": str(self.http),
            "COHORT_ADMIN_HOST": self.host,
            "COHORT_ADMIN_PORT": str(self.admin),
            "COHORT_REMOTING_LISTEN": f"{self.host}:{self.remoting}",
            "COHORT_CLUSTER_SEED_NODES": ",".join(
                f"{one.host}:{one.remoting}" for one in self.cluster.nodes),
            "COHORT_RUNTIME_CORES": "1",
            "COHORT_CACHE_ORIGIN": self.cluster.origin,
            **self.cluster.settings,
        }

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrap, str(self.cluster.program)], env=self.environment(), stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, preexec_fn=self.cluster.prepare)

    def signal(self, which):
        self.process.send_signal(which)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self, within):
        """The exit code of an orderly stop, and how long it took; None when it took too long."""
        begin = time.monotonic()
        self.process.terminate()
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            code = None
        return code, time.monotonic() - begin

    def get(self, path, port=None, method="GET", body=None, timeout=5.0):
        connection = http.client.HTTPConnection(self.host, port or self.http, timeout=timeout)
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()},
                          answer.read())
        finally:
            connection.close()

    def ready(self):
        try:
            return self.get("/health", timeout=1.0).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def admin_json(self, path):
        return json.loads(self.get(path, port=self.admin).body)


class Cluster:
    """Use with `with`: processes and files go when it ends. `prepare` runs in each new process."""

    def __init__(self, program, count=3, settings=None, hosts=None, wraps=None, keep_logs=False,
                 prepare=os.setsid):
        self.program = pathlib.Path(program).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cohort-cluster-"))
        self.origin = f"sqlite:{self.folder}/origin.db"
        self.settings = settings or {}
        self.keep_logs = keep_logs
        self.prepare = prepare
        self.nodes = []
        for index in range(count):
            self.nodes.append(Node(self, index, hosts[index] if hosts else "127.0.0.1",
                                   wraps[index] if wraps else ()))

    def __enter__(self):
        for node in self.nodes:
            node.start()
        self.wait_ready()
        return self

    def __exit__(self, kind, value, trace):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.send_signal(signal.SIGCONT)
                node.kill()
        if kind is not None or self.keep_logs:
            say(f"the nodes' logs are in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self, what, condition, within=READY_WITHIN):
        limit = time.monotonic() + within
        while True:
            if condition():
                return
            if time.monotonic() > limit:
                self.say_logs()
                raise TimeoutError(f"after {within:.0f} s still not: {what}")
            time.sleep(0.05)

    def say_logs(self):
        for node in self.nodes:
            tail = node.log.read_text(errors="replace").splitlines()[-15:]
            say(f"--- {node.name}:\n" + "\n".join(tail))

    def wait_ready(self, nodes=None):
        self.wait("all nodes ready", lambda: all(one.ready() for one in nodes or self.nodes))

    def members(self, by=None):
        return (by or self.nodes[0]).admin_json("/cluster/members")

    def wait_settled(self, quiet=2 * TTL):
        """Every node is ready and a member with a seat, and nothing has changed for `quiet` seconds."""
        self.wait_ready()
        last, since = None, time.monotonic()
        limit = since + READY_WITHIN
        while time.monotonic() - since < quiet:
            seen = [self.members(node) for node in self.nodes]
            state = [(one["epoch"], one["config"]) for one in seen]
            whole = all(sum(m["phase"] == "ready" and m["votes"] for m in one["members"]) == len(self.nodes)
                        for one in seen)
            if not whole or state != last or len(set(state)) != 1:
                last, since = state, time.monotonic()
            if time.monotonic() > limit:
                raise TimeoutError(f"the cluster does not settle: {seen}")
            time.sleep(0.1)

    def keys_in_different_shards(self, count):
        found = {}
        number = 0
        while len(found) < count:
            key = f"probe-{number}"
            number += 1
            found.setdefault(self.nodes[0].admin_json(f"/cluster/locate/{key}")["shard"], key)
        return list(found.values())


class Connection:
    """One keep-alive connection with one request at a time on it."""

    def __init__(self, node, key):
        self.node = node
        self.key = key
        self.socket = None
        self.buffer = b""
        self.sent_at = None
        self.request = b""
        self.mark = None  # what the sender wants to remember of the request

    def open(self):
        self.socket = socket.create_connection((self.node.host, self.node.http), timeout=2)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self.buffer = b""
        self.sent_at = None

    def parsed(self):
        """The answer when it is whole, else None."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        status = int(lines[0].split()[1])
        length = 0 if status in (204, 304) else int(headers.get("content-length", "0"))
        if len(self.buffer) < end + 4 + length:
            return None
        body = self.buffer[end + 4:end + 4 + length]
        self.buffer = self.buffer[end + 4 + length:]
        return Answer(status, headers, body)


class Traffic:
    """Requests over many connections from one thread.

    `on_answer(connection, answer, now)` hears of each answer; of a request whose connection was lost
    with `answer` None.
    """

    def __init__(self, on_answer):
        self.on_answer = on_answer
        self.selector = selectors.DefaultSelector()
        self.connections = []

    def add(self, node, key):
        connection = Connection(node, key)
        self.connections.append(connection)
        return connection

    def send(self, connection, method="GET", body=b"", mark=None):
        """Whether it went out; a connection that cannot be made is an answer None."""
        connection.mark = mark
        connection.sent_at = time.monotonic()
        head = (f"{method} /cache-data/{connection.key} HTTP/1.1\r\nHost: cache\r\n"
                + (f"Content-Length: {len(body)}\r\n" if method == "PUT" else "") + "\r\n")
        try:
            if connection.socket is None:
                connection.open()
                self.selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.socket.sendall(head.encode() + body)
        except OSError:
            self.lost(connection)
            return False
        return True

    def lost(self, connection):
        if connection.socket is not None:
            self.selector.unregister(connection.socket)
        waited = connection.sent_at is not None
        sent_at = connection.sent_at
        connection.close()
        if waited:
            connection.sent_at = sent_at
            self.on_answer(connection, None, time.monotonic())
            connection.sent_at = None

    def poll(self, seconds):
        """Takes what comes within that time, at least once."""
        for key, _ in self.selector.select(max(0.0, seconds)):
            connection = key.data
            try:
                data = connection.socket.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                self.lost(connection)
                continue
            connection.buffer += data
            answer = connection.parsed()
            if answer is not None:
                self.on_answer(connection, answer, time.monotonic())
                connection.sent_at = None

    def close(self):
        for connection in self.connections:
            connection.close()
        self.selector.close()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def histogram(values, step):
    """Prints how many values lie in each step, with a bar."""
    counts = {}
    for value in values:
        counts[int(value / step)] = counts.get(int(value / step), 0) + 1
    most = max(counts.values())
    for slot in range(min(counts), max(counts) + 1):
        count = counts.get(slot, 0)
        print(f"  {slot * step:6.2f} to {(slot + 1) * step:6.2f} s  {count:6d}  "
              + "#" * round(50 * count / most))


def program_in(build):
    for path in sorted(pathlib.Path(build).rglob("cohort-cache")):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    sys.exit(f"there is no cohort-cache below {build}: build it first")


def gate(text, passed):
    """A must that holds or does not."""
    return Gate(text, 1.0 if passed else 0.0, 1.0, "")


def write_json(path, content):
    if path:
        pathlib.Path(path).write_text(json.dumps(content, indent=2) + "\n")
        say(f"written: {path}")
