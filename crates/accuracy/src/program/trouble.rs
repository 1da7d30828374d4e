//! Troubles of an exporter that is short of CPU time.

use clap::ValueEnum;

/// An event beside the lack of CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Trouble {
    /// Nothing
    None,
    /// A thread per processor computes
    Busy,
    /// The exporter is stopped for two seconds
    Stopped,
}

impl Trouble {
    pub(super) const ALL: [Self; 3] = [Self::None, Self::Busy, Self::Stopped];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Busy => ", processors busy",
            Self::Stopped => ", stopped for 2 s",
        }
    }
}
