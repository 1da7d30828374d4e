#!/usr/bin/env python3
"""Breaks 18 services, and prints the alert, the log line and the headline of the page for each.

Usage (as root): incidents.py EXPORTER [SECONDS]

Servers, Prometheus and Alertmanager run in network namespaces of their own, with the rules and the
configuration of Alertmanager of this repository. Each incident is a job of Prometheus. Needs nginx,
dnsmasq, postfix, openssl, iproute2, prometheus and prometheus-alertmanager. Exits with 1 if more than
one incident is not explained without opening a page, or leads to several notifications.
"""

import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from servers import start_servers

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXPORTER = "http://127.0.0.1:9115"

MODULES = """
modules:
  http: {prober: http, timeout: 3s}
  text: {prober: http, timeout: 3s, http: {fail_if_body_not_matches_regexp: ["All systems operational"]}}
  tls: {prober: tcp, timeout: 3s, tcp: {tls: true}}
  smtp:
    prober: tcp
    timeout: 3s
    tcp: {query_response: [{expect: "^220 "}, {send: "EHLO prober"}, {expect: "^250-STARTTLS"}]}
  dns: {prober: dns, timeout: 3s, dns: {query_name: www.example, query_type: A}}
  tcp: {prober: tcp, timeout: 3s}
  icmp: {prober: icmp, timeout: 3s}
"""

# Name, module, targets, and words that an alert, the log line or the headline must contain, each of
# them at least once.
INCIDENTS = [
    ("service_stopped", "http", ["http://10.9.0.1:81/"], ["refused", "10.9.0.1:81", "listens"]),
    ("host_gone", "tcp", ["10.9.2.9:443"], ["no TCP handshake", "10.9.2.9:443", "firewall"]),
    ("name_gone", "http", ["http://gone.example/"], ["gone.example", "no such host"]),
    ("resolver_silent", "http", ["http://www.silent.example/"], ["127.0.0.1:53", "no response", "name server"]),
    ("certificate_expired", "http", ["https://www.example:4431/"], ["expired", "Renew"]),
    ("certificate_of_own", "http", ["https://10.9.0.1:4432/"], ["self-signed", "expired", "10.9.0.1"]),
    ("chain_incomplete", "http", ["https://www.example:4433/"], ["intermediate"]),
    ("status_503", "http", ["http://10.9.0.1:8081/"], ["503", "log of the server"]),
    ("slow_backend", "http", ["http://10.9.0.1:8082/"], ["no response header", "log of the server"]),
    ("body_stalls", "http", ["http://10.9.0.1:8091/"], ["body incomplete", "of 1000 bytes"]),
    ("body_differs", "text", ["http://10.9.0.1:8083/"], ["All systems operational"]),
    ("redirect_loop", "http", ["http://10.9.0.1:8084/"], ["redirect", "Location"]),
    ("connection_dropped", "http", ["http://10.9.0.1:8085/"], ["closed the connection", "444"]),
    ("tls_to_plain_port", "tls", ["10.9.0.1:8083"], ["without TLS"]),
    ("smtp_without_starttls", "smtp", ["10.9.0.1:25"], ["STARTTLS", "250"]),
    ("dns_refuses", "dns", ["10.9.0.1:5353"], ["REFUSED", "zone"]),
    ("router_rejects", "icmp", ["10.9.3.1"], ["10.9.2.2 reports", "unreachable"]),
    ("most_fail_alike", "http", [f"http://10.9.0.1:81/{n}" for n in range(5)], ["Most targets", "refused"]),
]


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, **options).stdout


def prometheus_yml():
    jobs = []
    for name, module, targets, _ in INCIDENTS:
        jobs.append(
            {
                "job_name": name,
                "metrics_path": "/probe",
                "params": {"module": [module]},
                "static_configs": [{"targets": targets}],
                "relabel_configs": [
                    {"source_labels": ["__address__"], "target_label": "__param_target"},
                    {"source_labels": ["__param_target"], "target_label": "instance"},
                    {"source_labels": ["__param_module"], "target_label": "module"},
                    {"target_label": "__address__", "replacement": "127.0.0.1:9115"},
                ],
            }
        )
    jobs.append({"job_name": "exporter", "static_configs": [{"targets": ["127.0.0.1:9115"]}]})
    return {
        "global": {
            "scrape_interval": "5s",
            "scrape_timeout": "4s",
            "evaluation_interval": "15s",
            "external_labels": {"probe_exporter_url": EXPORTER},
        },
        "rule_files": [str(ROOT / "prometheus/rules/*.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]},
        "scrape_configs": jobs,
    }


class Notifications(http.server.BaseHTTPRequestHandler):
    """The receiver of Alertmanager's webhook."""

    received = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def start_programs(folder, exporter):
    """Starts the exporter, Prometheus and Alertmanager. Returns them with the log of the exporter."""
    (folder / "modules.yml").write_text(MODULES)
    (folder / "prometheus.yml").write_text(json.dumps(prometheus_yml()))
    alertmanager = (ROOT / "prometheus/alertmanager.yml").read_text()
    (folder / "alertmanager.yml").write_text(alertmanager.replace("receiver: nowhere", "receiver: webhook", 1))
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 9095), Notifications)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    log = folder / "exporter.log"
    commands = [
        ([exporter, f"--config.file={folder}/modules.yml", f"--web.external-url={EXPORTER}/"], log),
        (
            [
                "prometheus-alertmanager",
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/am",
                "--cluster.listen-address=",
            ],
            folder / "alertmanager.log",
        ),
        (
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"],
            folder / "prometheus.log",
        ),
    ]
    return [subprocess.Popen(command, stderr=path.open("w")) for command, path in commands], log


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def page_of(link):
    """Returns headline and advice of the page to which an alert links."""
    page = urllib.request.urlopen(link).read().decode()
    advice = re.search(r"<dt>Check first</dt><dd>(.*?)</dd>", page)
    headline = re.search(r"<h1>(.*?)</h1>", page)
    return " ".join(text_of(found.group(1)) for found in (headline, advice) if found)


def report(log):
    """Prints what was said about each incident. Returns the number of those that are not explained."""
    lines = log.read_text().splitlines()
    unexplained = 0
    for name, _, targets, words in INCIDENTS:
        sent = [n for n in Notifications.received if n["commonLabels"].get("job") == name and n["status"] == "firing"]
        alerts = {a["fingerprint"]: a for n in sent for a in n["alerts"]}.values()
        pages = [n for n in sent if any(a["labels"].get("severity") == "critical" for a in n["alerts"])]
        said = [f"{a['labels']['alertname']}: {a['annotations']['summary']} {a['annotations']['description']}" for a in alerts]
        failed = [l for l in lines if "Probe failed" in l and f"target={targets[0]} " in l.replace('"', "") + " "]
        links = sorted({a["annotations"].get("page") for a in alerts} - {None, ""})
        shown = page_of(links[0]) if links else ""
        everything = " ".join([*said, *failed[:1], shown])
        missing = [word for word in words if word.lower() not in everything.lower()]
        # The page of the most frequent cause is the list of probes.
        is_page = shown.startswith("Failure") or name == "most_fail_alike"
        is_fine = not missing and len(pages) == 1 and len(sent) == 1 and is_page
        unexplained += not is_fine
        print(f"=== {name} ({targets[0]}): {'explained' if is_fine else 'NOT EXPLAINED'}")
        print(f"  notifications {len(sent)}, critical {len(pages)}; missing words: {missing}; link: {links[:1]}")
        for text in sorted(said)[:4]:
            print(f"  alert     {text}")
        print(f"  log       {failed[0].split('msg=', 1)[1] if failed else None}")
        print(f"  page      {shown}")
    return unexplained


def main():
    exporter, seconds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300
    if os.environ.get("INCIDENTS_NAMESPACE") != "1":
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable]
        environment = {**os.environ, "INCIDENTS_NAMESPACE": "1"}
        os.execvpe(command[0], [*command, __file__, exporter, str(seconds)], environment)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="incidents-"))
    os.chmod(folder, 0o755)
    servers = start_servers(folder)
    programs, log = start_programs(folder, exporter)
    try:
        time.sleep(seconds)
        unexplained = report(log)
    finally:
        for process in [*programs, *servers]:
            process.terminate()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(INCIDENTS) - unexplained} of {len(INCIDENTS)} incidents are explained by one notification")
    sys.exit(unexplained > 1)


if __name__ == "__main__":
    main()
