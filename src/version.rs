//! What this build is: version, revision, compiler, platform.

use std::env::consts::{ARCH, OS};

/// The program's name, as it stands before every usage error and in the first line of `--version`.
pub const PROGRAM: &str = "probe_exporter";

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The compiler's version, marked as Rust's where upstream names Go's.
pub const RUST_VERSION: &str = concat!("rust", env!("PROBE_EXPORTER_RUST_VERSION"));

/// The branch it was built from, when the build says so.
pub const BRANCH: &str = or_unknown(option_env!("PROBE_EXPORTER_BRANCH"));

/// The revision it was built from, when the build says so.
pub const REVISION: &str = or_unknown(option_env!("PROBE_EXPORTER_REVISION"));

/// Build tags; Rust has no such thing, and upstream's own packages say this too.
pub const TAGS: &str = "unknown";

const BUILD_USER: &str = or_unknown(option_env!("PROBE_EXPORTER_BUILD_USER"));
const BUILD_DATE: &str = or_unknown(option_env!("PROBE_EXPORTER_BUILD_DATE"));

/// The operating system, by the name that Go and so upstream's users know.
#[must_use]
pub fn operating_system() -> &'static str {
    match OS {
        "macos" => "darwin",
        other => other,
    }
}

/// The processor, by the name that Go and so upstream's users know.
#[must_use]
pub fn architecture() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

/// What `--version` prints; scripts read the first line, which has upstream's form.
#[must_use]
pub fn report() -> String {
    let (os, architecture) = (operating_system(), architecture());
    format!(
        "{PROGRAM}, version {VERSION} (branch: {BRANCH}, revision: {REVISION})\n  \
         build user:       {BUILD_USER}\n  \
         build date:       {BUILD_DATE}\n  \
         rust version:     {RUST_VERSION}\n  \
         platform:         {os}/{architecture}\n  \
         tags:             {TAGS}\n"
    )
}

/// Version and revision, for the first line of the log.
#[must_use]
pub fn summary() -> String {
    format!("(version={VERSION}, branch={BRANCH}, revision={REVISION})")
}

/// How it was built, for the second line of the log.
#[must_use]
pub fn build_context() -> String {
    let (os, architecture) = (operating_system(), architecture());
    format!(
        "(rust={RUST_VERSION}, platform={os}/{architecture}, user={BUILD_USER}, date={BUILD_DATE}, tags={TAGS})"
    )
}

const fn or_unknown(value: Option<&'static str>) -> &'static str {
    match value {
        Some(value) => value,
        None => "unknown",
    }
}
