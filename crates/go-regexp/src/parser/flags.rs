//! Flags.

/// The flags `(?ismU)`.
#[expect(clippy::struct_excessive_bools, reason = "four independent flags")]
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    pub(super) multi_line: bool,
    pub(super) dot_matches_line_feed: bool,
    pub(super) lazy: bool,
}
