//! Fields that forms share.

use maud::{Markup, html};

/// Modules that a list offers; where there are more, the name is typed.
const MAX_SELECT_OPTIONS: usize = 300;

/// The choice of a module among `modules`; `none` is what it is called to choose none, where that
/// can be.
pub(super) fn module(modules: &[&str], chosen: Option<&str>, none: Option<&str>) -> Markup {
    // One that is gone can still be what was asked for.
    let other = chosen.filter(|chosen| none.is_some() && !modules.contains(chosen));
    html! {
        label {
            "Module"
            @if modules.len() > MAX_SELECT_OPTIONS {
                input name="module" value=[chosen] required[none.is_none()] autocomplete="off"
                    autocapitalize="off" spellcheck="false";
            } @else {
                select name="module" {
                    @if let Some(none) = none { option value="" { (none) } }
                    @for name in other.iter().chain(modules) {
                        option value=(name) selected[chosen == Some(name)] { (name) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_modules_are_offered_and_of_many_one_is_typed() {
        let few = module(&["a", "b"], Some("b"), None).into_string();
        assert!(few.contains("<option value=\"b\" selected>b</option></select>"), "{few}");
        let gone = module(&["a"], Some("gone"), Some("all")).into_string();
        assert!(gone.contains("<option value=\"gone\" selected>gone</option>"), "{gone}");
        let many = module(&["a"; 1_000], Some("a"), Some("all")).into_string();
        assert!(!many.contains("<option") && many.contains("value=\"a\""), "{many}");
    }
}
