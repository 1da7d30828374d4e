//! The Prometheus text format, version 0.0.4.

use super::{Family, Sample, number::format_number};

pub(super) fn render(families: &[Family]) -> String {
    let mut families: Vec<&Family> = families.iter().collect();
    families.sort_by_key(|family| family.name);
    let mut out = String::with_capacity(families.len() * 160);
    for family in families {
        render_family(&mut out, family);
    }
    out
}

fn render_family(out: &mut String, family: &Family) {
    out.push_str("# HELP ");
    out.push_str(family.name);
    out.push(' ');
    escape(out, family.help, false);
    out.push_str("\n# TYPE ");
    out.push_str(family.name);
    out.push_str(" gauge\n");
    let mut samples: Vec<&Sample> = family.samples.iter().collect();
    samples.sort_by(|a, b| {
        let values = |(_, value): &'_ (_, String)| value.clone();
        a.labels.iter().map(values).cmp(b.labels.iter().map(values))
    });
    for sample in samples {
        render_sample(out, family.name, sample);
    }
}

fn render_sample(out: &mut String, name: &str, sample: &Sample) {
    out.push_str(name);
    let mut separator = '{';
    for (label, value) in &sample.labels {
        out.push(separator);
        push_label_name(out, label);
        out.push_str("=\"");
        escape(out, value, true);
        out.push('"');
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    out.push(' ');
    format_number(out, sample.value);
    out.push('\n');
}

/// Label names come from the configuration too; upstream escapes odd characters to `_`, as its
/// "underscores" scheme says.
fn push_label_name(out: &mut String, name: &str) {
    for (index, character) in name.chars().enumerate() {
        let legal = character == '_'
            || character.is_ascii_alphabetic()
            || (index > 0 && character.is_ascii_digit());
        out.push(if legal { character } else { '_' });
    }
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}
