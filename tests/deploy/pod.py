"""Starts the exporter as a pod of Kubernetes would: arguments, files, user, capabilities, sysctls and limits.

The caller has network and mount namespaces of its own.
"""

import base64
import contextlib
import http.server
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# User and group of the image.
IMAGE_USER, IMAGE_GROUP = 65532, 0
# An address that is not of the loopback network, whose addresses the policies of the manifests deny.
ADDRESS, PORT = "10.9.0.1", 8080
# Load of a pod, that of 400 targets every 15 s: scrapes per second, and for how many seconds.
RATE, SECONDS = 27, 15


class Target(http.server.ThreadingHTTPServer):
    """An HTTP server that responds 200 to everything."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        subprocess.run("ip link set lo up && ip address add 10.9.0.1/32 dev lo", shell=True, check=True)
        super().__init__((ADDRESS, PORT), Responses)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Responses(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


def run(exporter, objects, workload):
    """Starts the pod of a workload, sends what kubelet and Prometheus send, and stops it; returns what happened."""
    spec = workload["spec"]["template"]["spec"]
    [container] = [found for found in spec["containers"] if "exporter" in found["image"]]
    sysctls = spec.get("securityContext", {}).get("sysctls", [])
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(cgroup(container.get("resources", {}).get("limits", {})))
        root = stack.enter_context(root_folder(exporter, objects, spec, container))
        # A pod begins with the default of the kernel: no group.
        for name, value in [("net.ipv4.ping_group_range", "1 0"), *((item["name"], item["value"]) for item in sysctls)]:
            pathlib.Path("/proc/sys", name.replace(".", "/")).write_text(value)
        log = stack.enter_context(tempfile.TemporaryFile("w+"))
        process = subprocess.Popen(
            command(root, spec, container), stderr=log, stdout=log, preexec_fn=group.enter,
            env={item["name"]: item["value"] for item in container.get("env", [])})
        try:
            return use(process, spec, container, group, modules(objects))
        except Exception as error:
            log.seek(0)
            raise RuntimeError("\n".join([str(error), *log.read().splitlines()[-20:]])) from error
        finally:
            process.kill()
            process.wait()


def use(process, spec, container, group, known):
    port = container["ports"][0]["containerPort"]
    own = f"http://127.0.0.1:{port}"
    checks = [container[name]["httpGet"] for name in ("readinessProbe", "livenessProbe") if name in container]
    checks = checks or [{"path": "/-/healthy", "port": "http"}]
    for check in checks:
        if check["port"] not in (port, container["ports"][0]["name"]):
            raise RuntimeError(f"no such port: {check['port']}")
        wait(process, own + check["path"])
    prefix = checks[0]["path"].split("/-/")[0]
    probed = []
    for name, target in {"http_2xx": f"http://{ADDRESS}:{PORT}/", "tcp_connect": f"{ADDRESS}:{PORT}", "icmp": ADDRESS}.items():
        if name in known:
            probe(f"{own}{prefix}/probe", name, target, debug="true")
            probed.append(name)
    if not probed:
        raise RuntimeError(f"none of the modules is probed: {known}")
    loaded = load(f"{own}{prefix}/probe", process, group) if group.folders else ""
    process.terminate()
    start = time.monotonic()
    grace = spec.get("terminationGracePeriodSeconds", 30)
    code = process.wait(grace)
    if code != 0:
        raise RuntimeError(f"exit code {code}")
    paths = ", ".join(check["path"] for check in checks)
    stopped = f"stopped after {time.monotonic() - start:.0f} of {grace} s"
    return f"200 on {paths}; probed {', '.join(probed)}; {loaded}{stopped}"


def wait(process, url):
    end = time.monotonic() + 20
    while True:
        try:
            if request(url)[0] == 200:
                return
            problem = "the status is not 200"
        except OSError as error:
            problem = error
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{url}: {problem}")
        time.sleep(0.05)


def probe(url, module, target, **more):
    query = urllib.parse.urlencode({"module": module, "target": target, **more})
    status, body = request(f"{url}?{query}")
    if status != 200 or "probe_success 1" not in body.splitlines():
        raise RuntimeError(f"{module} {target}: {status} {body}")


def load(url, process, group):
    """Scrapes at a fixed rate; returns times, and what the pod used."""
    times, failures, threads = [], [], []
    before, start = group.cpu_seconds(), time.monotonic()

    def scrape():
        begin = time.monotonic()
        try:
            probe(url, "http_2xx", f"http://{ADDRESS}:{PORT}/")
        except (OSError, RuntimeError) as error:
            failures.append(error)
        times.append(time.monotonic() - begin)

    for number in range(RATE * SECONDS):
        time.sleep(max(0, start + number / RATE - time.monotonic()))
        threads.append(threading.Thread(target=scrape))
        threads[-1].start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(times)} scrapes failed: {failures[0]}")
    used = 1000 * (group.cpu_seconds() - before) / (time.monotonic() - start)
    times.sort()
    return (f"{len(times)} scrapes at {RATE}/s: median {1000 * times[len(times) // 2]:.0f} ms, "
            f"slowest {1000 * times[-1]:.0f} ms, {used:.0f} millicores, at most {group.peak() / 2**20:.0f} MiB "
            f"and with the pages of the binary {resident(process):.0f} MiB; ")


def resident(process):
    """The largest resident memory in MiB; pages that other processes had loaded count too."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def request(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(url, headers={"X-Prometheus-Scrape-Timeout-Seconds": "10"})
    try:
        with opener.open(asked, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def modules(objects):
    return {name for item in objects for text in files_of(item).values() if "modules" in text
            for name in ("http_2xx", "tcp_connect", "icmp") if f"{name}:" in text or f'"{name}":' in text}


def files_of(item):
    """The files of a ConfigMap or Secret."""
    encoded = item.get("data") or {}
    if item["kind"] == "Secret":
        encoded = {name: base64.b64decode(text).decode() for name, text in encoded.items()} | item.get("stringData", {})
    return encoded if item["kind"] in ("ConfigMap", "Secret") else {}


@contextlib.contextmanager
def root_folder(exporter, objects, spec, container):
    """A root file system that cannot be written, with the libraries of this system, the exporter and the volumes."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        mount = lambda *arguments: subprocess.run(["mount", *arguments], check=True)
        mount("-t", "tmpfs", "-o", "mode=755", "root", folder)
        try:
            (root / "exporter").touch()
            mount("--bind", str(exporter), str(root / "exporter"))
            for name in ["usr", "lib", "lib64", "bin", "dev", "proc", "sys"]:
                source = pathlib.Path("/", name)
                if source.is_symlink():
                    (root / name).symlink_to(os.readlink(source))
                elif source.is_dir():
                    (root / name).mkdir()
                    mount("--rbind", str(source), str(root / name))
            add_file(root / "etc/blackbox_exporter/config.yml", (ROOT / "config/blackbox.yml").read_text())
            volumes = {volume["name"]: volume for volume in spec["volumes"]}
            for place in container["volumeMounts"]:
                for name, text in files_of(source_of(volumes[place["name"]], objects)).items():
                    add_file(root / place["mountPath"].lstrip("/") / name, text)
            mount("-o", "remount,ro", folder)
            yield folder
        finally:
            subprocess.run(["umount", "--recursive", "--lazy", folder], check=True)


def source_of(volume, objects):
    kind, name = ("ConfigMap", volume["configMap"]["name"]) if "configMap" in volume else ("Secret", volume["secret"]["secretName"])
    for item in objects:
        if (item["kind"], item["metadata"]["name"]) == (kind, name):
            return item
    raise RuntimeError(f"no {kind} {name}")


def add_file(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def command(root, spec, container):
    """The exporter as the user, and with the capabilities, that the pod has."""
    context = spec.get("securityContext", {}) | container.get("securityContext", {})
    user, group = context.get("runAsUser", IMAGE_USER), context.get("runAsGroup", IMAGE_GROUP)
    if context.get("runAsNonRoot") and user == 0:
        raise RuntimeError("the pod must not run as root")
    changes = context.get("capabilities", {})
    capabilities = {"NET_RAW"} - ({"NET_RAW"} if "ALL" in changes.get("drop", []) else set()) | set(changes.get("add", []))
    allowed = ",".join(["-all", *(f"+{name.lower()}" for name in sorted(capabilities))])
    privileges = [] if context.get("allowPrivilegeEscalation", True) else ["--no-new-privs"]
    return [shutil.which("chroot"), root, shutil.which("setpriv"), f"--reuid={user}", f"--regid={group}", "--clear-groups",
            f"--bounding-set={allowed}", "--inh-caps=-all", *privileges, "/exporter", *container.get("args", [])]


@contextlib.contextmanager
def cgroup(limits):
    """A control group with the limits of a container."""
    group = Cgroup(limits if CGROUPS.is_dir() else {})
    try:
        group.limit(limits)
        yield group
    finally:
        group.remove()


# Control groups of version 1; without them, pods have no limits.
CGROUPS = pathlib.Path("/sys/fs/cgroup/cpu")


class Cgroup:
    """A control group for each controller; none without limits."""

    def __init__(self, limits):
        names = ("cpu", "cpuacct", "memory") if limits else ()
        self.folders = {name: CGROUPS.with_name(name) / f"probe-exporter-{os.getpid()}" for name in names}
        for folder in self.folders.values():
            folder.mkdir()

    def limit(self, limits):
        if self.folders and "cpu" in limits:
            millicores = int(limits["cpu"].removesuffix("m"))
            (self.folders["cpu"] / "cpu.cfs_quota_us").write_text(str(millicores * 100))
        if self.folders and "memory" in limits:
            (self.folders["memory"] / "memory.limit_in_bytes").write_text(limits["memory"].replace("Mi", "M"))

    def enter(self):
        for folder in self.folders.values():
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def cpu_seconds(self):
        return int((self.folders["cpuacct"] / "cpuacct.usage").read_text()) / 1e9

    def peak(self):
        return int((self.folders["memory"] / "memory.max_usage_in_bytes").read_text())

    def remove(self):
        for folder in self.folders.values():
            folder.rmdir()
