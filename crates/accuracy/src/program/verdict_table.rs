//! The verdicts as text.

use std::collections::BTreeMap;

use super::{results::Contender, verdict_cell::Cell};
use accuracy::{
    statistics::{quantile, ratio},
    verdicts::{Counts, Kind, Prober},
};

const HEAD: &str = "   right   false  missed  refused (had CPU)  unanswered  discarded";

pub(super) fn print_head(timeout: f64) {
    println!(
        "\nVerdicts: of ten targets, seven answer at once, one just in time, one just too late, one \
         never.\nModule timeout {timeout} s, scrape timeout {} s. Load and goodput are multiples of the \
         capacity: the rate of\nright answers of a closed loop. False: a target that answers in time \
         is called down. Missed: a target\nthat does not is called up. Had CPU: refused although the \
         target does not answer in time and the\nexporter was throttled for less than a quarter of \
         the time.\n",
        timeout * 2.0
    );
    println!(
        "{:18} {:33} {:>5} {:>8} {:>7}{HEAD}   p50 s   p99 s   max s",
        "exporter", "condition", "load", "capacity", "goodput"
    );
}

/// Prints a row, and the causes of wrong and missing answers.
pub(super) fn print(cell: &Cell) {
    let tally = &cell.tally;
    let seconds = |percent| match quantile(&tally.latencies, percent) {
        Some(seconds) => format!("{seconds:8.3}"),
        None => format!("{:>8}", "-"),
    };
    println!(
        "{:18} {:33} {:>5} {:>6.0}/s {:>7.2}{}{}{}{}",
        cell.exporter,
        format!("{} millicores{}", cell.millicores, cell.trouble.title()),
        cell.load,
        cell.capacity,
        tally.goodput / cell.capacity,
        row(tally.total()),
        seconds(50),
        seconds(99),
        seconds(100),
    );
    let mut causes: Vec<_> = tally.causes.iter().collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (cause, count) in causes.iter().take(12) {
        println!("{count:>28} {cause}");
    }
    println!(
        "{:>28} µs of CPU time per scrape, scrapes up to {:.0} ms late",
        (tally.cpu.as_secs_f64() * 1e6 * ratio(1, total(tally.total()))).round(),
        tally.send_delay.as_secs_f64() * 1e3
    );
}

/// Prints the counts by prober and kind.
pub(super) fn print_summary(cells: &[Cell], contenders: &[Contender]) {
    for contender in contenders {
        let mut sums = BTreeMap::<(Prober, Kind), Counts>::new();
        for cell in cells.iter().filter(|cell| cell.exporter == contender.name) {
            for (key, counts) in &cell.tally.counts {
                *sums.entry(*key).or_default() += *counts;
            }
        }
        println!("\n{}: all conditions\n{:6} {:8}{HEAD}", contender.name, "prober", "target");
        for ((prober, kind), counts) in &sums {
            println!("{prober:6} {kind:8}{}", row(*counts));
        }
        for kind in Kind::ALL {
            let mut sum = Counts::default();
            sums.iter().filter(|((_, of), _)| *of == kind).for_each(|(_, counts)| sum += *counts);
            println!("{:6} {kind:8}{}", "all", row(sum));
        }
    }
}

fn row(counts: Counts) -> String {
    let Counts {
        right,
        false_failures,
        missed_failures,
        refused,
        refused_with_cpu,
        unanswered,
        discarded,
    } = counts;
    format!(
        "{right:>8}{false_failures:>8}{missed_failures:>8}{refused:>9}{:>10}{unanswered:>12}\
         {discarded:>11}",
        format!("({refused_with_cpu})")
    )
}

fn total(counts: Counts) -> usize {
    counts.right
        + counts.false_failures
        + counts.missed_failures
        + counts.refused
        + counts.unanswered
        + counts.discarded
}
