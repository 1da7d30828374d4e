//! The results as text.

use super::{
    condition::Condition,
    results::{Cell, Results, shared_errors},
};
use accuracy::{Reading, statistics::Statistics};

const HEAD: &str = "     p50 ms  p90 ms  p99 ms  max ms   >1 ms  >10 ms      n";

/// Prints a row for each exporter, reading and delay.
pub(super) fn print(condition: Condition, cells: &[Cell]) {
    println!("\n{}: measurement errors", condition.title());
    println!("{:18} {:16} {:>5}{HEAD}  failed  discarded", "exporter", "reading", "delay");
    // One below the other, what is to be compared.
    let mut rows: Vec<_> = cells.iter().collect();
    rows.sort_by_key(|cell| {
        (Reading::ALL.iter().position(|reading| *reading == cell.reading), cell.delay)
    });
    for cell in rows {
        let statistics = cell.statistics();
        if statistics.is_none() && cell.failed == 0 {
            continue;
        }
        println!(
            "{:18} {:16} {:>5}{}{:>8}{:>11}",
            cell.exporter,
            cell.reading,
            cell.delay,
            row(statistics),
            cell.failed,
            cell.discarded
        );
        if let Some(why) = &cell.failure {
            println!("    first failure: {why}");
        }
    }
}

/// Prints what matters of each condition, over all readings and delays.
pub(super) fn print_summary(results: &Results) {
    println!(
        "\nAll readings that both exporters have (without tcp query).\n\
         The true time of tls excludes cryptography of the exporter; an exporter that includes it\n\
         has a larger error. The second row of each pair excludes tls.\n"
    );
    println!("{:26} {:25}{HEAD}", "condition", "exporter");
    for (condition, cells) in &results.conditions {
        for exporter in &results.exporters {
            for (with_tls, which) in [(true, ""), (false, ", no tls")] {
                let statistics = Statistics::of(shared_errors(cells, exporter, with_tls));
                let name = format!("{exporter}{which}");
                println!("{:26} {name:25} {}", condition.title(), row(statistics));
            }
        }
    }
}

fn row(statistics: Option<Statistics>) -> String {
    let Some(it) = statistics else { return format!("{:>58}", "no readings") };
    let ms = |seconds: f64| format!("{:8.3}", seconds * 1e3);
    format!(
        "   {}{}{}{}{:>7.2}%{:>7.2}%{:>7}",
        ms(it.p50),
        ms(it.p90),
        ms(it.p99),
        ms(it.max),
        it.over_1ms * 100.0,
        it.over_10ms * 100.0,
        it.count
    )
}
