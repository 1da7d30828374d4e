//! The conditions that readings are taken in.

use anyhow::Result;
use clap::ValueEnum;

use accuracy::{Burners, Group};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Condition {
    /// One scrape after another, no other load
    Idle,
    /// 100 scrapes at once
    Crowd,
    /// One scrape after another, while a thread per processor computes
    Busy,
    /// One scrape after another, with the exporter limited to 20 millicores
    #[value(name = "20m")]
    Millicores20,
    /// One scrape after another, with the exporter limited to 100 millicores
    #[value(name = "100m")]
    Millicores100,
}

impl Condition {
    pub(super) const ALL: [Self; 5] =
        [Self::Idle, Self::Crowd, Self::Busy, Self::Millicores20, Self::Millicores100];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Crowd => "100 scrapes at once",
            Self::Busy => "all processors busy",
            Self::Millicores20 => "limited to 20 millicores",
            Self::Millicores100 => "limited to 100 millicores",
        }
    }

    /// The number of scrapes at a time.
    pub(super) fn at_once(self) -> usize {
        if self == Self::Crowd { 100 } else { 1 }
    }

    /// The group that an exporter is to run in.
    pub(super) fn group(self, exporter: &str) -> Result<Option<Group>> {
        let millicores = match self {
            Self::Idle | Self::Crowd | Self::Busy => return Ok(None),
            Self::Millicores20 => 20,
            Self::Millicores100 => 100,
        };
        Group::limited(exporter, millicores).map(Some)
    }

    /// The other load on the processors.
    pub(super) fn burners(self) -> Result<Option<Burners>> {
        let busy = self == Self::Busy;
        Ok(busy.then(Burners::start).transpose()?)
    }
}
