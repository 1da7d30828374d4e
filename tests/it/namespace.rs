//! Starts this test binary again in new namespaces, optionally as another user.
//!
//! This needs root; without it, a test is skipped.

use std::{
    env,
    process::{Command, Output},
};

use test_fixtures::{Missing, skip};

/// Exit code of the shell if it cannot set up the namespace or change the user.
const NOT_POSSIBLE: i32 = 77;

/// Shell commands that replace the hosts file and the resolver configuration, on a new `/run`.
pub(crate) const NAMES: &str = r#"
    hosts=$(readlink -m /etc/hosts) names=$(readlink -m /etc/resolv.conf)
    mkdir -p "${names%/*}"
    touch "$names"
    echo "nameserver 127.0.0.1" > /run/names
    echo "127.0.0.1 localhost" > /run/hosts
    mount --bind /run/names "$names"
    mount --bind /run/hosts "$hosts"
"#;

/// New network, mount and process namespaces.
pub(crate) struct Namespace<'n> {
    /// Shell commands that set it up.
    pub(crate) setup: &'n str,
    /// The groups that may open unprivileged ICMP sockets.
    pub(crate) ping_group_range: &'n str,
    /// Arguments of setpriv that change the user.
    pub(crate) rights: &'n str,
}

impl Namespace<'_> {
    /// Runs the test of that name in it; `None` if the namespace cannot be set up.
    #[track_caller]
    pub(crate) fn run(&self, test: &str, environment: &[(&str, &str)]) -> Option<Output> {
        let script = format!(
            r#"
            set -e
            trap 'exit {NOT_POSSIBLE}' EXIT
            ip link set lo up
            echo "$RANGE" > /proc/sys/net/ipv4/ping_group_range
            setpriv $RIGHTS test -x "$0"
            {}
            trap - EXIT
            exec setpriv $RIGHTS "$0" --exact "$TEST" --nocapture
            "#,
            self.setup
        );
        let output = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script])
            .arg(env::current_exe().unwrap())
            .envs(environment.iter().copied())
            .envs([("RANGE", self.ping_group_range), ("RIGHTS", self.rights), ("TEST", test)])
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => {
                skip(Missing::Root, &format!("unshare cannot be started: {error}"));
                return None;
            }
        };
        if output.status.success() {
            return Some(output);
        }
        let why = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(NOT_POSSIBLE) || why.contains("unshare:") {
            skip(Missing::Root, &format!("no namespace or user of its own: {why}"));
            return None;
        }
        panic!("{test} failed:\n{}\n{why}", String::from_utf8_lossy(&output.stdout));
    }
}
