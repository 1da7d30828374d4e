//! Everything that follows from the list of probers in [`crate::probers`].

use crate::settings::{
    explain::Explanation,
    rule::{RuleError, Warning},
};

/// The settings of a prober, as a module needs them.
pub trait ProberSettings {
    /// Refuses settings with which no probe can be made. Modules of other probers may have them.
    ///
    /// # Errors
    /// A setting is not supported.
    fn check_use(&self) -> Result<(), RuleError> {
        Ok(())
    }

    /// Warnings about settings that are valid, but unlikely to do what they are meant to do.
    fn warnings(&self) -> Vec<Warning>;

    /// Describes a probe in words.
    fn explain(&self, words: &mut Explanation);

    /// The header `Host` that the settings configure.
    fn configured_host(&self) -> Option<&str> {
        None
    }

    /// Returns whether the target is the path of a file, in which no character is special.
    fn takes_paths(&self) -> bool {
        false
    }
}

/// Makes the types and the dispatch of the probers: for each the name of its variant, its folder,
/// which is its name in the configuration too, and the type of its settings. The folder exports the
/// descriptions of its metrics as `METRICS`. The first argument is a dollar sign.
macro_rules! probers {
    ($d:tt $($variant:ident: $name:ident::$settings:ident,)+) => {
        /// The settings of one prober.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each variant has the name of its prober")]
        pub enum AnyProber {
            $($variant(Box<$name::$settings>),)+
        }

        section! {
            /// The sections of a module, one for each prober.
            ///
            /// All of them are read, so that errors in any of them are found.
            #[derive(Debug)]
            pub struct ProberSections {
                $(
                    /// Settings of the prober.
                    $name: Option<Box<$name::$settings>> => $name::$settings,
                )+
            }
        }

        /// The names of all probers.
        pub const NAMES: [&str; [$(stringify!($name)),+].len()] = [$(stringify!($name)),+];

        /// The metrics of all probers, by the name of the prober.
        pub const METRICS: &[(&str, &[Description])] = &[$((stringify!($name), $name::METRICS)),+];

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
            pub fn present(&self) -> impl Iterator<Item = &'static str> {
                let sections = [$((stringify!($name), self.$name.is_some())),+];
                sections.into_iter().filter_map(|(name, is_present)| is_present.then_some(name))
            }

            /// The settings of the prober `name`, if there is such a prober; the default ones if
            /// its section is absent.
            #[must_use]
            pub fn into_prober(self, name: &str) -> Option<AnyProber> {
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
                    $($crate::probers::AnyProber::$variant($d settings) => $d then,)+
                }
            };
        }
        pub(crate) use with_prober;
    };
}

pub(super) use probers;
