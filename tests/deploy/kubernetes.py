#!/usr/bin/env python3
"""Checks the manifests for Kubernetes, and starts the exporter as the Helm chart and kube-prometheus do.

Usage (as root): kubernetes.py EXPORTER

Renders the manifests of examples/kubernetes, validates them, and starts EXPORTER with the arguments, files, user,
capabilities, sysctls and limits of each rendered pod, in a network namespace and a root file system of its own.
Environment variables select what is compared with others:

  CHART            folder of the chart prometheus-blackbox-exporter: renders each file of its ci folder, and our values
  KUBE_PROMETHEUS  checkout of kube-prometheus: starts its pod, and validates the objects of the Prometheus operator
  PROMTOOL         promtool
  STRICT           not empty: a check that is skipped is an error
"""

import glob
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

import pod

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "examples/kubernetes"
OPERATOR = "monitoring.coreos.com"
# kubectl apply stores the object in an annotation; all annotations together have this size at most.
MAX_ANNOTATIONS = 256 * 1024

MODULES = "modules: {http_2xx: {prober: http, timeout: 4s}, icmp: {prober: icmp}}"

# Values beside those of the ci folder of the chart.
NET_RAW = """
securityContext: {runAsUser: 0, runAsNonRoot: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL], add: [NET_RAW]}}
config: {modules: {http_2xx: {prober: http}, icmp: {prober: icmp, icmp: {preferred_ip_protocol: ip4}}}}
"""
PREFIX = """
configPath: /config/blackbox.yaml
extraArgs: [--web.route-prefix=/blackbox, --web.external-url=https://example.org/blackbox, --log.format=json, --history.limit=1000]
livenessProbe: {httpGet: {path: /blackbox/-/healthy, port: http}}
readinessProbe: {httpGet: {path: /blackbox/-/healthy, port: http}}
"""


class Loader(yaml.CSafeLoader):  # pylint: disable=too-many-ancestors
    """Reads "=" as text, as YAML 1.2 does."""


Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)


def main():
    exporter = pathlib.Path(sys.argv[1]).resolve()
    if os.environ.get("PROBE_EXPORTER_NAMESPACE") is None:
        # Ports, mounts and sysctls of this process and its children only.
        os.environ["PROBE_EXPORTER_NAMESPACE"] = "own"
        command = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command).returncode)
    failures = []
    if not pod.CGROUPS.is_dir():
        skip("version 1 of control groups", "pods have no limits", "use a system that mounts it")
    with pod.Target():
        for name, objects, workload in rendered():
            try:
                check(objects)
                result = pod.run(exporter, objects, workload)
                print(f"{name}: {len(objects)} objects are valid; {result}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failures.append(name)
                print(f"{name}: FAILED: {error}", flush=True)
    if failures:
        sys.exit(f"failed: {', '.join(failures)}")
    if SKIPPED and os.environ.get("STRICT"):
        sys.exit(f"missing: {', '.join(sorted(SKIPPED))}")


def rendered():
    """Yields the name, the objects and the workload of each set of manifests."""
    if shutil.which("kubectl") is None:
        skip("kubectl", "nothing is rendered by kustomize", "install kubectl")
    else:
        yield from rendered_kustomizations()
    chart = os.environ.get("CHART")
    if chart and not (shutil.which("helm") or importlib.util.find_spec("helm_python")):
        skip("helm", "the Helm chart is not rendered", "pip install helm-python-sdk")
    elif chart:
        yield from rendered_charts(chart)
    else:
        skip("CHART", "the Helm chart is not rendered", "set it to the folder of the chart prometheus-blackbox-exporter")


def rendered_kustomizations():
    """The kustomizations of docs/kubernetes.md, and those of this repository alone."""
    everything, of_kube_prometheus = (block for block in documented() if "kind" in block)
    for block in documented():
        everything |= block if block.keys() <= {"labels", "patches"} else {}
    everything["resources"].append("probe_exporter/examples/kubernetes/operator")
    everything["components"] = ["probe_exporter/examples/kubernetes/in-flight"]
    sets = {
        "examples/kubernetes": {"resources": ["probe_exporter/examples/kubernetes"]},
        "docs/kubernetes.md, everything": everything,
    }
    if os.environ.get("KUBE_PROMETHEUS"):
        sets["docs/kubernetes.md, kube-prometheus"] = of_kube_prometheus
        sets["kube-prometheus, only the binary replaced"] = {"resources": ["kube-prometheus"]}
    else:
        skip("KUBE_PROMETHEUS", "its pod is not started, and objects of the operator are not validated",
             "set it to a checkout of kube-prometheus")
    for name, kustomization in sets.items():
        objects = kustomize(kustomization)
        if "kube-prometheus" in kustomization["resources"]:
            objects = [item for item in objects if "blackbox-exporter" in json.dumps(item["metadata"])]
        [workload] = [item for item in objects if item["kind"] == "Deployment"]
        yield name, objects, workload


def documented():
    """The YAML blocks of docs/kubernetes.md."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/kubernetes.md").read_text(), re.DOTALL)
    return [yaml.load(block, Loader) for block in blocks]


def rendered_charts(chart):
    sets = {f"chart, {pathlib.Path(path).name}": pathlib.Path(path).read_text() for path in sorted(glob.glob(f"{chart}/ci/*"))}
    sets["chart, examples/kubernetes/helm-values.yml"] = (MANIFESTS / "helm-values.yml").read_text()
    [image] = (block for block in documented() if "image" in block)
    sets["chart, docs/kubernetes.md"] = json.dumps(image)
    sets |= {"chart, root with NET_RAW": NET_RAW, "chart, a route prefix and more arguments": PREFIX}
    for name, values in sets.items():
        objects = documents(helm(chart, values))
        yield name, objects, next(item for item in objects if item["kind"] in ("Deployment", "DaemonSet"))


def helm(chart, values):
    """Renders the chart with the program helm, or with its library for Python."""
    if shutil.which("helm"):
        command = ["helm", "template", "probe", chart, "--namespace", "monitoring", "--values", "-"]
        return subprocess.run(command, input=values, check=True, capture_output=True, text=True).stdout
    import helm_python  # pylint: disable=import-outside-toplevel,import-error
    with helm_python.Chart.load(chart) as loaded:
        files = loaded.render(helm_python.values_from_yaml(values), name="probe", namespace="monitoring")
    return "\n---\n".join(text for name, text in files.items() if name.endswith(".yaml"))


def kustomize(kustomization):
    """Builds a kustomization beside clones of both repositories and a file of modules."""
    with tempfile.TemporaryDirectory() as folder:
        clones = {"probe_exporter": ROOT, "kube-prometheus": os.environ.get("KUBE_PROMETHEUS", ".")}
        for name, clone in clones.items():
            pathlib.Path(folder, name).symlink_to(pathlib.Path(clone).resolve())
        pathlib.Path(folder, "blackbox.yml").write_text(MODULES)
        pathlib.Path(folder, "kustomization.yaml").write_text(json.dumps(kustomization))
        return documents(output(["kubectl", "kustomize", folder]))


def documents(text):
    return [item for item in yaml.load_all(text, Loader) if item]


def output(command, **arguments):
    done = subprocess.run(command, capture_output=True, text=True, **arguments)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def check(objects):
    for item in objects:
        name = f"{item['kind']} {item['metadata']['name']}"
        try:
            if item["apiVersion"].startswith(OPERATOR):
                check_operator(item)
            elif not item["apiVersion"].startswith("gateway."):
                check_builtin(item)
        except Exception as error:
            raise RuntimeError(f"{name}: {error}") from error
        if len(json.dumps(item, separators=(",", ":"))) > MAX_ANNOTATIONS:
            raise RuntimeError(f"{name} is too large for kubectl apply")


def check_builtin(item):
    try:
        import kubernetes_validate  # pylint: disable=import-outside-toplevel
    except ImportError:
        return skip("kubernetes-validate", "objects are not validated", "pip install kubernetes-validate")
    return kubernetes_validate.validate(item, kubernetes_validate.latest_version(), strict=True)


def check_operator(item):
    """Validates an object of the Prometheus operator against its definition, which allows no unknown keys."""
    if checkout := os.environ.get("KUBE_PROMETHEUS"):
        import jsonschema  # pylint: disable=import-outside-toplevel
        name = f"0{item['kind'].lower()}CustomResourceDefinition.yaml"
        [definition] = documents(pathlib.Path(checkout, "manifests/setup", name).read_text())
        version = item["apiVersion"].split("/")[1]
        [schema] = [found["schema"] for found in definition["spec"]["versions"] if found["name"] == version]
        jsonschema.validate(item, strict(schema["openAPIV3Schema"]))
    if item["kind"] == "PrometheusRule" and item["spec"]:
        check_rules(item["spec"])


def strict(schema):
    """Forbids keys that the schema does not describe."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")  # Go's order of both
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def check_rules(spec):
    promtool = os.environ.get("PROMTOOL", "promtool")
    if shutil.which(promtool) is None:
        skip("promtool", "the rules are not checked", "apt-get install prometheus")
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump(spec, file)
        file.flush()
        output([promtool, "check", "rules", file.name])


SKIPPED = set()


def skip(tool, consequence, remedy):
    if tool not in SKIPPED:
        SKIPPED.add(tool)
        print(f"\n*** {tool} is missing: {consequence}.\n*** {remedy}\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
