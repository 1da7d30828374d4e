//! The functions that rewritten expressions call, and the limits of an evaluation.

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

/// Maximum number of elements that the loops of one evaluation visit.
const MAX_STEPS: u32 = 5_000_000;
/// Number of steps between two readings of the clock.
const STEPS_BETWEEN_CLOCK_READS: u32 = 64;

/// The remaining steps and time of an evaluation.
#[derive(Clone)]
pub(super) struct Budget(Arc<Counters>);

struct Counters {
    deadline: Instant,
    steps: AtomicU32,
    is_exhausted: AtomicBool,
}

impl Budget {
    pub(super) fn until(deadline: Instant) -> Self {
        Self(Arc::new(Counters {
            deadline,
            steps: AtomicU32::new(0),
            is_exhausted: AtomicBool::new(false),
        }))
    }

    /// Returns an error if the evaluation was stopped, which makes its result invalid.
    pub(super) fn check(&self) -> Result<(), String> {
        let Counters { steps, is_exhausted, .. } = &*self.0;
        if !is_exhausted.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(if steps.load(Ordering::Relaxed) >= MAX_STEPS {
            format!("the evaluation exceeded {MAX_STEPS} steps")
        } else {
            "the evaluation exceeded the deadline".to_owned()
        })
    }

    /// Counts a step. Returns false if a limit is reached.
    fn step(&self) -> bool {
        let Counters { deadline, steps, is_exhausted } = &*self.0;
        if is_exhausted.load(Ordering::Relaxed) {
            return false;
        }
        let step = steps.fetch_add(1, Ordering::Relaxed);
        let is_late = || step % STEPS_BETWEEN_CLOCK_READS == 0 && Instant::now() >= *deadline;
        if step >= MAX_STEPS || is_late() {
            is_exhausted.store(true, Ordering::Relaxed);
            return false;
        }
        true
    }
}

/// Returns the context of an evaluation, without the variable `body`.
pub(super) fn context(
    patterns: &[Regexp],
    budget: &Budget,
) -> Result<Context<'static, 'static>, String> {
    static ENVIRONMENT: LazyLock<Result<Arc<Env>, String>> = LazyLock::new(environment);
    let mut context = Context::with_env(Arc::clone(ENVIRONMENT.as_ref().map_err(Clone::clone)?));
    let budget = budget.clone();
    context.add_function(RUNNING, move || budget.step()).map_err(|error| error.to_string())?;
    for (index, pattern) in patterns.iter().enumerate() {
        let pattern = pattern.clone();
        let is_match = move |text: Arc<String>| pattern.is_match(text.as_bytes());
        context
            .add_function(&format!("{MATCHES}{index}"), is_match)
            .map_err(|error| error.to_string())?;
    }
    Ok(context)
}

/// Returns the standard library with the functions of this module.
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

/// The type of arguments and results of functions in the `cel` crate.
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
        return Err(ExecutionError::function_error("matches", "an argument is not a string"));
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
    fn budget_ends_at_the_step_limit_or_the_deadline() {
        let budget = Budget::until(Instant::now() + Duration::from_hours(1));
        let steps = (0..=MAX_STEPS).take_while(|_| budget.step()).count();
        assert_eq!(u32::try_from(steps), Ok(MAX_STEPS));
        assert!(budget.check().unwrap_err().contains("steps"));

        let budget = Budget::until(Instant::now());
        assert_eq!(budget.check(), Ok(()));
        assert!(!budget.step());
        assert!(budget.check().unwrap_err().contains("deadline"));
    }
}
