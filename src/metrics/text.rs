//! The Prometheus text format, version 0.0.4.

use memchr::{memchr2, memchr3};

use super::{Sample, number::format_number};

pub(super) fn render(samples: &[Sample]) -> String {
    let mut samples: Vec<&Sample> = samples.iter().collect();
    samples.sort_by(|a, b| a.name.cmp(b.name).then_with(|| label_values(a).cmp(label_values(b))));
    let mut out = String::with_capacity(samples.len() * 160);
    let mut family = "";
    for sample in samples {
        if family != sample.name {
            family = sample.name;
            render_family(&mut out, sample);
        }
        render_sample(&mut out, sample);
    }
    out
}

fn label_values(sample: &Sample) -> impl Iterator<Item = &str> {
    sample.labels.iter().map(|(_, value)| value.as_str())
}

fn render_family(out: &mut String, Sample { name, help, .. }: &Sample) {
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    escape(out, help, false);
    out.push_str("\n# TYPE ");
    out.push_str(name);
    out.push_str(" gauge\n");
}

fn render_sample(out: &mut String, sample: &Sample) {
    out.push_str(sample.name);
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

fn escape(out: &mut String, mut text: &str, quotes: bool) {
    // Nearly all text is plain, and is taken over as a whole.
    let special = |text: &str| {
        if quotes {
            memchr3(b'\\', b'\n', b'"', text.as_bytes())
        } else {
            memchr2(b'\\', b'\n', text.as_bytes())
        }
    };
    while let Some(position) = special(text) {
        let (plain, rest) = text.split_at(position);
        out.push_str(plain);
        let mut rest = rest.chars();
        match rest.next() {
            Some('\n') => out.push_str("\\n"),
            Some(other) => out.extend(['\\', other]),
            None => {}
        }
        text = rest.as_str();
    }
    out.push_str(text);
}
