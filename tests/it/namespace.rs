//! This binary started again in namespaces of its own, perhaps as another user.
//!
//! It needs root for that; a test that cannot have it is skipped, loudly.

use std::{
    env,
    process::{Command, Output},
};

/// What the shell says when the namespace or the user cannot be had.
const NOT_POSSIBLE: i32 = 77;

/// A network that nobody else has, with file systems and processes of its own.
pub(crate) struct Namespace<'n> {
    /// Shell commands that set it up.
    pub(crate) setup: &'n str,
    /// The groups that may open unprivileged ICMP sockets.
    pub(crate) ping_group_range: &'n str,
    /// Arguments of setpriv, for whoever is to be somebody else there.
    pub(crate) rights: &'n str,
}

impl Namespace<'_> {
    /// Runs the test of that name in it; gives nothing, and says so, where it cannot be had.
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
            Err(error) => return skip(&format!("unshare cannot be started: {error}")),
        };
        if output.status.success() {
            return Some(output);
        }
        let why = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(NOT_POSSIBLE) || why.contains("unshare:") {
            return skip(&format!("no namespace or user of its own: {why}"));
        }
        panic!("{test} failed:\n{}\n{why}", String::from_utf8_lossy(&output.stdout));
    }
}

#[expect(clippy::print_stdout, reason = "whoever reads the results must see it")]
fn skip<T>(why: &str) -> Option<T> {
    println!("SKIPPED, {why}");
    None
}
