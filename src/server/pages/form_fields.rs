//! Form fields used on several pages.

use maud::{Markup, html};

/// Maximum number of modules in a selection list. If there are more, the name is typed.
const MAX_SELECT_OPTIONS: usize = 300;

/// Renders a field to select one of `modules`. With `none`, the selection is optional, and `none` is
/// the text for no selection.
pub(super) fn module(modules: &[&str], chosen: Option<&str>, none: Option<&str>) -> Markup {
    // The filter can name a module that does not exist any more.
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

/// Renders a form that filters the entries of the page `action` by a part of their name; `of` names them.
pub(super) fn name_filter(action: &str, of: &str, wanted: &str) -> Markup {
    html! {
        form.filter.narrow action=(action) method="get" role="search" aria-label={ "Filter the " (of) } {
            label.wide {
                "Name contains"
                input name="name" value=(wanted) autocomplete="off" autocapitalize="off"
                    spellcheck="false";
            }
            button.second { "Filter" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_selected_from_a_list_or_typed_if_there_are_many() {
        let few = module(&["a", "b"], Some("b"), None).into_string();
        assert!(few.contains("<option value=\"b\" selected>b</option></select>"), "{few}");
        let gone = module(&["a"], Some("gone"), Some("all")).into_string();
        assert!(gone.contains("<option value=\"gone\" selected>gone</option>"), "{gone}");
        let many = module(&["a"; 1_000], Some("a"), Some("all")).into_string();
        assert!(!many.contains("<option") && many.contains("value=\"a\""), "{many}");
    }
}
