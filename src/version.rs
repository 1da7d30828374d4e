//! Build information: version, revision, compiler, platform.

use std::env::consts::{ARCH, OS};

/// Name of the program, used in usage errors and in the first line of `--version`.
pub const PROGRAM: &str = "probe_exporter";

/// Version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Version of the compiler, with the prefix `rust`. Upstream exports the version of Go here.
pub const RUST_VERSION: &str = concat!("rust", env!("PROBE_EXPORTER_RUST_VERSION"));

/// Git branch of the build, if known.
pub const BRANCH: &str = or_unknown(option_env!("PROBE_EXPORTER_BRANCH"));

/// Git revision of the build, if known.
pub const REVISION: &str = or_unknown(option_env!("PROBE_EXPORTER_REVISION"));

/// Build tags, a term of Go. Upstream's packages have the same value.
pub const TAGS: &str = "unknown";

const BUILD_USER: &str = or_unknown(option_env!("PROBE_EXPORTER_BUILD_USER"));
const BUILD_DATE: &str = or_unknown(option_env!("PROBE_EXPORTER_BUILD_DATE"));

/// Operating system, by Go's name as in upstream.
#[must_use]
pub fn operating_system() -> &'static str {
    match OS {
        "macos" => "darwin",
        other => other,
    }
}

/// Processor architecture, by Go's name as in upstream.
#[must_use]
pub fn architecture() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

/// Output of `--version`. The first line has upstream's form, which scripts parse.
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

/// Version, branch and revision, for the first line of the log.
#[must_use]
pub fn summary() -> String {
    format!("(version={VERSION}, branch={BRANCH}, revision={REVISION})")
}

/// Compiler, platform, user and date of the build, for the second line of the log.
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
