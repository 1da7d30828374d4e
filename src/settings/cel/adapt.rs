//! Rewrites parsed expressions: upstream's results where the `cel` crate differs, and loops that
//! can be stopped.

use std::mem;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};

use crate::settings::regexp::Regexp;

/// `@has(x, "field")`: like `has(x.field)`, but false if `x` has no fields at all.
pub(super) const HAS: &str = "@has";
/// `@within(x, y)`: like `x in y`, but false if `y` is a map and `x` has a type that its keys
/// cannot have.
pub(super) const WITHIN: &str = "@within";
/// `@text(x)`: a double in Go's notation; any other value is returned unchanged.
pub(super) const TEXT: &str = "@text";
/// `@matches(text, pattern)`, with patterns in Go's syntax.
pub(super) const MATCHES: &str = "@matches";
/// `@running()`: true until the evaluation has to stop.
pub(super) const RUNNING: &str = "@running";

/// Rewrites `expression` and all its subexpressions. Returns the constant patterns, compiled.
///
/// The expression calls pattern number `n` as `@matches<n>(text)`.
pub(super) fn adapt(expression: &mut IdedExpr) -> Result<Vec<Regexp>, String> {
    let mut patterns = Vec::new();
    adapt_all(expression, &mut patterns)?;
    Ok(patterns)
}

fn adapt_all(expression: &mut IdedExpr, patterns: &mut Vec<Regexp>) -> Result<(), String> {
    for part in parts(&mut expression.expr) {
        adapt_all(part, patterns)?;
    }
    match &mut expression.expr {
        Expr::Select(select) if select.test => expression.expr = presence(select),
        Expr::Call(call) => adapt_call(call, patterns)?,
        Expr::Comprehension(comprehension) => {
            if let Some(body) = loop_body(&mut comprehension.loop_step) {
                stop_at_limit(body);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Returns the direct subexpressions of `expression`.
fn parts(expression: &mut Expr) -> Vec<&mut IdedExpr> {
    match expression {
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::Comprehension(comprehension) => vec![
            &mut comprehension.iter_range,
            &mut comprehension.accu_init,
            &mut comprehension.loop_cond,
            &mut comprehension.loop_step,
            &mut comprehension.result,
        ],
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => {
            let entries = map.entries.iter_mut();
            entries
                .flat_map(|entry| match &mut entry.expr {
                    EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
                    EntryExpr::StructField(field) => vec![&mut field.value],
                })
                .collect()
        }
        Expr::Select(select) => vec![&mut select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Vec::new(),
    }
}

fn presence(select: &mut SelectExpr) -> Expr {
    let operand = mem::take(&mut *select.operand);
    let field = LiteralValue::String(mem::take(&mut select.field).into());
    call(HAS, vec![operand, node(Expr::Literal(field))])
}

fn adapt_call(call: &mut CallExpr, patterns: &mut Vec<Regexp>) -> Result<(), String> {
    match (call.func_name.as_str(), call.args.as_mut_slice()) {
        ("string", [argument]) => {
            let plain = mem::take(argument);
            *argument = node(self::call(TEXT, vec![plain]));
        }
        ("@in", [_, _]) => WITHIN.clone_into(&mut call.func_name),
        ("matches", _) => {
            if let Some(text) = call.target.take() {
                call.args.insert(0, *text);
            }
            MATCHES.clone_into(&mut call.func_name);
            let Some(pattern) = call.args.pop() else { return Ok(()) };
            if let Expr::Literal(LiteralValue::String(pattern)) = &pattern.expr {
                call.func_name = format!("{MATCHES}{}", patterns.len());
                patterns.push(Regexp::new(pattern.inner()).map_err(|error| error.to_string())?);
            } else {
                call.args.push(pattern);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Returns the expression that a macro's loop evaluates for each element.
///
/// The step has the form `result && body`, `result || body`, `body ? … : result` or `result +
/// [body]`.
fn loop_body(step: &mut IdedExpr) -> Option<&mut IdedExpr> {
    let Expr::Call(step) = &mut step.expr else { return None };
    match (step.func_name.as_str(), step.args.as_mut_slice()) {
        ("_&&_" | "_||_", [_, body]) | ("_?_:_", [body, _, _]) => Some(body),
        ("_+_", [_, appended]) => match &mut appended.expr {
            Expr::List(list) => list.elements.first_mut(),
            _ => None,
        },
        _ => None,
    }
}

/// Makes `body` evaluate to false immediately when the evaluation has to stop.
fn stop_at_limit(body: &mut IdedExpr) {
    let plain = mem::take(body);
    let stopped = node(Expr::Literal(LiteralValue::Boolean(false.into())));
    *body = node(call("_?_:_", vec![node(call(RUNNING, Vec::new())), plain, stopped]));
}

fn call(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args })
}

fn node(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

/// Returns the maximum nesting depth of operations in `expression`.
pub(super) fn height(expression: &mut IdedExpr) -> usize {
    1 + parts(&mut expression.expr).into_iter().map(height).max().unwrap_or_default()
}
