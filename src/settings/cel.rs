//! Expressions in the Common Expression Language that judge a JSON body.

use std::{fmt, sync::Arc};

use cel::Program;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A compiled expression over the variable `body`.
///
/// Two are equal when their expressions are.
#[derive(Clone)]
pub struct CelProgram {
    compiled: Arc<Compiled>,
}

struct Compiled {
    expression: String,
    program: Program,
}

impl CelProgram {
    /// Compiles `expression`; the error says what is wrong with it.
    pub fn new(expression: &str) -> Result<Self, String> {
        let program = Program::compile(expression).map_err(|errors| errors.to_string())?;
        Ok(Self { compiled: Arc::new(Compiled { expression: expression.to_owned(), program }) })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.compiled.expression
    }

    /// What the expression says of the JSON document `json`.
    ///
    /// Runs for as long as the expression takes, so not on a thread that probes.
    pub fn evaluate(&self, json: &[u8]) -> Result<bool, String> {
        let document: serde_json::Value = serde_json::from_slice(json)
            .map_err(|error| format!("the body is not JSON: {error}"))?;
        let mut context = cel::Context::default();
        context.add_variable("body", document).map_err(|error| error.to_string())?;
        match self.compiled.program.execute(&context).map_err(|error| error.to_string())? {
            cel::Value::Bool(verdict) => Ok(verdict),
            _ => Err("the result is not a boolean".to_owned()),
        }
    }
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
