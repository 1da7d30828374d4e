//! Numbers as Go's text format prints them.

use std::fmt::Write as _;

/// Appends `value` in the shortest form that reads back the same, as Go's `%g` with the shortest
/// precision does: `1e-05`, `3.668918509e+09`, `NaN`, `+Inf`.
pub fn format_number(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        finite(out, value);
    }
}

/// Rust finds the same shortest digits as Go; only where the exponent form begins, and how an
/// exponent is written, differ.
fn finite(out: &mut String, value: f64) {
    // Most values are small whole numbers, whose digits are quickly found.
    if let Some(whole) = small_whole(value) {
        out.push_str(itoa::Buffer::new().format(whole));
        return;
    }
    // Writing to a String cannot fail.
    let magnitude = value.abs();
    if value == 0.0 || (1e-4..1e6).contains(&magnitude) {
        let _ = write!(out, "{value}");
        return;
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
}

/// The value as an integer, if it is one and is written as one.
#[expect(clippy::cast_possible_truncation, clippy::as_conversions, reason = "it is in range")]
fn small_whole(value: f64) -> Option<i32> {
    let is_whole =
        value.abs() < 1e6 && value.fract() == 0.0 && (value != 0.0 || value.is_sign_positive());
    is_whole.then_some(value as i32)
}

#[cfg(test)]
mod tests {
    use super::format_number;

    #[test]
    fn numbers_print_as_go_prints_them() {
        // The right column is what strconv.FormatFloat(f, 'g', -1, 64) is documented to give.
        let cases: [(f64, &str); 20] = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (1.1, "1.1"),
            (119.5, "119.5"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (1e-5, "1e-05"),
            (5e-324, "5e-324"),
            (100_000.0, "100000"),
            (999_999.0, "999999"),
            (999_999.9, "999999.9"),
            (1e6, "1e+06"),
            (3_668_918_509.0, "3.668918509e+09"),
            (-62_135_596_800.0, "-6.21355968e+10"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, expected) in cases {
            let mut out = String::new();
            format_number(&mut out, value);
            assert_eq!(out, expected, "{value:?}");
        }
    }
}
