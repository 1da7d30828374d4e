//! The list of probers, and everything that follows from it.

use crate::{
    metrics::Description,
    probers::{self, ProberSettings},
    settings::section::{Key, keys_of, section},
};

/// Makes the types and the dispatch of the probers: for each the name of its variant, its folder,
/// which is its name in the configuration too, and the type of its settings. The folder exports the
/// descriptions of its metrics as `METRICS`. The first argument is a dollar sign.
macro_rules! probers {
    ($d:tt $($variant:ident: $name:ident::$settings:ident,)+) => {
        /// The settings of one prober.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each variant has the name of its prober")]
        pub enum AnyProber {
            $($variant(Box<probers::$name::$settings>),)+
        }

        section! {
            /// The sections of a module, one for each prober.
            ///
            /// All of them are read, so that errors in any of them are found.
            #[derive(Debug)]
            pub(super) struct ProberSections {
                $(
                    /// Settings of the prober.
                    $name: Option<Box<probers::$name::$settings>> => probers::$name::$settings,
                )+
            }
        }

        /// The names of all probers.
        pub(super) const NAMES: [&str; [$(stringify!($name)),+].len()] = [$(stringify!($name)),+];

        /// The metrics of all probers, by the name of the prober.
        pub const METRICS: &[(&str, &[Description])] = &[$((stringify!($name), probers::$name::METRICS)),+];

        impl AnyProber {
            /// The default settings of each prober.
            #[must_use]
            pub fn all() -> Vec<Self> {
                vec![$(Self::$variant(Box::default())),+]
            }

            /// The name of the prober, as it is written in a configuration.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($name),)+
                }
            }

            /// The keys of the section of the prober.
            #[must_use]
            pub fn keys(&self) -> Vec<Key> {
                match self {
                    $(Self::$variant(_) => keys_of::<probers::$name::$settings>(),)+
                }
            }

            /// The settings.
            #[must_use]
            pub fn settings(&self) -> &dyn ProberSettings {
                match self {
                    $(Self::$variant(settings) => settings.as_ref(),)+
                }
            }
        }

        impl ProberSections {
            /// The names of the sections that are present.
            pub(super) fn present(&self) -> impl Iterator<Item = &'static str> {
                let sections = [$((stringify!($name), self.$name.is_some())),+];
                sections.into_iter().filter_map(|(name, is_present)| is_present.then_some(name))
            }

            /// The settings of the prober `name`, if there is such a prober; the default ones if
            /// its section is absent.
            #[must_use]
            pub(super) fn into_prober(self, name: &str) -> Option<AnyProber> {
                $(
                    if name == stringify!($name) {
                        return Some(AnyProber::$variant(self.$name.unwrap_or_default()));
                    }
                )+
                None
            }
        }

        /// Evaluates an expression with the settings of any prober, in their own type.
        macro_rules! with_prober {
            ($d any:expr, $d settings:ident => $d then:expr) => {
                match $d any {
                    $($crate::config::AnyProber::$variant($d settings) => $d then,)+
                }
            };
        }
        pub(crate) use with_prober;
    };
}

probers! {
    $
    Http: http::HttpProber,
    Tcp: tcp::TcpProber,
    Icmp: icmp::IcmpProber,
    Dns: dns::DnsProber,
    Grpc: grpc::GrpcProber,
    Unix: unix::UnixProber,
    Websocket: websocket::WebsocketProber,
}
