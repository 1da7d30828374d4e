"""The broken services, at 10.9.0.1 and in a namespace behind a router."""

import http.server
import pathlib
import subprocess
import threading
import time

NGINX = """
daemon off;
error_log {folder}/nginx.log;
pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off;
  {temporary}
  ssl_session_tickets off;
  server {{ listen 10.9.0.1:8081; location / {{ return 503 "upstream connect error: no healthy upstream\\n"; }} }}
  server {{ listen 10.9.0.1:8082; location / {{ proxy_pass http://10.9.0.1:8090; }} }}
  server {{ listen 10.9.0.1:8083; location / {{ return 200 "Two systems are down\\n"; }} }}
  server {{ listen 10.9.0.1:8084; location / {{ return 302 /again; }} }}
  server {{ listen 10.9.0.1:8085; location / {{ return 444; }} }}
  server {{ listen 10.9.0.1:4431 ssl; ssl_certificate {folder}/expired.crt; ssl_certificate_key {folder}/expired.key; }}
  server {{ listen 10.9.0.1:4432 ssl; ssl_certificate {folder}/own.crt; ssl_certificate_key {folder}/own.key; }}
  server {{ listen 10.9.0.1:4433 ssl; ssl_certificate {folder}/leaf.crt; ssl_certificate_key {folder}/leaf.key; }}
}}
"""

# The peer of the exporter's link is a router that rejects packets to 10.9.3.0/24.
NETWORK = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
names=$(readlink -m /etc/resolv.conf) hosts=$(readlink -m /etc/hosts)
mkdir -p "${names%/*}"
touch "$names"
echo "nameserver 127.0.0.1" > /run/names
echo "127.0.0.1 localhost" > /run/hosts
mount --bind /run/names "$names"
mount --bind /run/hosts "$hosts"
ip link set lo up
ip addr add 10.9.0.1/32 dev lo
echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range
ip netns add router
ip link add near type veth peer name far netns router
ip addr add 10.9.2.1/24 dev near
ip link set near up
ip -n router addr add 10.9.2.2/24 dev far
ip -n router link set far up
ip -n router route add unreachable 10.9.3.0/24
ip netns exec router sysctl -qw net.ipv4.ip_forward=1
ip route add 10.9.3.0/24 via 10.9.2.2
ip neigh add 10.9.2.9 lladdr 02:00:00:00:00:09 dev near
"""

POSTFIX = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 10.9.0.1
inet_protocols = ipv4
smtpd_tls_security_level = none
myhostname = mail.example
maillog_file = /dev/stdout
"""


def certificates(folder):
    """An expired certificate, one of a server's own that has all defects, and one without its issuer."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    def request(name, subject):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)

    def sign(name, issuer, text, *days):
        (folder / f"{name}.ext").write_text(text)
        by = ["-signkey", f"{name}.key"] if issuer is None else ["-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key"]
        dates = ["-days", *days]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", "-extfile", f"{name}.ext", *by, *dates)

    authority = "basicConstraints=critical,CA:true"
    server = "subjectAltName=DNS:www.example"
    for name, subject in [("root", "/CN=Root"), ("issuer", "/CN=Issuer"), ("leaf", "/CN=www.example"),
                          ("expired", "/CN=www.example"), ("own", "/CN=other.example")]:
        request(name, subject)
    sign("root", None, authority, "60")
    sign("issuer", "root", authority, "60")
    sign("leaf", "issuer", server, "60")
    sign("expired", "root", server, "-1")
    sign("own", None, "subjectAltName=DNS:other.example", "-1")


class Stalling(http.server.BaseHTTPRequestHandler):
    """Sends a part of a body, and then nothing."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"the beginning")
        self.wfile.flush()
        time.sleep(60)

    def log_message(self, *_):
        pass


class Silent(Stalling):
    """Sends nothing."""

    def do_GET(self):
        time.sleep(60)


def start_servers(folder: pathlib.Path):
    """Starts all servers, and returns those that are processes."""
    subprocess.run(["sh", "-c", NETWORK], check=True)
    certificates(folder)
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, temporary=temporary))
    for port, handler in [(8090, Silent), (8091, Stalling)]:
        server = http.server.ThreadingHTTPServer(("10.9.0.1", port), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    mail = folder / "mail"
    mail.mkdir()
    (mail / "main.cf").write_text(POSTFIX.format(folder=folder))
    (mail / "master.cf").write_text(pathlib.Path("/usr/share/postfix/master.cf.dist").read_text())
    (folder / "data").mkdir()
    (folder / "spool").mkdir()
    subprocess.run(["chown", "postfix", folder / "data"], check=True)
    dnsmasq = ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", "--user=root"]
    names = ["--listen-address=127.0.0.1", "--host-record=www.example,10.9.0.1", "--server=/silent.example/10.9.2.9"]
    processes = [
        [*dnsmasq, *names, "--local=/example/"],
        # Without a server for it, dnsmasq refuses a query.
        [*dnsmasq, "--port=5353", "--listen-address=10.9.0.1"],
        ["nginx", "-c", folder / "nginx.conf"],
        ["postfix", "-c", mail, "start-fg"],
    ]
    return [subprocess.Popen(process, stdout=subprocess.DEVNULL) for process in processes]
