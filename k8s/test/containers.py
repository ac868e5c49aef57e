#!/usr/bin/env python3
"""Three nodes in containers as their pods would be: the image, the environment, the user, the limits and the names
of the rendered manifest, a network of their own, and a PostgreSQL beside them. Then what happens to pods: ends,
kills, new addresses, cuts and pauses. `./dev k8s containers` builds the images and runs this, as root.

Steps that need a cluster say `pending` as long as the program has none.
"""

import base64
import contextlib
import fcntl
import http.client
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time

import manifest

OVERLAY = "dev"
IMAGE, POSTGRES_IMAGE = "localhost/cohort-cache:dev", "localhost/cohort-postgres:dev"
PREFIX = "cohort-k8s-"
NETWORK = PREFIX + "net"
KEYS = [f"key-{number}" for number in range(24)]
START_S, SETTLE_S = 30, 30


class Failure(Exception):
    """What did not happen, in a sentence."""


def run(*command, check=True, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done


def podman(*words, check=True):
    return run("podman", *words, check=check).stdout.strip()


def wait_until(what, seconds, condition):
    """Waits for something outside of this process; gives the seconds that it took."""
    begun = time.monotonic()
    while True:
        said = condition()
        if said is True:
            return time.monotonic() - begun
        if time.monotonic() - begun > seconds:
            raise Failure(f"{what}: not within {seconds} s{f' ({said})' if said else ''}")
        time.sleep(0.1)


class Pods:
    """What the rendered manifest says about the nodes."""

    def __init__(self):
        self.documents = manifest.load(manifest.RENDERED / f"{OVERLAY}.yaml")
        self.workload, self.container = manifest.cache_of(self.documents)
        self.pod = self.workload["spec"]["template"]["spec"]
        self.replicas = self.workload["spec"]["replicas"]
        self.grace = self.pod["terminationGracePeriodSeconds"]
        self.http = next(each["containerPort"] for each in self.container["ports"] if each["name"] == "http")
        self.memory = int(manifest.quantity(self.container["resources"]["limits"]["memory"]))
        self.secrets = {each["metadata"]["name"]: {key: base64.b64decode(value).decode()
                                                   for key, value in each["data"].items()}
                        for each in self.documents if each["kind"] == "Secret"}

    def environment(self, ordinal):
        return manifest.environment(self.documents, self.workload, self.container, ordinal, self.secrets)


class Node:
    """A container as the pod of one ordinal."""

    def __init__(self, pods, ordinal):
        self.pods, self.ordinal = pods, ordinal
        self.name = f"{pods.workload['metadata']['name']}-{ordinal}"
        self.box = PREFIX + self.name
        self.address = None

    def start(self, *more, without=()):
        """A pod that is made again has its old name and a new address."""
        podman("rm", "--force", "--time", "0", "--ignore", self.box)
        pods, security = self.pods, self.pods.pod["securityContext"]
        service = pods.workload["spec"]["serviceName"]
        namespace = pods.workload["metadata"]["namespace"]
        words = ["run", "--detach", "--name", self.box, "--hostname", self.name, "--network", NETWORK,
                 "--network-alias", service,
                 "--network-alias", f"{self.name}.{service}.{namespace}.svc.cluster.local",
                 "--user", f"{security['runAsUser']}:{security['runAsGroup']}",
                 "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", str(pods.memory)]
        if pods.container["securityContext"]["readOnlyRootFilesystem"]:
            words += ["--read-only", "--read-only-tmpfs=false"]
        for name, value in pods.environment(self.ordinal).items():
            words += [] if name in without else ["--env", f"{name}={value}"]
        podman(*words, *more, IMAGE)
        self.address = self.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")

    def inspect(self, what):
        return podman("inspect", "--format", what, self.box)

    def process(self):
        return self.inspect("{{.State.Pid}}")

    def exit_code(self):
        return int(self.inspect("{{.State.ExitCode}}"))

    def running(self):
        return self.inspect("{{.State.Status}}") in ("running", "paused")

    def log(self):
        return run("podman", "logs", "--tail", "20", self.box, check=False)

    def status(self):
        """Of its process, as the kernel sees it."""
        lines = pathlib.Path(f"/proc/{self.process()}/status").read_text(encoding="utf-8").splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def cores(self):
        tasks = pathlib.Path(f"/proc/{self.process()}/task").glob("*/comm")
        return sum(task.read_text(encoding="utf-8").startswith("core-") for task in tasks)

    def ask(self, method, path, body=None, seconds=5):
        """(status, headers, body), or (0, {}, why) when nobody answers."""
        connection = http.client.HTTPConnection(self.address, self.pods.http, timeout=seconds)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, body)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read().decode()
            except OSError as error:
                return 0, {}, str(error)
            except http.client.HTTPException as error:
                return 0, {}, type(error).__name__

    def ask_admin(self, path):
        """On the loopback inside its network."""
        done = run("nsenter", "-t", self.process(), "-n", "curl", "-s", "--max-time", "5", "-w", "\n%{http_code}",
                   f"http://127.0.0.1:9001{path}", check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def ready(self):
        status, _, said = self.ask("GET", "/health", seconds=2)
        if status == 0 and not self.running():
            raise Failure(f"{self.name} ended with {self.exit_code()}")
        return True if status == 200 else f"{self.name} says {status} {said.strip()}"

    def put(self, key, value):
        status, _, said = self.ask("PUT", f"/cache-data/{key}", value)
        if status not in (201, 204):
            raise Failure(f"PUT of {key} through {self.name}: {status} {said.strip()}")

    def get(self, key):
        status, headers, said = self.ask("GET", f"/cache-data/{key}")
        if status != 200:
            raise Failure(f"GET of {key} through {self.name}: {status} {said.strip()}")
        return said, headers.get("Cache-Status", "").partition("detail=")[2]

    def term(self):
        """As the kubelet ends a pod; gives the seconds that it took."""
        begun = time.monotonic()
        podman("stop", "--time", str(self.pods.grace), self.box)
        took = time.monotonic() - begun
        if self.exit_code() != 0:
            raise Failure(f"{self.name} ended with {self.exit_code()} after SIGTERM: {self.log().stderr[-500:]}")
        return took


class Cut:
    """Drops what one node and others send each other, in the first one's network, until it is healed."""

    def __init__(self, node, others):
        self.process = node.process()
        addresses = ", ".join(other.address for other in others)
        rules = (f"table inet cohort_cut {{ chain i {{ type filter hook input priority 0; "
                 f"ip saddr {{ {addresses} }} drop; }}; chain o {{ type filter hook output priority 0; "
                 f"ip daddr {{ {addresses} }} drop; }}; }}")
        run("nsenter", "-t", self.process, "-n", "nft", "-f", "-", input=rules)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("nsenter", "-t", self.process, "-n", "nft", "delete", "table", "inet", "cohort_cut", check=False)


class Load:
    """GETs through some nodes for as long as the block lasts; counts answers other than 200 and 404."""

    def __init__(self, nodes):
        self.nodes, self.answers, self.bad, self.ended = nodes, 0, [], threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        while not self.ended.is_set():
            for node in self.nodes:
                for key in KEYS:
                    status, _, said = node.ask("GET", f"/cache-data/{key}")
                    self.answers += 1
                    if status not in (200, 404):
                        self.bad.append(f"{node.name}: {status} {said.strip()}")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


class Steps:
    """Each method is a step; its first line is what is printed. They run in this order."""

    def __init__(self, pods):
        self.pods = pods
        self.nodes = [Node(pods, ordinal) for ordinal in range(pods.replicas)]
        self.clustered = False

    def all_ready(self, nodes=None):
        return max(wait_until(f"{node.name} is ready", START_S + SETTLE_S, node.ready)
                   for node in nodes or self.nodes)

    def everything_is_there(self, nodes=None):
        """Every key through every node: one value, and one owner all nodes agree on."""
        for key in KEYS:
            seen = {node.get(key) for node in nodes or self.nodes}
            if len({value for value, _ in seen}) != 1 or f"value of {key}" not in next(iter(seen))[0]:
                raise Failure(f"{key} is read differently: {sorted(seen)}")
            if self.clustered and len(seen) != 1:
                raise Failure(f"the nodes disagree about the owner of {key}: {sorted(seen)}")
        return True

    def everything_is_there_soon(self, nodes=None):
        def attempt():
            try:
                return self.everything_is_there(nodes)
            except Failure as failure:
                return str(failure)
        return wait_until("every key through every node", SETTLE_S, attempt)

    def image(self):
        """the image runs as nobody, by itself as process 1, and documents its ports"""
        config = json.loads(podman("image", "inspect", IMAGE))[0]
        size = config["Size"]
        config = config["Config"]
        expected = {"User": "65532:65532", "Entrypoint": ["/usr/local/bin/cohort-cache"], "StopSignal": "SIGTERM"}
        for field, value in expected.items():
            if config.get(field) != value:
                raise Failure(f"{field} is {config.get(field)}, not {value}")
        ports = sorted(int(each.partition("/")[0]) for each in config["ExposedPorts"])
        if ports != sorted(each["containerPort"] for each in self.pods.container["ports"]):
            raise Failure(f"it documents the ports {ports}")
        return f"{size / 1e6:.0f} MB"

    def start(self):
        """three containers start with the pods' environment and are ready"""
        for node in self.nodes:
            node.start()
        took = self.all_ready()
        for node in self.nodes:
            for path in ("/health/startup", "/health/live"):
                if node.ask("GET", path)[0] != 200:
                    raise Failure(f"{node.name} answers {path} with {node.ask('GET', path)}")
        self.clustered = self.nodes[0].ask_admin("/cluster/members")[0] != 404
        return f"{took:.1f} s"

    def confined(self):
        """user 65532, no capabilities, no new privileges, seccomp, a root that cannot be written, limited memory"""
        for node in self.nodes:
            status = node.status()
            for field, value in (("Uid", "65532\t65532\t65532\t65532"), ("CapEff", "0" * 16), ("CapBnd", "0" * 16),
                                 ("NoNewPrivs", "1"), ("Seccomp", "2")):
                if status[field] != value:
                    raise Failure(f"{field} of {node.name} is {status[field]}, not {value}")
            if run("podman", "exec", node.box, "touch", "/tmp/x", check=False).returncode == 0:
                raise Failure(f"{node.name} can write to its root")
            limit = podman("exec", node.box, "sh", "-c", "cd /sys/fs/cgroup && "
                           "cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max")
            if int(limit) != self.pods.memory:
                raise Failure(f"the memory of {node.name} is limited to {limit}, not {self.pods.memory}")

    def names(self):
        """every seed's name resolves to the address of its node, in every node"""
        seeds = self.pods.environment(0)["COHORT_CLUSTER_SEED_NODES"].split(",")
        for node in self.nodes:
            for other, seed in zip(self.nodes, seeds):
                found = podman("exec", node.box, "getent", "hosts", seed.partition(":")[0])
                if found.split()[0] != other.address:
                    raise Failure(f"{node.name} finds {found}, but {other.name} is at {other.address}")

    def cores(self):
        """as many cores as the environment says; without it, as many as the container may use"""
        wanted = int(self.pods.environment(0)["COHORT_RUNTIME_CORES"])
        if self.nodes[0].cores() != wanted:
            raise Failure(f"{self.nodes[0].cores()} cores, not {wanted}")
        alone = Node(self.pods, 9)
        alone.start("--cpuset-cpus", "0", "--env", "COHORT_CLUSTER_SEED_NODES=", without={"COHORT_RUNTIME_CORES"})
        wait_until("its core starts", START_S, lambda: alone.cores() > 0)
        if alone.cores() != 1:
            raise Failure(f"{alone.cores()} cores with --cpuset-cpus 0")
        podman("rm", "--force", "--time", "0", alone.box)

    def tools(self):
        """a cut, a pause, a kill and a new address do to a node what this test means by them"""
        one, other = self.nodes[0], self.nodes[1]

        def reaches():
            return run("podman", "exec", one.box, "timeout", "2", "bash", "-c",
                       f"</dev/tcp/{other.address}/{self.pods.http}", check=False).returncode == 0

        with Cut(one, [other]):
            if reaches() or one.ready() is not True:
                raise Failure("a cut pair still talks, or the cut is too wide")
        if not reaches():
            raise Failure("a healed pair does not talk")
        podman("pause", one.box)
        paused = one.ready() is not True
        podman("unpause", one.box)
        if not paused:
            raise Failure("a paused node answers")
        self.all_ready()
        podman("kill", "--signal", "KILL", one.box)
        wait_until("it is gone", START_S, lambda: not one.running())
        if one.exit_code() != 137:
            raise Failure(f"a killed node ended with {one.exit_code()}")
        self.come_back_elsewhere(one)

    def come_back_elsewhere(self, node):
        """With its old address taken by another one, as on a busy cluster."""
        before, blocker = node.address, Node(self.pods, 8)
        podman("rm", "--force", "--time", "0", node.box)
        podman("run", "--detach", "--name", blocker.box, "--network", NETWORK, "--ip", before,
               "--entrypoint", "sleep", IMAGE, "3600")
        node.start()
        podman("rm", "--force", "--time", "0", blocker.box)
        if node.address == before:
            raise Failure(f"it has its old address {before}")
        took = self.all_ready()
        self.names()
        return f"{before} became {node.address}, ready after {took:.1f} s"

    def put_and_get(self):
        """what is put through one node is read through another"""
        for index, key in enumerate(KEYS):
            self.nodes[index % len(self.nodes)].put(key, f"value of {key}")
        self.everything_is_there_soon()
        return f"{len(KEYS)} keys through {len(self.nodes)} nodes"

    def ended_alone(self):
        """SIGTERM ends a node with 0, within the grace"""
        return f"{self.nodes[2].term():.1f} s of {self.pods.grace} s"

    def formed(self):
        """three members know each other, and each key has one owner"""
        for node in self.nodes:
            status, said = node.ask_admin("/cluster/members")
            if status != 200 or not all(other.name in said for other in self.nodes):
                raise Failure(f"{node.name} says {status} {said}")
        owners = {self.nodes[0].get(key)[1] for key in KEYS}
        if len(owners) < 2:
            raise Failure(f"one node owns every key: {owners}")
        return f"{len(owners)} owners"

    def drained(self):
        """SIGTERM of one under load: exit code 0, and the others answer everything"""
        with Load(self.nodes[:2]) as load:
            took = self.nodes[2].term()
        if load.bad:
            raise Failure(f"{len(load.bad)} of {load.answers} answers were bad, the first: {load.bad[0]}")
        self.everything_is_there_soon(self.nodes[:2])
        return f"{took:.1f} s, {load.answers} answers"

    def moved(self):
        """it comes back under its name with a new address"""
        said = self.come_back_elsewhere(self.nodes[2])
        self.everything_is_there_soon()
        return said

    def killed(self):
        """SIGKILL of one: the others serve all keys again"""
        podman("kill", "--signal", "KILL", self.nodes[1].box)
        others = [self.nodes[0], self.nodes[2]]
        took = self.everything_is_there_soon(others)
        self.nodes[1].start()
        self.all_ready()
        self.everything_is_there_soon()
        return f"after {took:.1f} s"

    def pair_cut(self):
        """a cut between two of three, then healed: everything is there again without a restart"""
        processes = [node.process() for node in self.nodes]
        with Cut(self.nodes[0], [self.nodes[1]]), Load([self.nodes[2]]) as load:
            wait_until("load goes on", SETTLE_S, lambda: load.answers > 4 * len(KEYS))
        self.healed(processes)
        return f"{len(load.bad)} of {load.answers} answers of the third were bad"

    def lone_cut(self):
        """a cut of one from two: it says 503 with a reason, they serve, and it resumes without a restart"""
        processes = [node.process() for node in self.nodes]

        def suspended():
            answers = [self.nodes[0].ask("GET", f"/cache-data/{key}") for key in KEYS]
            good = [status for status, _, _ in answers if status != 503]
            return not good or f"{len(good)} of {len(KEYS)} answers were not 503"

        with Cut(self.nodes[0], self.nodes[1:]):
            lone = wait_until("the lone node suspends", SETTLE_S, suspended)
            if not self.nodes[0].ask("GET", f"/cache-data/{KEYS[0]}")[2].strip():
                raise Failure("the lone node gives no reason")
            self.everything_is_there_soon(self.nodes[1:])
        self.healed(processes)
        return f"it suspended after {lone:.1f} s"

    def paused(self):
        """a pause of ten seconds: the others serve, and it serves again"""
        podman("pause", self.nodes[2].box)
        try:
            begun = time.monotonic()
            took = self.everything_is_there_soon(self.nodes[:2])
            wait_until("ten seconds", 11, lambda: time.monotonic() - begun >= 10)
        finally:
            podman("unpause", self.nodes[2].box)
        self.all_ready()
        self.everything_is_there_soon()
        return f"others after {took:.1f} s"

    def rolled(self):
        """a rolling restart, 2, 1, 0, under load: no key is lost"""
        for node in reversed(self.nodes):
            with Load([each for each in self.nodes if each is not node]) as load:
                node.term()
            if load.bad:
                raise Failure(f"{len(load.bad)} of {load.answers} answers were bad, the first: {load.bad[0]}")
            node.start()
            self.all_ready()
        self.everything_is_there_soon()

    def ended_together(self):
        """SIGTERM of all at once ends all"""
        podman("stop", "--time", str(self.pods.grace), *(node.box for node in self.nodes if node.running()))
        for node in self.nodes:
            if node.exit_code() != 0:
                raise Failure(f"{node.name} ended with {node.exit_code()}: {node.log().stderr[-500:]}")

    def healed(self, processes):
        self.all_ready()
        self.everything_is_there_soon()
        if processes != [node.process() for node in self.nodes]:
            raise Failure("a node was restarted")

    def run_all(self):
        alone = [self.image, self.start, self.confined, self.names, self.cores, self.tools, self.put_and_get]
        together = [self.formed, self.drained, self.moved, self.killed, self.pair_cut, self.lone_cut, self.paused,
                    self.rolled]
        for step in [*alone, *together, self.ended_alone, self.ended_together]:
            if step in together and not self.clustered:
                print(f"pending  {step.__doc__}: needs the cluster", flush=True)
                continue
            begun = time.monotonic()
            try:
                said = step()
            except Failure as failure:
                print(f"FAILED   {step.__doc__}: {failure}", flush=True)
                for node in self.nodes:
                    print(f"--- {node.name}\n{node.log().stdout[-2000:]}{node.log().stderr[-2000:]}", flush=True)
                return False
            took = time.monotonic() - begun
            print(f"passed   {took:5.1f} s  {step.__doc__}{f' ({said})' if said else ''}", flush=True)
        return True


class Surroundings:
    """The network and the database; afterwards everything is as it was, whatever happened."""

    def __init__(self, pods):
        self.pods = pods

    @staticmethod
    def tables():
        return set(run("nft", "list", "tables", check=False).stdout.splitlines())

    def __enter__(self):
        self.remove()
        self.tables_before = self.tables()
        podman("network", "create", NETWORK)
        self.start_postgres()
        return self

    def start_postgres(self):
        box = PREFIX + "postgres"
        service = manifest.find(self.pods.documents, "Service", "cohort-cache-postgres")["metadata"]["name"]
        podman("run", "--detach", "--name", box, "--network", NETWORK, "--network-alias", service,
               "--shm-size", "64m", POSTGRES_IMAGE)
        self.keep_bridge()
        wait_until("PostgreSQL accepts connections", START_S, lambda: run(
            "podman", "exec", box, "pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode == 0)

    @staticmethod
    def keep_bridge():
        """Gives the bridge the hardware address that it has: otherwise the kernel changes it with the containers that
        come and go, and what others still send to the old one is lost for seconds. Pods have no such bridge."""
        bridge = podman("network", "inspect", "--format", "{{.NetworkInterface}}", NETWORK)
        address = pathlib.Path(f"/sys/class/net/{bridge}/address").read_text(encoding="utf-8").strip()
        run("ip", "link", "set", "dev", bridge, "address", address)

    @staticmethod
    def remove():
        boxes = podman("ps", "--all", "--quiet", "--filter", f"name=^{PREFIX}", check=False).split()
        if boxes:
            run("podman", "unpause", *boxes, check=False)
            run("podman", "rm", "--force", "--time", "0", *boxes, check=False)
        run("podman", "network", "rm", "--force", NETWORK, check=False)

    def __exit__(self, *_):
        self.remove()
        for table in self.tables() - self.tables_before:
            run("nft", "delete", *table.split(), check=False)
        # Those in use are not empty and stay.
        for cgroup in pathlib.Path("/sys/fs/cgroup").glob("*/libpod_parent"):
            for folder in (cgroup / "conmon", cgroup):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def main():
    def leave(number, _):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    lock = open("/run/cohort-k8s-containers.lock", "w", encoding="utf-8")
    try:
        # The containers' names are the same in every checkout of a machine.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure("another run uses the containers; wait for it") from None
    pods = Pods()
    with lock, Surroundings(pods):
        return 0 if Steps(pods).run_all() else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"containers: {failure}")
