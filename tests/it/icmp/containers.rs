//! ICMP sockets in containers: the table of docs/install.md, with the binary as the image has it.

use std::{fs, path::Path, process::Command};

use rustix::fs::{XattrFlags, chmod, setxattr};

use self::Capabilities::{Docker, Empty, NetRaw};
use crate::{namespace::Namespace, running::BINARY};

/// A row of the table.
struct Container {
    user: u32,
    no_new_privileges: bool,
    capabilities: Capabilities,
    /// Kind of the socket if the sysctl `net.ipv4.ping_group_range` includes group 0.
    inside: &'static str,
    /// Kind of the socket if it does not.
    outside: &'static str,
}

/// Capabilities of a container.
#[derive(Debug, Clone, Copy)]
enum Capabilities {
    /// Those that Docker grants without options.
    Docker,
    NetRaw,
    Empty,
}

const CONTAINERS: [Container; 12] = [
    row(0, false, Docker, "unprivileged", "raw"),
    row(0, false, NetRaw, "unprivileged", "raw"),
    row(0, false, Empty, "unprivileged", "none"),
    row(0, true, Docker, "unprivileged", "raw"),
    row(0, true, NetRaw, "unprivileged", "raw"),
    row(0, true, Empty, "unprivileged", "none"),
    row(65_532, false, Docker, "unprivileged", "raw"),
    row(65_532, false, NetRaw, "unprivileged", "raw"),
    row(65_532, false, Empty, "unprivileged", "none"),
    row(65_532, true, Docker, "unprivileged", "none"),
    row(65_532, true, NetRaw, "unprivileged", "none"),
    row(65_532, true, Empty, "unprivileged", "none"),
];

const fn row(
    user: u32,
    no_new_privileges: bool,
    capabilities: Capabilities,
    inside: &'static str,
    outside: &'static str,
) -> Container {
    Container { user, no_new_privileges, capabilities, inside, outside }
}

#[test]
fn every_container_opens_the_socket_of_the_documentation() {
    Namespace { setup: "", ping_group_range: "1 0", rights: "" }
        .run("icmp::containers::inside", &[("PROBE_EXPORTER_TEST_CONTAINERS", "1")]);
}

#[test]
fn the_documentation_has_every_container() {
    let page = fs::read_to_string("docs/install.md").unwrap();
    for container in CONTAINERS {
        let row = container.documented();
        assert!(page.contains(&row), "docs/install.md lacks {row}");
    }
}

/// Runs only when the test above starts it in a namespace.
#[test]
fn inside() {
    if std::env::var_os("PROBE_EXPORTER_TEST_CONTAINERS").is_none() {
        return;
    }
    // Not below /tmp, which can be mounted with the option nosuid.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    chmod(folder.path(), 0o755.into()).unwrap();
    let binary = folder.path().join("probe_exporter");
    fs::copy(BINARY, &binary).unwrap();
    permit_net_raw(&binary);
    for container in CONTAINERS {
        for (range, expected) in [("0 0", container.inside), ("1 0", container.outside)] {
            fs::write("/proc/sys/net/ipv4/ping_group_range", range).unwrap();
            let found = container.socket(&binary);
            assert_eq!(found, expected, "{} with the range {range}", container.documented());
        }
    }
}

/// Sets the file capability like `setcap cap_net_raw=p`.
fn permit_net_raw(binary: &Path) {
    // See capabilities(7): version 2 without the flag "effective", then permitted and inheritable ones.
    let (version, net_raw) = (0x0200_0000_u32, 1_u32 << 13);
    let value = [version, net_raw, 0, 0, 0].map(u32::to_le_bytes).concat();
    setxattr(binary, "security.capability", &value, XattrFlags::empty()).unwrap();
}

impl Container {
    /// Returns the kind of socket of a probe in this container.
    fn socket(&self, binary: &Path) -> &'static str {
        let user = self.user;
        let bounding = match self.capabilities {
            Docker => {
                "-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,\
                 +setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write"
            }
            NetRaw => "-all,+net_raw",
            Empty => "-all",
        };
        // The first setpriv keeps the permitted capabilities of root until it starts another program. As
        // in Docker, a user has none when the exporter is started.
        let limit: &[&str] =
            if self.no_new_privileges { &["setpriv", "--no-new-privs"] } else { &["env"] };
        let output = Command::new("setpriv")
            .arg(format!("--reuid={user}"))
            .args(["--regid=0", "--clear-groups", "--inh-caps=-all", "--ambient-caps=-all"])
            .arg(format!("--bounding-set={bounding}"))
            .args(limit)
            .arg(binary)
            .args(["probe", "--module=icmp", "--verbose", "127.0.0.1"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let found = ["unprivileged", "raw"]
            .into_iter()
            .find(|kind| text.contains(&format!("socket={kind}")));
        let found = found.unwrap_or("none");
        assert_eq!(output.status.code(), Some(i32::from(found == "none")), "{output:?}");
        found
    }

    /// Returns the row of the table in the documentation.
    fn documented(&self) -> String {
        let no_new_privileges = if self.no_new_privileges { "yes" } else { "no" };
        let capabilities = match self.capabilities {
            Docker => "Docker's default",
            NetRaw => "`NET_RAW`",
            Empty => "none",
        };
        let Self { user, inside, outside, .. } = self;
        format!("| {user} | {no_new_privileges} | {capabilities} | {inside} | {outside} |")
    }
}
