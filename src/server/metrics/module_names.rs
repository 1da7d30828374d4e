//! Limits the number of modules that have series of their own.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError, RwLock},
};

use crate::config::Config;

/// The value of the labels `module` and `prober` of the series that all other modules share.
pub(super) const OTHER: &str = "_other";

/// The names of modules that have series of their own.
pub(super) struct ModuleNames {
    /// Maximum number of names in each set.
    max: usize,
    /// The first modules that were probed or refused. They keep their series, because counters must not
    /// step back.
    probed: RwLock<HashSet<Box<str>>>,
    /// Modules whose counters were exported as 0 before the first probe.
    announced: Mutex<HashSet<Box<str>>>,
}

impl ModuleNames {
    pub(super) fn new(max: usize) -> Self {
        Self { max, probed: RwLock::default(), announced: Mutex::default() }
    }

    /// Returns the labels `module` and `prober` of the series that count a probe. The first modules get
    /// series of their own.
    pub(super) fn labels<'a>(&self, module: &'a str, prober: &'a str) -> [&'a str; 2] {
        if self.has_own_series(module) { [module, prober] } else { [OTHER; 2] }
    }

    fn has_own_series(&self, module: &str) -> bool {
        // Nearly all calls end here: threads that read do not wait for each other.
        {
            let probed = self.probed.read().unwrap_or_else(PoisonError::into_inner);
            if probed.contains(module) {
                return true;
            }
            // A module with this name would make the shared series ambiguous.
            if probed.len() >= self.max || module == OTHER {
                return false;
            }
        }
        self.add(module)
    }

    /// Adds a module, unless there are too many: another thread may have added one since they were counted.
    fn add(&self, module: &str) -> bool {
        let mut probed = self.probed.write().unwrap_or_else(PoisonError::into_inner);
        if probed.len() < self.max {
            probed.insert(module.into());
        }
        probed.contains(module)
    }

    /// Returns the labels of the series that are exported as 0 before the first probe: those of all
    /// modules of a configuration or, if these are too many, only the shared ones.
    pub(super) fn announce<'a>(&self, config: &'a Config) -> HashSet<[&'a str; 2]> {
        let mut known = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: HashSet<Box<str>> = known.clone();
        all.extend(self.probed.read().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        all.extend(config.modules().map(|(name, _)| name.into()));
        let fits = all.len() <= self.max;
        if fits {
            *known = all;
        }
        let labels = config.modules().map(|(name, module)| {
            if fits && name != OTHER { [name, module.prober_name()] } else { [OTHER; 2] }
        });
        labels.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, sync::Arc};

    use super::*;
    use crate::{
        admission::Admission,
        config::LastReload,
        diagnostics::{Failure, Reason, Refusal, RefusalCause, Stage, Verdict},
        memory::MemoryBudget,
        metrics::Format,
        probe::{ProbeReport, report::tests::report},
        server::metrics::ExporterMetrics,
    };

    const PROBES: &str = "probe_exporter_probes_total";

    fn metrics(max_modules: usize) -> ExporterMetrics {
        let memory = MemoryBudget::new(None);
        ExporterMetrics::new(memory, Arc::new(Admission::default()), max_modules).unwrap()
    }

    /// Returns the lines about probes and modules, each of which must be there once.
    fn lines(metrics: &ExporterMetrics) -> Vec<String> {
        let reload = LastReload { succeeded: true, success_time: std::time::UNIX_EPOCH };
        let text = metrics.render(reload, Format::Text);
        let lines: Vec<_> =
            text.lines().filter(|line| line.contains("module=")).map(str::to_owned).collect();
        let series = |line: &String| line.rsplit_once(' ').unwrap().0.to_owned();
        assert_eq!(
            lines.iter().map(series).collect::<HashSet<_>>().len(),
            lines.len(),
            "{lines:?}"
        );
        lines
    }

    fn expect(lines: &[String], expected: &[&str]) {
        for line in expected {
            assert!(lines.iter().any(|found| found == line), "{line} is not in {lines:#?}");
        }
    }

    fn count(metrics: &ExporterMetrics, module: &str, verdict: Verdict) {
        metrics
            .count_probe(&ProbeReport { module_name: module.into(), ..report("target", verdict) });
    }

    fn failed() -> Verdict {
        Verdict::Failed(Failure::new(Stage::Connect, Reason::Refused, "no"))
    }

    fn config(names: &[&str]) -> Config {
        let modules: String = names.iter().fold(String::new(), |mut text, name| {
            write!(text, "{name}: {{prober: tcp}},").unwrap();
            text
        });
        Config::parse(format!("modules: {{{modules}}}"), "test.yml").unwrap()
    }

    #[test]
    fn only_the_first_modules_that_are_probed_have_series_of_their_own() {
        let metrics = metrics(1000);
        for number in 0..10_000 {
            let module = format!("m{number}");
            for verdict in [Verdict::Ok, failed(), Verdict::Refused(Refusal::stopping())] {
                count(&metrics, &module, verdict);
            }
            metrics.count_refusal(&module, RefusalCause::InFlight);
        }
        let lines = lines(&metrics);
        // Two results, one failure, two causes, and a histogram of 15 samples.
        assert_eq!(lines.len(), 1001 * (2 + 1 + 2 + 15));
        let shared =
            format!("{PROBES}{{module=\"_other\",prober=\"_other\",result=\"success\"}} 9000");
        expect(
            &lines,
            &[
                &shared,
                r#"probe_exporter_probe_failures_total{module="_other",reason="refused",stage="connect"} 9000"#,
                r#"probe_exporter_probes_refused_total{cause="stopping",module="_other"} 9000"#,
                r#"probe_exporter_probes_refused_total{cause="in_flight",module="_other"} 9000"#,
                r#"probe_exporter_probe_duration_seconds_count{module="_other"} 18000"#,
                r#"probe_exporter_probe_duration_seconds_count{module="m999"} 2"#,
            ],
        );
        assert!(
            !lines.iter().any(|line| line.contains("\"m1000\"")),
            "the first module that shares"
        );
    }

    #[test]
    fn with_a_limit_of_zero_all_modules_share_their_series() {
        let metrics = metrics(0);
        metrics.initialize_counters(&config(&["a"]));
        count(&metrics, "a", Verdict::Ok);
        let lines = lines(&metrics);
        assert!(lines.iter().all(|line| line.contains("module=\"_other\"")), "{lines:#?}");
        let counted =
            format!("{PROBES}{{module=\"_other\",prober=\"_other\",result=\"success\"}} 1");
        expect(&lines, &[&counted]);
    }

    #[test]
    fn a_module_with_the_name_of_the_shared_series_has_none_of_its_own() {
        let metrics = metrics(2);
        metrics.initialize_counters(&config(&["_other", "a"]));
        for module in ["_other", "a", "b", "c"] {
            count(&metrics, module, failed());
        }
        let counted = |module: &str, prober: &str, count: u32| {
            format!(
                "{PROBES}{{module=\"{module}\",prober=\"{prober}\",result=\"failure\"}} {count}"
            )
        };
        let lines = lines(&metrics);
        // The reports are of icmp modules.
        let expected =
            [counted("_other", "_other", 2), counted("a", "icmp", 1), counted("b", "icmp", 1)];
        expect(&lines, &expected.each_ref().map(String::as_str));
        assert!(!lines.iter().any(|line| line.contains("module=\"_other\",prober=\"tcp\"")));
    }

    #[test]
    fn modules_are_exported_as_0_only_if_all_fit() {
        let metrics = metrics(2);
        let modules = || {
            let lines = lines(&metrics);
            let names = lines.iter().filter_map(|line| line.strip_prefix(PROBES));
            let names = names.map(|line| line.split('"').nth(1).unwrap().to_owned());
            names.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        metrics.initialize_counters(&config(&["a", "b", "c"]));
        assert_eq!(modules(), ["_other"], "too many");
        metrics.initialize_counters(&config(&["a"]));
        assert_eq!(modules(), ["_other", "a"]);
        count(&metrics, "b", Verdict::Ok);
        metrics.initialize_counters(&config(&["c"]));
        assert_eq!(modules(), ["_other", "a", "b"], "removed modules keep their series");
        count(&metrics, "c", Verdict::Ok);
        assert_eq!(modules(), ["_other", "a", "b", "c"], "the second one that was probed");
        count(&metrics, "a", Verdict::Ok);
        let counted =
            format!("{PROBES}{{module=\"_other\",prober=\"_other\",result=\"success\"}} 1");
        expect(&lines(&metrics), &[&counted]);
    }

    #[test]
    fn the_limit_holds_if_several_threads_add_modules() {
        let names = ModuleNames::new(1);
        assert_eq!(["a", "b", "a"].map(|module| names.add(module)), [true, false, true]);
    }
}
