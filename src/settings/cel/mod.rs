//! Expressions in the Common Expression Language (CEL) that check a JSON body.

mod adapt;
mod check;
mod functions;
mod json;
mod overloads;
mod types;

use std::{fmt, sync::Arc, thread, time::Instant};

use cel::{
    Value,
    common::{ast::IdedExpr, types::CelBool},
    parser::{ParseErrors, Parser},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{blocking::NoThread, settings::regexp::Regexp};

/// Maximum length of an expression in characters, as in upstream's library.
const MAX_LENGTH: usize = 100_000;
/// Maximum nesting of brackets and macros, as in upstream's library.
const MAX_NESTING: u16 = 250;
/// Maximum nesting of operations. Each operation of a chain like `a + b + c` counts.
const MAX_HEIGHT: usize = 500;
/// Maximum nesting that fits on the stack of every thread.
const MAX_SHALLOW_HEIGHT: usize = 24;
/// Stack size in bytes for expressions with deeper nesting.
const DEEP_STACK_SIZE: usize = 256 << 20;

/// Error message if the library panics.
const PANIC_MESSAGE: &str = "internal error in the CEL library";

/// A compiled expression with the variable `body`, the standard library and macros.
///
/// All numbers of the document are doubles. Numbers of different types are compared by value, but
/// cannot be used together in arithmetic.
///
/// Unlike upstream:
/// - A constant pattern that does not compile is an error at load. In upstream the evaluation
///   fails.
/// - `google.protobuf` messages cannot be constructed.
/// - The keys of a map literal are booleans, integers and strings. Convert numbers of the document:
///   `{int(body.a): 1}`.
/// - `timestamp()` also accepts lower-case `t` and `z`, and a space instead of `T`. `string()` of a
///   timestamp is in UTC. `duration()` does not accept the unit `µs`; write `us`.
/// - `existsOne` is an alias of `exists_one`.
/// - An evaluation fails if the document is longer than 16 MiB, has more than a million values or
///   more than 128 levels, or if macros visit more than five million elements.
///
/// Programs with equal expressions are equal.
#[derive(Clone)]
pub struct CelProgram {
    compiled: Arc<Compiled>,
}

struct Compiled {
    text: String,
    expression: IdedExpr,
    /// True if the evaluation needs a large stack.
    is_deep: bool,
    /// The constant patterns of calls to `matches`.
    patterns: Vec<Regexp>,
}

/// Returns the maximum memory that the evaluation of an expression over a JSON document takes for
/// its values, in bytes.
#[must_use]
pub fn memory_for(json: &[u8]) -> usize {
    // Each value, but the first, comes after one of these.
    let values = json.iter().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    TEXTS * json.len() + VALUE * values.min(json::MAX_VALUES)
}

/// Number of copies of the text of a document: in UTF-8, without surrogates, and in strings.
const TEXTS: usize = 4;

/// Maximum memory of a value besides its text, in bytes.
const VALUE: usize = 128;

impl CelProgram {
    /// Compiles `expression`. The error contains the position and the cause.
    pub fn new(expression: &str) -> Result<Self, String> {
        if expression.chars().nth(MAX_LENGTH).is_some() {
            return Err(format!("the expression is longer than {MAX_LENGTH} characters"));
        }
        let compiled =
            on_deep_stack(|| compile(expression)).map_err(|error| error.to_string())??;
        Ok(Self { compiled: Arc::new(compiled) })
    }

    /// Returns the expression as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.compiled.text
    }

    /// Evaluates the expression on the JSON document `json`.
    ///
    /// Blocks the thread, at most until `deadline` if a macro runs long. Fails if the document is
    /// invalid, a step fails or the result is not a boolean.
    pub fn evaluate(&self, json: &[u8], deadline: Instant) -> Result<bool, EvaluationError> {
        let evaluate = || self.compiled.evaluate(json, deadline);
        let result = if self.compiled.is_deep { on_deep_stack(evaluate)? } else { evaluate() };
        result.map_err(EvaluationError::Failed)
    }
}

/// The error of an evaluation.
#[derive(Debug, Error)]
pub enum EvaluationError {
    /// Document and expression do not fit.
    #[error("{0}")]
    Failed(String),
    /// The evaluation needs a thread, and none can be started.
    #[error(transparent)]
    NoThread(#[from] NoThread),
}

impl Compiled {
    fn evaluate(&self, json: &[u8], deadline: Instant) -> Result<bool, String> {
        let document = json::read(json)?;
        let budget = functions::Budget::until(deadline);
        let mut context = functions::context(&self.patterns, &budget)?;
        context.add_variable_as_val(check::VARIABLE, document);
        let result = Value::resolve_val(&self.expression, &context);
        budget.check()?;
        let result = result.map_err(|error| format!("the evaluation failed: {error}"))?;
        match result.downcast_ref::<CelBool>() {
            Some(verdict) => Ok(*verdict.inner()),
            None => Err(format!("expected a boolean result, found {}", result.get_type().name())),
        }
    }
}

fn compile(text: &str) -> Result<Compiled, String> {
    let parser = Parser::new().max_recursion_depth(MAX_NESTING);
    let (mut expression, source) =
        parser.parse_with_source_info(text).map_err(|errors| syntax_error(&errors))?;
    let height = adapt::height(&mut expression);
    if height > MAX_HEIGHT {
        return Err(format!("the expression has more than {MAX_HEIGHT} nested operations"));
    }
    check::check(&expression, &source)?;
    let patterns = adapt::adapt(&mut expression)?;
    Ok(Compiled {
        text: text.to_owned(),
        expression,
        is_deep: height > MAX_SHALLOW_HEIGHT,
        patterns,
    })
}

/// Returns the first error. The crate's own text repeats the expression for each error.
fn syntax_error(errors: &ParseErrors) -> String {
    let Some(first) = errors.errors.first() else { return "syntax error".to_owned() };
    if first.msg.contains("Recursion limit") {
        return "the expression is nested too deeply".to_owned();
    }
    let (line, column) = first.pos;
    format!("{line}:{column}: {}", first.msg)
}

/// Runs `work` on a thread with a large stack.
fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, EvaluationError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(DEEP_STACK_SIZE);
        let thread = thread.spawn_scoped(scope, work).map_err(NoThread)?;
        thread.join().map_err(|_| EvaluationError::Failed(PANIC_MESSAGE.to_owned()))
    })
}

impl fmt::Debug for CelProgram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CelProgram").field(&self.as_str()).finish()
    }
}

impl fmt::Display for CelProgram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl PartialEq for CelProgram {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for CelProgram {}

impl<'de> Deserialize<'de> for CelProgram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expression = String::deserialize(deserializer)?;
        Self::new(&expression).map_err(|error| {
            de::Error::custom(format!(
                "\"Could not compile CEL program\" expression=\"{expression}\": {error}"
            ))
        })
    }
}

impl Serialize for CelProgram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// A line of the table: an expression, and the result of blackbox\_exporter 0.28.0.
    ///
    /// `here` is the result of this implementation if it differs; [`CelProgram`] documents the
    /// reason.
    #[derive(Deserialize)]
    #[serde(untagged, deny_unknown_fields)]
    enum Line {
        /// The document for the following expressions.
        Document { document: String },
        Expression {
            expression: String,
            json: Option<String>,
            outcome: Outcome,
            here: Option<Outcome>,
        },
    }

    #[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Outcome {
        Verdict(bool),
        Failure(Failure),
    }

    #[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Failure {
        /// At load.
        Refused,
        /// At evaluation.
        Error,
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(10)
    }

    fn outcome(expression: &str, json: &str) -> Outcome {
        match CelProgram::new(expression) {
            Err(_) => Outcome::Failure(Failure::Refused),
            Ok(program) => match program.evaluate(json.as_bytes(), soon()) {
                Ok(verdict) => Outcome::Verdict(verdict),
                Err(_) => Outcome::Failure(Failure::Error),
            },
        }
    }

    #[test]
    fn expressions_evaluate_like_upstream() {
        let mut common = String::new();
        for line in include_str!("recorded_from_upstream.jsonl").lines() {
            match serde_json::from_str(line).unwrap() {
                Line::Document { document } => common = document,
                Line::Expression { expression, json, outcome: recorded, here } => {
                    let json = json.as_deref().unwrap_or(&common);
                    let expected = here.unwrap_or(recorded);
                    assert_eq!(outcome(&expression, json), expected, "{expression} over {json}");
                }
            }
        }
    }

    #[test]
    fn errors_contain_position_and_cause() {
        for (expression, reason) in [
            ("", "mismatched input"),
            ("body.a ==", "1:10: "),
            ("body.a == b", "1:11: undeclared reference to 'b'"),
            ("true &&\n body.trim()", "2:11: undeclared reference to 'trim'"),
            ("1 == 1.0", "1:3: found no matching overload for '_==_' applied to '(int, double)'"),
            (
                "'a'.contains(1)",
                "found no matching overload for 'contains' applied to 'string.(int)'",
            ),
            ("body.s.matches('[')", "missing closing ]"),
            ("1.all(x, true)", "1:1: type 'int' has no elements"),
            ("'a'.b", "type 'string' does not support field selection"),
        ] {
            let error = CelProgram::new(expression).unwrap_err();
            assert!(error.contains(reason), "{expression}: {error}");
        }
    }

    #[test]
    fn limits_length_and_depth() {
        let nested = |levels: usize| format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
        let sum = |terms: usize| format!("1{} > 0", " + 1".repeat(terms));
        assert_eq!(outcome(&nested(200), "{}"), Outcome::Verdict(true));
        assert_eq!(outcome(&sum(200), "{}"), Outcome::Verdict(true));
        let alternatives: Vec<_> = (0..300).map(|number| format!("body == {number}")).collect();
        assert_eq!(outcome(&alternatives.join(" || "), "299"), Outcome::Verdict(true));
        for expression in [nested(300), nested(30_000), sum(600), sum(10_000), "x".repeat(100_001)]
        {
            assert_eq!(outcome(&expression, "{}"), Outcome::Failure(Failure::Refused));
        }
    }

    #[test]
    fn limits_evaluation_time() {
        let json = format!("[{}1]", "1,".repeat(9_999));
        let loops = CelProgram::new("body.all(x, body.all(y, x == y))").unwrap();
        let error = loops.evaluate(json.as_bytes(), Instant::now()).unwrap_err();
        assert!(error.to_string().contains("deadline"), "{error}");
        let filters = CelProgram::new("body.filter(x, x == 2).map(x, x) == []").unwrap();
        assert!(filters.evaluate(json.as_bytes(), soon()).unwrap());
    }

    #[test]
    fn expressions_serialize_as_text() {
        let program: CelProgram = serde_json::from_str(r#""body.a == 1""#).unwrap();
        assert_eq!(program, CelProgram::new("body.a == 1").unwrap());
        assert_eq!(serde_json::to_string(&program).unwrap(), r#""body.a == 1""#);
        let error = serde_json::from_str::<CelProgram>(r#""x""#).unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Could not compile CEL program\" expression=\"x\": 1:1: undeclared reference to 'x'"
        );
    }

    /// Strings that are valid expressions more often than random ones.
    fn expression_like() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "body",
            ".a",
            ".b",
            "[0]",
            "['a']",
            " == ",
            " < ",
            " + ",
            " && ",
            " || ",
            " ? ",
            " : ",
            " in ",
            "!",
            "-",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            "1",
            "2.5",
            "'a'",
            "null",
            "true",
            ".all(x, ",
            ".map(x, ",
            ".filter(x, ",
            "x",
            "has(",
            "size(",
            "string(",
            ".matches('a')",
            "type(",
            "é",
            "\"",
        ]);
        prop::collection::vec(part, 1..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_expression_over_any_body_has_an_outcome(
            expression in prop_oneof![any::<String>(), expression_like()],
            body in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                Just(br#"{"a": [1, "x", null], "b": {"a": true}}"#.to_vec()),
                Just(b"[[1, 2], {\"a\": 3}]".to_vec()),
            ],
        ) {
            match CelProgram::new(&expression) {
                Ok(program) => drop(program.evaluate(&body, soon())),
                Err(error) => prop_assert!(!error.contains(PANIC_MESSAGE), "{expression}: {error}"),
            }
        }
    }
}
