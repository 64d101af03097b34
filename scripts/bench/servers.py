"""Starts and stops pods and ZooKeeper, and uploads images."""

import contextlib
import glob
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import time

START = 90
JOB = 600


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, seconds, ready):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come within {seconds} s")
        time.sleep(0.1)


@contextlib.contextmanager
def process(arguments, log):
    """A process that ends with the block: first by a signal to stop, then by a kill."""
    with open(log, "w", encoding="utf-8") as file:
        child = subprocess.Popen(list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def zookeeper(folder):
    """Runs a real ZooKeeper server from Debian's jars, with fsync as by default. Yields its address."""
    port = free_port()
    data = folder / "zookeeper"
    data.mkdir()
    (data / "zoo.cfg").write_text(
        f"tickTime=1000\ndataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n"
    )
    jars = ":".join(glob.glob("/usr/share/java/*.jar"))
    needed = [jar for jar in jars.split(":") if pathlib.Path(jar).name in JARS]
    command = ["java", "-Xmx256m", "-cp", ":".join(needed), "org.apache.zookeeper.server.ZooKeeperServerMain", data / "zoo.cfg"]
    with process(command, folder / "zookeeper.log"):
        wait_until("ZooKeeper", START, lambda: accepts(port))
        yield f"127.0.0.1:{port}"


JARS = {
    f"{name}.jar"
    for name in (
        "zookeeper zookeeper-jute slf4j-api slf4j-simple netty-all log4j-1.2 snappy-java metrics-core commons-cli commons-io "
        "jackson-annotations jackson-core jackson-databind"
    ).split()
}


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Array:
    """Running pods: their address and processes."""

    def __init__(self, ports, pids):
        self.ports, self.pids = ports, pids

    def cpu(self):
        import measure

        return sum(measure.cpu_of(pid) for pid in self.pids)

    def client(self, number=0):
        return Client(self.ports[number % len(self.ports)])


@contextlib.contextmanager
def array(binary, folder, pods, ensemble=None, options=()):
    """Runs pods in one process, or on ZooKeeper with a process each, with a shared store and catalog on disk."""
    folder.mkdir()
    common = ["--store", folder / "store", "--catalog", folder / "catalog.sqlite", *options]
    with contextlib.ExitStack() as stack:
        ports, pids = [], []
        for index in range(pods if ensemble else 1):
            port = free_port()
            which = ["--zookeeper", f"{ensemble}/{folder.name}", "--pod-name", f"pod-{index}"] if ensemble else ["--pods", pods]
            command = [binary, "serve", "--listen", f"127.0.0.1:{port}", "--data", folder / f"pod-{index}", *which, *common]
            child = stack.enter_context(process(command, folder / f"pod-{index}.log"))
            ports.append(port)
            pids.append(child.pid)
        for port in ports:
            wait_until(f"the pod on port {port}", START, lambda port=port: is_ready(port))
        found = Array(ports, pids)
        wait_until("all pods", START, lambda: found.client().alive() == pods)
        yield found


def is_ready(port):
    if not accepts(port):
        return False
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/readyz")
    return client.getresponse().status == 200


class Client:
    """A connection to a pod."""

    BOUNDARY = "evenlight-bench"

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body.decode(errors='replace')}")
        return json.loads(body)

    def alive(self):
        cluster = self.get("/api/cluster")
        return len(cluster["pods"]) if cluster.get("leader") else 0

    def upload(self, path, recipe):
        """Uploads an image. Returns its job and the time at which its last byte was sent."""
        before = (
            f'--{self.BOUNDARY}\r\nContent-Disposition: form-data; name="recipe"\r\n\r\n{json.dumps(recipe)}\r\n'
            f'--{self.BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n\r\n'
        ).encode()
        after = f"\r\n--{self.BOUNDARY}--\r\n".encode()
        self.connection.putrequest("POST", "/api/images")
        self.connection.putheader("Content-Type", f"multipart/form-data; boundary={self.BOUNDARY}")
        self.connection.putheader("Content-Length", len(before) + path.stat().st_size + len(after))
        self.connection.endheaders(before)
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                self.connection.send(block)
        self.connection.send(after)
        sent = time.perf_counter()
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 202:
            raise RuntimeError(f"the upload was answered {answer.status} {body.decode(errors='replace')}")
        return json.loads(body), sent

    def wait(self, job, pause=0.002):
        """Waits until a job is done. Returns the time at which that was seen."""
        end = time.perf_counter() + JOB
        while True:
            state = self.get(f"/api/jobs/{job}")
            now = time.perf_counter()
            if state["state"] == "done":
                return now
            if state["state"] == "failed" or now > end:
                raise RuntimeError(f"the job did not become done: {state}")
            time.sleep(pause)

    def delete(self, image):
        self.connection.request("DELETE", f"/api/images/{image}")
        self.connection.getresponse().read()


