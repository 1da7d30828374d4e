use std::time::Duration;

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use super::{
    super::{MAX_PATTERN, Secrets},
    *,
};

const HIDDEN: &str = "<secret>";

fn redactor(secrets: &[impl AsRef<[u8]>]) -> Redactor {
    let recorded = Secrets::default();
    for secret in secrets {
        recorded.note(secret.as_ref(), HIDDEN);
    }
    recorded.take(&[], HIDDEN)
}

fn redacted(secrets: &[impl AsRef<[u8]>], text: &str) -> String {
    let mut text = text.to_owned();
    redactor(secrets).redact(&mut text);
    text
}

#[test]
fn secrets_are_replaced_in_every_form() {
    for (secrets, text, expected) in [
        (&["hunter2"][..], "I heard hunter2, hunter2!", "I heard <secret>, <secret>!"),
        (&["hunter", "hunter2"], "hunter2", "<secret>"),
        (&["a \"b\""], r#"got "a \"b\"""#, "got \"<secret>\""),
        (&["p\u{e4}ss"], r"got p\xc3\xa4ss", "got <secret>"),
        (&["p\u{e4}ss"], r"got p\u{e4}ss or p%c3%A4ss", "got <secret> or <secret>"),
        (&["a/b c"], "?x=a%2Fb+c&y=a%2Fb%20c&z=a/b%20c", "?x=<secret>&y=<secret>&z=<secret>"),
        (&["a+b=c"], "?x=a+b%3dc", "?x=<secret>"),
        (&["abc"], "abc", "abc"),
        (&["secret"], "<secret> and secret", "<secret> and secret"),
        (&["hunter2"], "hunter2hunter2", "<secret><secret>"),
        // Each byte of a secret is replaced, also if secrets overlap or contain each other.
        (&["abcdef", "defghi"], "abcdefghi.", "<secret>."),
        (&["abcdef", "cdef", "efgh"], "abcdefgh.", "<secret>."),
        (&["aaaa"], "baaaaab", "b<secret>b"),
        (&["a\nb\0c"], r"a\nb\0c", "<secret>"),
    ] {
        assert_eq!(redacted(secrets, text), expected, "{secrets:?}");
    }
    let binary = b"\xff\x00key\xfe";
    for text in [
        format!("{}", crate::diagnostics::log::Quoted(binary)),
        binary.escape_ascii().to_string(),
        String::from_utf8_lossy(binary).into_owned(),
    ] {
        assert_eq!(redacted(&[binary], &text).trim_matches('"'), HIDDEN, "{text}");
    }
}

#[test]
fn a_long_secret_is_replaced_to_its_end() {
    let long = (1000..2000).map(|number| number.to_string()).collect::<String>();
    let beginning = |length| long.get(..length).unwrap();
    let similar = beginning(MAX_PATTERN - 1);
    for (text, expected) in [
        (format!("<{long}>"), "<<secret>>".to_owned()),
        (format!("<{long}{long}>"), "<<secret><secret>>".to_owned()),
        (format!("<{}", beginning(2000)), "<<secret>".to_owned()),
        (format!("\\\"{long}\\\""), "\\\"<secret>\\\"".to_owned()),
        (format!("\"{}… (4000 bytes)", beginning(20)), "\"<secret>… (4000 bytes)".to_owned()),
        (similar.to_owned(), similar.to_owned()),
    ] {
        assert_eq!(redacted(&[&long], &text), expected, "{text}");
    }
}

#[test]
fn prefixes_of_secrets_are_replaced_at_the_end_of_a_quotation() {
    for (secrets, text, expected) in [
        (&["hunter2"][..], r#"got "login: hunt" (4"#, r#"got "login: <secret>" (4"#),
        (&["hunter2"], "hunter… (9 bytes)", "<secret>… (9 bytes)"),
        (&["hunter2"], r#""hunte"; "hunt""#, r#""<secret>"; "<secret>""#),
        (&["hunter2"], r#"the hunt is "hun" on"#, r#"the hunt is "hun" on"#),
        (&["h\u{fc}nter"], "\"x h\u{fc}nt\"", "\"x <secret>\""),
        (&["h\u{fc}nter"], r#""x h\xc3\xbcnt""#, "\"x <secret>\""),
        // The secret itself contains a quotation mark.
        (&["ab\"cd\"efgh"], r#""ab\"cd\"ef""#, r#""<secret>""#),
        (&["secretly"], r#""secret" and "secretl""#, r#""secret" and "<secret>""#),
        (&[], r#""hunt""#, r#""hunt""#),
    ] {
        let mut shown = text.to_owned();
        redactor(secrets).redact_failure(&mut shown);
        assert_eq!(shown, expected, "{text}");
    }
    assert_eq!(redacted(&["hunter2"], r#""hunt" hunt…"#), r#""hunt" <secret>…"#);
}

/// Servers repeat data of requests in these forms.
#[test]
fn secrets_are_replaced_however_often_they_are_encoded() {
    let percent = |text: &str| -> String {
        let encode = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(encode).collect()
    };
    let json = |text: &str| -> String {
        let encode = |it: char| match it {
            '"' | '\\' => format!("\\{it}"),
            'a'..='z' | '0'..='9' | '%' | ';' | '#' => it.to_string(),
            _ => {
                let mut units = [0; 2];
                let units = it.encode_utf16(&mut units).iter();
                units.map(|it| format!("\\u{it:04x}")).collect::<Vec<_>>().concat()
            }
        };
        text.chars().map(encode).collect()
    };
    let html = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        text.replace('\'', "&#39;").replace('\\', "&#x5c;")
    };
    let encoders: [&dyn Fn(&str) -> String; 3] = [&percent, &json, &html];
    for secret in
        ["a&b<c>\"d'\\n/e f+g", "100%41%2f%zz%", "&amp;\\u0041&#65;", "Gr\u{fc}\u{df}e \u{1f600}"]
    {
        let mut texts =
            vec![secret.to_owned(), secret.to_ascii_lowercase(), secret.to_ascii_uppercase()];
        for _ in 0..3 {
            texts = texts.iter().flat_map(|text| encoders.map(|encode| encode(text))).collect();
            for text in &texts {
                let text = format!("[{text}].");
                assert_eq!(redacted(&[secret], &text), "[<secret>].", "{text}");
            }
        }
    }
}

#[test]
fn secrets_are_replaced_in_other_encodings_of_characters() {
    let secret = "h\u{fc}nter2";
    let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin1 = b"h\xfcnter2";
    for text in [
        latin1.escape_ascii().to_string(),
        String::from_utf8_lossy(latin1).into_owned(),
        "h\u{c3}\u{bc}nter2".to_owned(),
        r"h\u00c3\u00bcnter2".to_owned(),
        "H%C3%BCNTER2".to_owned(),
        "HUNTER2".replace('U', "\u{fc}"),
        "h%FCnter2".to_owned(),
    ] {
        assert_eq!(redacted(&[secret], &text), HIDDEN, "{text}");
    }
    assert_eq!(redacted(&[secret], &utf16.escape_ascii().to_string()), HIDDEN);
}

#[test]
fn the_beginning_of_a_secret_is_replaced_where_a_text_is_cut_within_an_escape() {
    for (secret, text) in [
        ("hunt/er2", "hunt%"),
        ("hunt/er2", "hunt%2"),
        ("hunt/er2", "hunt%252"),
        ("hunt/er2", r"hunt\u00"),
        ("hunt/er2", r"hunt\\u00"),
        ("hunt&er2", "hunt&am"),
        ("hunt&er2", "hunt&amp;#3"),
        ("hunt\u{fc}er2", "hunt\u{fffd}"),
        ("hunt%er2", "hunt%2"),
    ] {
        let mut quoted = format!("got \"{text}\" (4)");
        redactor(&[secret]).redact_failure(&mut quoted);
        assert_eq!(quoted, "got \"<secret>\" (4)", "{text}");
        for end in ["\u{2026} (9 bytes)", "\"\u{2026} (9 bytes)"] {
            assert_eq!(redacted(&[secret], &format!("{text}{end}")), format!("<secret>{end}"));
        }
        assert_eq!(redacted(&[secret], &format!("{text} x\u{2026}")), format!("{text} x\u{2026}"));
    }
}

/// Returns which bytes of `text` belong to an occurrence of a secret.
fn covered(secrets: &[String], text: &str) -> Vec<bool> {
    let mut covered = vec![false; text.len()];
    for secret in secrets.iter().filter(|secret| secret.len() >= MIN_SECRET) {
        for start in 0..text.len() {
            if text.as_bytes()[start..].starts_with(secret.as_bytes()) {
                covered[start..start + secret.len()].fill(true);
            }
        }
    }
    covered
}

proptest! {
    #[test]
    fn exactly_the_bytes_of_secrets_are_replaced(
        secrets in proptest::collection::vec("[ab]{1,12}", 0..8),
        text in "[abc]{0,60}",
    ) {
        let kept: String = covered(&secrets, &text)
            .iter()
            .zip(text.chars())
            .filter_map(|(is_secret, character)| (!is_secret).then_some(character))
            .collect();
        prop_assert_eq!(redacted(&secrets, &text).replace(HIDDEN, ""), kept);
    }

    /// Each character in a form of its own.
    #[test]
    fn secrets_in_mixed_forms_are_replaced(
        characters in proptest::collection::vec(("[a-zA-Z0-9<\"'/=+ ;#]", 0..10_usize), 4..20),
    ) {
        let secret: String = characters.iter().map(|(character, _)| character.as_str()).collect();
        let encode = |(character, form): &(String, usize)| {
            let code = u32::from(character.chars().next().unwrap());
            match form {
                0 => format!("%{code:02x}"),
                1 => format!("%25{code:02X}"),
                2 => format!("%2525{code:02x}"),
                3 => format!("\\u{code:04x}"),
                4 => format!("\\\\u{code:04X}"),
                5 => format!("%5Cx{code:02x}"),
                6 => format!("&#{code};"),
                7 => format!("&amp;#x{code:x};"),
                8 => format!("\\u0026#{code};"),
                _ => character.clone(),
            }
        };
        let text: String = characters.iter().map(encode).collect();
        prop_assert_eq!(redacted(&[secret], &format!("[{text}]")), "[<secret>]");
    }

    #[test]
    fn no_text_breaks_it(
        secrets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..8),
        text in r#"(\PC|["…\\%+]|\\x[0-9a-f]{2}|\\u\{[0-9a-f]{0,7}\}){0,60}"#,
    ) {
        let mut text = text;
        redactor(&secrets).redact_failure(&mut text);
    }
}

/// CPU time of this thread, which other tests do not lengthen.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.try_into().unwrap())
}

/// The cost does not depend on the number of secrets, and is proportional to the text.
#[test]
fn hostile_secrets_and_texts_take_linear_time() {
    let same: Vec<_> = (MIN_SECRET..200).map(|length| "a".repeat(length)).collect();
    let distinct: Vec<_> = (0..1000_u64)
        .map(|number| format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let quotes = "\"\u{2026}".repeat(64 << 10);
    let time = |secrets: &[String], text: &str| {
        let redactor = redactor(secrets);
        let mut text = text.to_owned();
        let start = cpu_time();
        redactor.redact_failure(&mut text);
        cpu_time().saturating_sub(start)
    };
    let one = time(&["abcdefgh".to_owned()], &"a".repeat(256 << 10));
    for (secrets, text) in [
        (&same, &"a".repeat(256 << 10)),
        (&same, &"aaaaa\"".repeat(43 << 10)),
        (&distinct, &distinct.concat().repeat(16)),
        (&vec![quotes.clone()], &quotes),
        (&vec!["\"\"\"\"\"\"".to_owned()], &quotes),
    ] {
        let took = time(secrets, text);
        assert!(took < one * 100, "{took:?}, where a plain text takes {one:?}");
    }
}
