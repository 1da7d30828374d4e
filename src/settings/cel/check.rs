//! Type checker: finds unknown names and type errors in an expression.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, SelectExpr,
    SourceInfo,
};

use super::{
    overloads::{self, Mismatch},
    types::{self, Simple, Type},
};

/// The only variable at the top level of an expression.
pub(super) const VARIABLE: &str = "body";

/// Checks `expression`; `source` has the positions for error messages.
pub(super) fn check(expression: &IdedExpr, source: &SourceInfo) -> Result<(), String> {
    let variables = vec![(VARIABLE.to_owned(), Type::DYN)];
    Checker { source, variables }.type_of(expression).map(drop)
}

struct Checker<'s> {
    source: &'s SourceInfo,
    /// The variables in scope, innermost last.
    variables: Vec<(String, Type)>,
}

impl Checker<'_> {
    fn type_of(&mut self, expression: &IdedExpr) -> Result<Type, String> {
        match &expression.expr {
            Expr::Literal(literal) => Ok(literal_type(literal)),
            Expr::Ident(name) => self.name(expression, name),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) => self.call(expression, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let elements: Vec<_> = list.elements.iter().collect();
                Ok(Type::List(Box::new(self.join(&elements)?)))
            }
            Expr::Map(map) => self.map(expression, map),
            Expr::Struct(_) => {
                Err(self.error(expression, "construction of messages is not supported"))
            }
            Expr::Unspecified => Err(self.error(expression, "incomplete expression")),
        }
    }

    fn map(&mut self, expression: &IdedExpr, map: &MapExpr) -> Result<Type, String> {
        let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => Some((&entry.key, &entry.value)),
            EntryExpr::StructField(_) => None,
        });
        let (keys, values): (Vec<_>, Vec<_>) = entries.unzip();
        let key = self.join(&keys)?;
        if !key.is_key() {
            return Err(self.error(expression, &format!("type '{key}' cannot be a map key")));
        }
        Ok(Type::Map(Box::new(key), Box::new(self.join(&values)?)))
    }

    /// Returns the common type of several expressions.
    fn join(&mut self, expressions: &[&IdedExpr]) -> Result<Type, String> {
        let mut joined = Type::UNBOUND;
        for expression in expressions {
            joined = joined.or(self.type_of(expression)?);
        }
        Ok(joined)
    }

    fn name(&self, expression: &IdedExpr, name: &str) -> Result<Type, String> {
        let known = match name.strip_prefix('.') {
            // A leading dot means the top level, without the variables of macros.
            Some(name) => (name == VARIABLE).then_some(Type::DYN),
            None => self
                .variables
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map(|(_, known)| known.clone()),
        };
        let is_type =
            || types::is_type_name(name.trim_start_matches('.')).then_some(Simple::Type.into());
        known.or_else(is_type).ok_or_else(|| self.undeclared(expression, name))
    }

    fn select(&mut self, expression: &IdedExpr, select: &SelectExpr) -> Result<Type, String> {
        if qualified_name(expression).is_some_and(|name| types::is_type_name(&name)) {
            return Ok(Simple::Type.into());
        }
        let value = match self.type_of(&select.operand)? {
            Type::Map(_, value) => *value,
            Type::Simple(Simple::Dyn | Simple::Unbound) => Type::DYN,
            other @ (Type::Simple(_) | Type::List(_)) => {
                let reason = format!("type '{other}' does not support field selection");
                return Err(self.error(expression, &reason));
            }
        };
        Ok(if select.test { Simple::Bool.into() } else { value })
    }

    fn call(&mut self, expression: &IdedExpr, call: &CallExpr) -> Result<Type, String> {
        let name = &call.func_name;
        let operands = call.target.as_deref().into_iter().chain(&call.args);
        // An unknown function is reported before errors in its arguments.
        if let Err(Mismatch::Unknown) = overloads::call(name, false, &[]) {
            return Err(self.undeclared(expression, name));
        }
        let operands =
            operands.map(|operand| self.type_of(operand)).collect::<Result<Vec<_>, _>>()?;
        overloads::call(name, call.target.is_some(), &operands).map_err(|_| {
            let (receiver, arguments) = match operands.split_first() {
                Some((receiver, arguments)) if call.target.is_some() => {
                    (format!("{receiver}."), arguments)
                }
                _ => (String::new(), operands.as_slice()),
            };
            let arguments: Vec<_> = arguments.iter().map(Type::to_string).collect();
            let applied = format!("{receiver}({})", arguments.join(", "));
            let reason = format!("found no matching overload for '{name}' applied to '{applied}'");
            self.error(expression, &reason)
        })
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Result<Type, String> {
        let element = match self.type_of(&comprehension.iter_range)? {
            Type::List(element) => *element,
            Type::Map(key, _) => *key,
            Type::Simple(Simple::Dyn | Simple::Unbound) => Type::DYN,
            other @ Type::Simple(_) => {
                let reason = format!("type '{other}' has no elements");
                return Err(self.error(&comprehension.iter_range, &reason));
            }
        };
        let accumulator = self.type_of(&comprehension.accu_init)?;
        let outer = self.variables.len();
        self.variables.push((comprehension.accu_var.clone(), accumulator));
        self.variables.push((comprehension.iter_var.clone(), element));
        let checked = self
            .type_of(&comprehension.loop_cond)
            .and_then(|_| self.type_of(&comprehension.loop_step))
            .and_then(|step| {
                // The type of the elements of a new list is known after the step only.
                self.variables.push((comprehension.accu_var.clone(), step));
                self.type_of(&comprehension.result)
            });
        self.variables.truncate(outer);
        checked
    }

    fn undeclared(&self, expression: &IdedExpr, name: &str) -> String {
        self.error(expression, &format!("undeclared reference to '{name}'"))
    }

    fn error(&self, expression: &IdedExpr, reason: &str) -> String {
        let Some((start, _)) = self.source.offset_for(expression.id) else {
            return reason.to_owned();
        };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let before: Vec<char> = self.source.source.chars().take(start).collect();
        let line = before.iter().filter(|character| **character == '\n').count() + 1;
        let column = before.iter().rev().take_while(|character| **character != '\n').count() + 1;
        format!("{line}:{column}: {reason}")
    }
}

fn literal_type(literal: &LiteralValue) -> Type {
    let simple = match literal {
        LiteralValue::Boolean(_) => Simple::Bool,
        LiteralValue::Bytes(_) => Simple::Bytes,
        LiteralValue::Double(_) => Simple::Double,
        LiteralValue::Int(_) => Simple::Int,
        LiteralValue::Null => Simple::Null,
        LiteralValue::String(_) => Simple::String,
        LiteralValue::UInt(_) => Simple::Uint,
    };
    simple.into()
}

/// Returns `a.b.c` if an expression is only a qualified name.
fn qualified_name(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.trim_start_matches('.').to_owned()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", qualified_name(&select.operand)?, select.field))
        }
        _ => None,
    }
}
