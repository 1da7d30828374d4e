//! The functions that expressions are rewritten to call, and what bounds an evaluation.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Instant,
};

use cel::{
    Context, Env, ExecutionError,
    common::{
        types::{
            CelBool, CelDouble, CelDuration, CelInt, CelMap, CelString, DURATION_TYPE, DYN_TYPE,
            STRING_TYPE,
        },
        value::CowVal,
    },
};

use super::adapt::{HAS, MATCHES, RUNNING, TEXT, WITHIN};
use crate::{metrics::format_number, settings::regexp::Regexp};

/// Elements that the loops of one evaluation may visit.
const STEP_LIMIT: u32 = 5_000_000;
/// The clock is read once in so many steps.
const STEPS_BETWEEN_READINGS: u32 = 64;

/// How much longer an evaluation may go on.
#[derive(Clone)]
pub(super) struct Allowance(Arc<Counters>);

struct Counters {
    deadline: Instant,
    steps: AtomicU32,
    is_used_up: AtomicBool,
}

impl Allowance {
    pub(super) fn until(deadline: Instant) -> Self {
        Self(Arc::new(Counters {
            deadline,
            steps: AtomicU32::new(0),
            is_used_up: AtomicBool::new(false),
        }))
    }

    /// An error if the evaluation was cut short, and its result means nothing.
    pub(super) fn check(&self) -> Result<(), String> {
        let Counters { steps, is_used_up, .. } = &*self.0;
        if !is_used_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(if steps.load(Ordering::Relaxed) >= STEP_LIMIT {
            format!("the evaluation took more than {STEP_LIMIT} steps")
        } else {
            "the evaluation did not end before the deadline".to_owned()
        })
    }

    /// Counts a step, and returns whether it may be taken.
    fn step(&self) -> bool {
        let Counters { deadline, steps, is_used_up } = &*self.0;
        if is_used_up.load(Ordering::Relaxed) {
            return false;
        }
        let step = steps.fetch_add(1, Ordering::Relaxed);
        let is_late = || step % STEPS_BETWEEN_READINGS == 0 && Instant::now() >= *deadline;
        if step >= STEP_LIMIT || is_late() {
            is_used_up.store(true, Ordering::Relaxed);
            return false;
        }
        true
    }
}

/// What an expression is evaluated in, without its variable.
pub(super) fn context(
    patterns: &[Regexp],
    allowance: &Allowance,
) -> Result<Context<'static, 'static>, String> {
    static ENVIRONMENT: LazyLock<Result<Arc<Env>, String>> = LazyLock::new(environment);
    let mut context = Context::with_env(Arc::clone(ENVIRONMENT.as_ref().map_err(Clone::clone)?));
    let allowance = allowance.clone();
    context.add_function(RUNNING, move || allowance.step()).map_err(|error| error.to_string())?;
    for (index, pattern) in patterns.iter().enumerate() {
        let pattern = pattern.clone();
        let is_match = move |text: Arc<String>| pattern.is_match(text.as_bytes());
        context
            .add_function(&format!("{MATCHES}{index}"), is_match)
            .map_err(|error| error.to_string())?;
    }
    Ok(context)
}

/// The standard library with our functions.
fn environment() -> Result<Arc<Env>, String> {
    let mut environment = Env::default().with_optional_support(false).with_stdlib();
    environment.set_error_on_duplicate_map_keys(false);
    let declared = environment
        .add_overload(HAS, "has_dyn_string", vec![DYN_TYPE, STRING_TYPE], has)
        .and_then(|()| {
            environment.add_overload(WITHIN, "within_dyn_dyn", vec![DYN_TYPE, DYN_TYPE], within)
        })
        .and_then(|()| environment.add_overload(TEXT, "text_dyn", vec![DYN_TYPE], text))
        .and_then(|()| {
            let parameters = vec![STRING_TYPE, STRING_TYPE];
            environment.add_overload(MATCHES, "matches_string_string", parameters, matches)
        })
        .and_then(|()| {
            environment.add_overload("int", "duration_to_int", vec![DURATION_TYPE], nanoseconds)
        });
    declared.map(|()| Arc::new(environment)).map_err(|error| error.to_string())
}

/// What the crate hands to a function, and wants from it.
type Evaluated<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn has<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Evaluated<'b, 'v> {
    let [operand, field] = exactly(arguments)?;
    let is_present = match operand.as_indexer().map(|fields| fields.get(&*field)) {
        Some(Ok(_)) => true,
        None | Some(Err(ExecutionError::NoSuchKey(_))) => false,
        Some(Err(error)) => return Err(error),
    };
    Ok(CowVal::owned(CelBool::from(is_present)))
}

fn within<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Evaluated<'b, 'v> {
    let [value, container] = exactly(arguments)?;
    let types = || [&value, &container].map(|value| value.get_type().name().to_owned()).to_vec();
    let is_map = container.downcast_ref::<CelMap<'_>>().is_some();
    match container.as_container().map(|container| container.contains(&*value)) {
        Some(Ok(contains)) => Ok(CowVal::owned(CelBool::from(contains))),
        Some(Err(_)) if is_map => Ok(CowVal::owned(CelBool::from(false))),
        Some(Err(error)) => Err(error),
        None => Err(ExecutionError::no_such_overload("in", types())),
    }
}

fn text<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Evaluated<'b, 'v> {
    let [value] = exactly(arguments)?;
    let Some(double) = value.downcast_ref::<CelDouble>() else { return Ok(value) };
    let mut text = String::new();
    format_number(&mut text, *double.inner());
    Ok(CowVal::owned(CelString::from(text)))
}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Evaluated<'b, 'v> {
    let [text, pattern] = exactly(arguments)?;
    let [text, pattern] =
        [&text, &pattern].map(|argument| argument.downcast_ref::<CelString<'_>>());
    let (Some(text), Some(pattern)) = (text, pattern) else {
        return Err(ExecutionError::function_error("matches", "an argument is no string"));
    };
    let pattern = Regexp::new(pattern.inner())
        .map_err(|error| ExecutionError::function_error("matches", error))?;
    Ok(CowVal::owned(CelBool::from(pattern.is_match(text.inner().as_bytes()))))
}

fn nanoseconds<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Evaluated<'b, 'v> {
    let [duration] = exactly(arguments)?;
    let duration = duration.downcast_ref::<CelDuration>().map(CelDuration::inner);
    match duration.and_then(chrono::Duration::num_nanoseconds) {
        Some(nanoseconds) => Ok(CowVal::owned(CelInt::from(nanoseconds))),
        None => Err(ExecutionError::function_error("int", "the duration is out of range")),
    }
}

fn exactly<const N: usize, T>(arguments: Vec<T>) -> Result<[T; N], ExecutionError> {
    <[T; N]>::try_from(arguments)
        .map_err(|arguments| ExecutionError::invalid_argument_count(N, arguments.len()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_allowance_ends_with_its_steps_or_its_deadline() {
        let allowance = Allowance::until(Instant::now() + Duration::from_hours(1));
        let steps = (0..=STEP_LIMIT).take_while(|_| allowance.step()).count();
        assert_eq!(u32::try_from(steps), Ok(STEP_LIMIT));
        assert!(allowance.check().unwrap_err().contains("steps"));

        let allowance = Allowance::until(Instant::now());
        assert_eq!(allowance.check(), Ok(()));
        assert!(!allowance.step());
        assert!(allowance.check().unwrap_err().contains("deadline"));
    }
}
