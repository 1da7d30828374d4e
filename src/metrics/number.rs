//! Numbers in the format of Go.

/// Appends `value` with the fewest digits that parse to the same value, like `%g` of Go with the shortest
/// precision: `1e-05`, `3.668918509e+09`, `NaN`, `+Inf`.
pub fn format_number(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if let Some(whole) = small_whole(value) {
        // Fast path: most values are small integers.
        out.push_str(itoa::Buffer::new().format(whole));
    } else {
        if value.is_sign_negative() {
            out.push('-');
        }
        positive(out, value.abs());
    }
}

/// zmij returns the same shortest digits as Go. Only the exponent form differs.
fn positive(out: &mut String, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    if value == 0.0 || (1e-4..1e6).contains(&value) {
        out.push_str(text.strip_suffix(".0").unwrap_or(text));
    } else {
        scientific(out, text);
    }
}

/// Rewrites a number such as `0.000012`, `1234567.0` or `1.2e-7` with one digit before the point.
fn scientific(out: &mut String, text: &str) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let point = mantissa.find('.').unwrap_or(mantissa.len());
    let first = mantissa.find(|digit| digit != '0' && digit != '.').unwrap_or(0);
    let significant = mantissa.get(first..).unwrap_or_default().trim_end_matches(['0', '.']);
    let (digit, others) = significant.split_at_checked(1).unwrap_or((significant, ""));
    out.push_str(digit);
    if !others.is_empty() {
        out.push('.');
        out.extend(others.split('.'));
    }
    // Move the point after the first digit.
    let moved = if first < point { distance(first + 1, point) } else { -distance(point, first) };
    let exponent = exponent.parse().unwrap_or(0) + moved;
    out.push_str(if exponent < 0 { "e-" } else { "e+" });
    if exponent.abs() < 10 {
        out.push('0');
    }
    out.push_str(itoa::Buffer::new().format(exponent.abs()));
}

fn distance(from: usize, to: usize) -> i32 {
    i32::try_from(to - from).unwrap_or(0)
}

/// Returns the value as an integer, if it is one and is written without an exponent.
#[expect(clippy::cast_possible_truncation, clippy::as_conversions, reason = "it is in range")]
fn small_whole(value: f64) -> Option<i32> {
    let is_whole =
        value.abs() < 1e6 && value.fract() == 0.0 && (value != 0.0 || value.is_sign_positive());
    is_whole.then_some(value as i32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::format_number;

    fn formatted(value: f64) -> String {
        let mut out = String::new();
        format_number(&mut out, value);
        out
    }

    #[test]
    fn numbers_print_as_go_prints_them() {
        // The right column is the documented result of strconv.FormatFloat(f, 'g', -1, 64).
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
            assert_eq!(formatted(value), expected, "{value:?}");
        }
    }

    /// Returns the expected text, built from the shortest digits of the standard library.
    fn expected(value: f64) -> String {
        if value == 0.0 || (1e-4..1e6).contains(&value.abs()) {
            return value.to_string();
        }
        let scientific = format!("{value:e}");
        let (mantissa, exponent) = scientific.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:0>2}", exponent.abs())
    }

    #[test]
    fn of_two_shortest_texts_the_even_one_is_taken() {
        assert_eq!(
            formatted(f64::from_bits(14_043_101_704_360_339_476)),
            "-1.6817705770323262e+14"
        );
    }

    proptest! {
        #[test]
        fn any_number_has_its_shortest_digits(
            bits in any::<u64>(),
            mantissa in -100_000_i32..100_000,
            exponent in -30_i32..30,
        ) {
            let short = f64::from(mantissa) * 10_f64.powi(exponent);
            for value in [f64::from_bits(bits), short, f64::from(mantissa) / 1e9] {
                if value.is_finite() {
                    let (found, expected) = (formatted(value), expected(value));
                    // Of two equally near shortest texts the even one is correct; the standard library may
                    // return the other one.
                    prop_assert_eq!(found.parse(), Ok(value));
                    prop_assert_eq!(found.len(), expected.len(), "{} {}", found, expected);
                }
            }
        }
    }
}
