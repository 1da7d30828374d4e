//! The functions and operators of expressions, and the types of their arguments.

use super::types::{
    Simple::{self, Bool, Bytes, Double, Duration, Dyn, Int, String, Timestamp, Uint, Unbound},
    Type,
};

/// A type in the declaration of a function.
enum Pattern {
    Is(Simple),
    /// The type parameter with this index.
    Parameter(usize),
    List(&'static Self),
    Map(&'static Self, &'static Self),
}

use Pattern::{Is, Parameter};

const A: Pattern = Parameter(0);
const B: Pattern = Parameter(1);
const LIST: Pattern = Pattern::List(&A);
const MAP: Pattern = Pattern::Map(&A, &B);

/// One signature of a function.
struct Overload {
    style: Style,
    arguments: &'static [Pattern],
    result: Pattern,
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// `f(x, y)`
    Global,
    /// `x.f(y)`
    Member,
}

const fn global(arguments: &'static [Pattern], result: Pattern) -> Overload {
    Overload { style: Style::Global, arguments, result }
}

const fn member(arguments: &'static [Pattern], result: Pattern) -> Overload {
    Overload { style: Style::Member, arguments, result }
}

/// Returns the signatures of the function or operator `name`; empty if it does not exist.
fn overloads(name: &str) -> &'static [Overload] {
    match name {
        "_==_" | "_!=_" => const { &[global(&[A, A], Is(Bool))] },
        "_?_:_" => const { &[global(&[Is(Bool), A, A], A)] },
        "_&&_" | "_||_" => const { &[global(&[Is(Bool), Is(Bool)], Is(Bool))] },
        "!_" | "@not_strictly_false" => const { &[global(&[Is(Bool)], Is(Bool))] },
        "-_" => const { &[global(&[Is(Int)], Is(Int)), global(&[Is(Double)], Is(Double))] },
        "_<_" | "_<=_" | "_>_" | "_>=_" => COMPARISON,
        "_+_" => ADDITION,
        "_-_" => SUBTRACTION,
        "_*_" | "_/_" => MULTIPLICATION,
        "_%_" => {
            const { &[global(&[Is(Int), Is(Int)], Is(Int)), global(&[Is(Uint), Is(Uint)], Is(Uint))] }
        }
        "@in" => const { &[global(&[A, LIST], Is(Bool)), global(&[A, MAP], Is(Bool))] },
        "_[_]" => const { &[global(&[LIST, Is(Int)], A), global(&[MAP, A], B)] },
        "size" => SIZE,
        "contains" | "startsWith" | "endsWith" => {
            const { &[member(&[Is(String), Is(String)], Is(Bool))] }
        }
        "matches" => {
            const {
                &[
                    global(&[Is(String), Is(String)], Is(Bool)),
                    member(&[Is(String), Is(String)], Is(Bool)),
                ]
            }
        }
        "getFullYear" | "getMonth" | "getDate" | "getDayOfMonth" | "getDayOfWeek"
        | "getDayOfYear" => CALENDAR,
        "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" => CLOCK,
        _ => conversions(name),
    }
}

fn conversions(name: &str) -> &'static [Overload] {
    match name {
        "type" => const { &[global(&[A], Is(Simple::Type))] },
        "dyn" => const { &[global(&[A], Is(Dyn))] },
        "bool" => const { &[global(&[Is(Bool)], Is(Bool)), global(&[Is(String)], Is(Bool))] },
        "bytes" => const { &[global(&[Is(Bytes)], Is(Bytes)), global(&[Is(String)], Is(Bytes))] },
        "double" => {
            const {
                &[
                    global(&[Is(Double)], Is(Double)),
                    global(&[Is(Int)], Is(Double)),
                    global(&[Is(Uint)], Is(Double)),
                    global(&[Is(String)], Is(Double)),
                ]
            }
        }
        "duration" => {
            const { &[global(&[Is(Duration)], Is(Duration)), global(&[Is(String)], Is(Duration))] }
        }
        "timestamp" => {
            const {
                &[
                    global(&[Is(Timestamp)], Is(Timestamp)),
                    global(&[Is(Int)], Is(Timestamp)),
                    global(&[Is(String)], Is(Timestamp)),
                ]
            }
        }
        "int" => {
            const {
                &[
                    global(&[Is(Int)], Is(Int)),
                    global(&[Is(Uint)], Is(Int)),
                    global(&[Is(Double)], Is(Int)),
                    global(&[Is(String)], Is(Int)),
                    global(&[Is(Duration)], Is(Int)),
                    global(&[Is(Timestamp)], Is(Int)),
                ]
            }
        }
        "uint" => {
            const {
                &[
                    global(&[Is(Uint)], Is(Uint)),
                    global(&[Is(Int)], Is(Uint)),
                    global(&[Is(Double)], Is(Uint)),
                    global(&[Is(String)], Is(Uint)),
                ]
            }
        }
        "string" => {
            const {
                &[
                    global(&[Is(String)], Is(String)),
                    global(&[Is(Bool)], Is(String)),
                    global(&[Is(Int)], Is(String)),
                    global(&[Is(Uint)], Is(String)),
                    global(&[Is(Double)], Is(String)),
                    global(&[Is(Bytes)], Is(String)),
                    global(&[Is(Duration)], Is(String)),
                    global(&[Is(Timestamp)], Is(String)),
                ]
            }
        }
        _ => &[],
    }
}

const COMPARISON: &[Overload] = &[
    global(&[Is(Bool), Is(Bool)], Is(Bool)),
    global(&[Is(Int), Is(Int)], Is(Bool)),
    global(&[Is(Uint), Is(Uint)], Is(Bool)),
    global(&[Is(Double), Is(Double)], Is(Bool)),
    global(&[Is(String), Is(String)], Is(Bool)),
    global(&[Is(Bytes), Is(Bytes)], Is(Bool)),
    global(&[Is(Duration), Is(Duration)], Is(Bool)),
    global(&[Is(Timestamp), Is(Timestamp)], Is(Bool)),
];

const ADDITION: &[Overload] = &[
    global(&[Is(Int), Is(Int)], Is(Int)),
    global(&[Is(Uint), Is(Uint)], Is(Uint)),
    global(&[Is(Double), Is(Double)], Is(Double)),
    global(&[Is(String), Is(String)], Is(String)),
    global(&[Is(Bytes), Is(Bytes)], Is(Bytes)),
    global(&[LIST, LIST], LIST),
    global(&[Is(Duration), Is(Duration)], Is(Duration)),
    global(&[Is(Duration), Is(Timestamp)], Is(Timestamp)),
    global(&[Is(Timestamp), Is(Duration)], Is(Timestamp)),
];

const SUBTRACTION: &[Overload] = &[
    global(&[Is(Int), Is(Int)], Is(Int)),
    global(&[Is(Uint), Is(Uint)], Is(Uint)),
    global(&[Is(Double), Is(Double)], Is(Double)),
    global(&[Is(Duration), Is(Duration)], Is(Duration)),
    global(&[Is(Timestamp), Is(Duration)], Is(Timestamp)),
    global(&[Is(Timestamp), Is(Timestamp)], Is(Duration)),
];

const MULTIPLICATION: &[Overload] = &[
    global(&[Is(Int), Is(Int)], Is(Int)),
    global(&[Is(Uint), Is(Uint)], Is(Uint)),
    global(&[Is(Double), Is(Double)], Is(Double)),
];

const SIZE: &[Overload] = &[
    global(&[Is(String)], Is(Int)),
    global(&[Is(Bytes)], Is(Int)),
    global(&[LIST], Is(Int)),
    global(&[MAP], Is(Int)),
    member(&[Is(String)], Is(Int)),
    member(&[Is(Bytes)], Is(Int)),
    member(&[LIST], Is(Int)),
    member(&[MAP], Is(Int)),
];

const CALENDAR: &[Overload] = &[
    member(&[Is(Timestamp)], Is(Int)),
    // With the time zone as second argument.
    member(&[Is(Timestamp), Is(String)], Is(Int)),
];

const CLOCK: &[Overload] = &[
    member(&[Is(Timestamp)], Is(Int)),
    member(&[Is(Timestamp), Is(String)], Is(Int)),
    member(&[Is(Duration)], Is(Int)),
];

/// The reason why a call is invalid.
pub(super) enum Mismatch {
    /// The function does not exist.
    Unknown,
    /// The function has no signature for this call style and these arguments.
    Arguments,
}

/// Returns the type of a call. The first argument is the receiver if `is_member`.
pub(super) fn call(name: &str, is_member: bool, arguments: &[Type]) -> Result<Type, Mismatch> {
    let overloads = overloads(name);
    if overloads.is_empty() {
        return Err(Mismatch::Unknown);
    }
    let style = if is_member { Style::Member } else { Style::Global };
    let results = overloads
        .iter()
        .filter(|overload| overload.style == style)
        .filter_map(|overload| overload.result(arguments));
    results.reduce(Type::or).ok_or(Mismatch::Arguments)
}

/// The types that the type parameters of a declaration stand for.
type Parameters = [Option<Type>; 2];

impl Overload {
    /// Returns the type of the result, if the arguments match.
    fn result(&self, arguments: &[Type]) -> Option<Type> {
        let mut parameters = Parameters::default();
        let fits = self.arguments.len() == arguments.len()
            && self
                .arguments
                .iter()
                .zip(arguments)
                .all(|(pattern, argument)| pattern.accepts(argument, &mut parameters));
        fits.then(|| self.result.resolve(&parameters))
    }
}

impl Pattern {
    fn accepts(&self, argument: &Type, parameters: &mut Parameters) -> bool {
        match (self, argument) {
            (&Is(simple), argument) => argument.fits(&simple.into()),
            (&Parameter(index), argument) => {
                let Some(parameter) = parameters.get_mut(index) else { return false };
                let fits = parameter.as_ref().is_none_or(|known| argument.fits(known));
                let joined = parameter
                    .take()
                    .map_or_else(|| argument.clone(), |known| known.or(argument.clone()));
                *parameter = Some(joined);
                fits
            }
            (Self::List(_) | Self::Map(..), Type::Simple(Dyn | Unbound)) => true,
            (Self::List(element), Type::List(argument)) => element.accepts(argument, parameters),
            (Self::Map(key, value), Type::Map(key_argument, value_argument)) => {
                key.accepts(key_argument, parameters) && value.accepts(value_argument, parameters)
            }
            _ => false,
        }
    }

    fn resolve(&self, parameters: &Parameters) -> Type {
        match self {
            &Is(simple) => simple.into(),
            &Parameter(index) => parameters.get(index).cloned().flatten().unwrap_or(Type::DYN),
            Self::List(element) => Type::List(Box::new(element.resolve(parameters))),
            Self::Map(key, value) => {
                Type::Map(Box::new(key.resolve(parameters)), Box::new(value.resolve(parameters)))
            }
        }
    }
}
