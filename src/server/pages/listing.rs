//! The view of a list: its rows, their order, the page, and the time after which it is loaded again.

use std::time::Duration;

use maud::{Markup, html};

use crate::{
    probe::Query,
    server::{
        pages::{filter::Filter, links},
        query::link,
    },
};

/// The view of a list, by the parameters of the query.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Listing {
    /// The requested rows, if any.
    requested: Option<Rows>,
    /// The rows without a request for others.
    default: Rows,
    /// The column that sets the order, and true if its largest value comes first.
    pub(super) order: Option<(Column, bool)>,
    /// The page, from 0.
    page: usize,
    /// The interval of loading the page again.
    pub(super) refresh: Option<Duration>,
}

/// The rows of a list.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// One for each probe.
    #[default]
    Probes,
    /// One for each target.
    Targets,
}

impl Rows {
    const ALL: [Self; 2] = [Self::Probes, Self::Targets];

    /// The value of the parameter `view`.
    const fn name(self) -> &'static str {
        match self {
            Self::Probes => "probes",
            Self::Targets => "targets",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Probes => links::RECENT_PROBES,
            Self::Targets => links::TARGETS,
        }
    }
}

/// Number of rows of a page.
const MAX_ROWS: usize = 200;

/// Minimum, maximum and offered interval of loading a page again, in seconds.
const MIN_REFRESH: u64 = 5;
const MAX_REFRESH: u64 = 3_600;
const OFFERED_REFRESH: &str = "30";

/// A column by which a list can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Module,
    Target,
    Result,
    Reason,
    Duration,
    When,
}

impl Column {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Module, "module"),
        (Self::Target, "target"),
        (Self::Result, "result"),
        (Self::Reason, "reason"),
        (Self::Duration, "duration"),
        (Self::When, "when"),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(column, _)| *column)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// Returns true if the largest value comes first unless the query says otherwise.
    const fn is_descending_first(self) -> bool {
        matches!(self, Self::Duration | Self::When)
    }
}

impl Listing {
    pub(super) fn of(query: &Query<'_>) -> Self {
        let number = |name| query.first(name).and_then(|value| value.parse::<u64>().ok());
        let order = query.first("sort").and_then(|value| {
            let name = value.trim_start_matches('-');
            Some((Column::of(name)?, name.len() < value.len()))
        });
        let refresh = number("refresh").filter(|seconds| *seconds > 0);
        let page = number("page").and_then(|page| usize::try_from(page).ok());
        Self {
            requested: query
                .first("view")
                .and_then(|name| Rows::ALL.into_iter().find(|rows| rows.name() == name)),
            default: Rows::default(),
            order,
            page: page.unwrap_or_default().saturating_sub(1),
            refresh: refresh
                .map(|seconds| Duration::from_secs(seconds.clamp(MIN_REFRESH, MAX_REFRESH))),
        }
    }

    /// Returns the listing with these rows, unless others are requested.
    pub(super) fn with_default(self, default: Rows) -> Self {
        Self { default, ..self }
    }

    /// Returns true for one row for each target.
    pub(super) fn is_by_target(&self) -> bool {
        self.requested.unwrap_or(self.default) == Rows::Targets
    }

    /// Returns the rows of the page.
    pub(super) fn rows<T>(&self, rows: impl Iterator<Item = T>) -> Vec<T> {
        rows.skip(self.page.saturating_mul(MAX_ROWS)).take(MAX_ROWS).collect()
    }

    /// Returns a link to the list with these parameters changed; an empty value removes one. The page is
    /// the first one unless it is changed.
    pub(super) fn link(&self, filter: &Filter, changes: &[(&str, &str)]) -> String {
        let sort = self.order.map(|(column, is_descending)| sort_value(column, is_descending));
        let refresh = self.refresh.map(|refresh| refresh.as_secs().to_string());
        let own = [
            ("view", self.requested.map_or("", Rows::name)),
            ("module", filter.module.as_deref().unwrap_or_default()),
            ("target", filter.target.as_deref().unwrap_or_default()),
            ("failures", if filter.only_failures { "true" } else { "" }),
            ("sort", sort.as_deref().unwrap_or_default()),
            ("refresh", refresh.as_deref().unwrap_or_default()),
        ];
        let is_own = |(name, _): &(&str, &str)| changes.iter().all(|(changed, _)| changed != name);
        let parameters: Vec<_> =
            own.into_iter().filter(is_own).chain(changes.iter().copied()).collect();
        link("./", &parameters)
    }

    /// Renders the fields that keep the view when the filter is changed.
    pub(super) fn hidden_fields(&self) -> Markup {
        let sort = self.order.map(|(column, is_descending)| sort_value(column, is_descending));
        html! {
            @if let Some(rows) = self.requested { input type="hidden" name="view" value=(rows.name()); }
            @if let Some(sort) = sort { input type="hidden" name="sort" value=(sort); }
            @if let Some(refresh) = self.refresh {
                input type="hidden" name="refresh" value=(refresh.as_secs());
            }
        }
    }

    /// Renders the links to the other view and to loading the page again.
    pub(super) fn views(&self, filter: &Filter) -> Markup {
        let shown = self.requested.unwrap_or(self.default);
        html! {
            nav.views aria-label="Views" {
                @for rows in Rows::ALL {
                    @let link = self.link(filter, &[("view", rows.name()), ("sort", "")]);
                    a href=(link) aria-current=[(rows == shown).then_some("true")] { (rows.words()) }
                }
                @match self.refresh {
                    Some(refresh) => {
                        a href=(self.link(filter, &[("refresh", "")])) {
                            "Stop refreshing (every " (refresh.as_secs()) " s)"
                        }
                    }
                    None => {
                        a href=(self.link(filter, &[("refresh", OFFERED_REFRESH)])) {
                            "Refresh every " (OFFERED_REFRESH) " s"
                        }
                    }
                }
            }
        }
    }

    /// Renders the headings of the columns. `own` has those that differ between the lists: the duration,
    /// the time and the last column.
    pub(super) fn head(&self, filter: &Filter, own: [&str; 3]) -> Markup {
        let [duration, when, last] = own;
        let heading = |column, text| self.heading(filter, column, text);
        html! {
            thead {
                tr {
                    (heading(Column::Module, "Module"))
                    (heading(Column::Target, "Target"))
                    (heading(Column::Result, "Result"))
                    (heading(Column::Reason, "Reason"))
                    th.drawn scope="col" { "Phases" }
                    (heading(Column::Duration, duration))
                    (heading(Column::When, when))
                    th scope="col" { (last) }
                }
            }
        }
    }

    /// Renders the heading of a column with a link that sorts by it.
    fn heading(&self, filter: &Filter, column: Column, text: &str) -> Markup {
        let current = self.order.filter(|(known, _)| *known == column);
        let is_descending = match current {
            Some((_, is_descending)) => !is_descending,
            None => column.is_descending_first(),
        };
        let link = self.link(filter, &[("sort", &sort_value(column, is_descending))]);
        let sorted =
            current.map(|(_, descending)| if descending { "descending" } else { "ascending" });
        let arrow = current.map(|(_, descending)| if descending { " ▾" } else { " ▴" });
        html! {
            th class=[(column == Column::Duration).then_some("number")] scope="col" aria-sort=[sorted] {
                a href=(link) { (text) }
                @if let Some(arrow) = arrow { span aria-hidden="true" { (arrow) } }
            }
        }
    }

    /// Renders the links to the other pages, if there are any.
    pub(super) fn pages(&self, filter: &Filter, rows: usize, what: &str) -> Markup {
        let first = self.page.saturating_mul(MAX_ROWS);
        let last = first.saturating_add(MAX_ROWS).min(rows);
        let page = |number: usize| self.link(filter, &[("page", &number.to_string())]);
        html! {
            @if rows > MAX_ROWS {
                nav.pages aria-label="Pages of the list" {
                    @if first > 0 { a href=(page(self.page.min(rows.div_ceil(MAX_ROWS)))) { "Previous" } }
                    span {
                        @if first < rows { (first + 1) " to " (last) " of " (rows) " " (what) }
                        @else { "no more than " (rows) " " (what) }
                    }
                    @if last < rows { a href=(page(self.page + 2)) { "Next" } }
                }
            }
        }
    }
}

fn sort_value(column: Column, is_descending: bool) -> String {
    let name = column.name();
    if is_descending { format!("-{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(query: &str) -> Listing {
        Listing::of(&Query::parse(query))
    }

    #[test]
    fn links_keep_the_view_and_the_filter() {
        let query = "view=targets&module=m&target=a%26b&failures=true&sort=-when&refresh=1&page=3";
        let (shown, filter) = (listing(query), Filter::of(&Query::parse(query)));
        assert_eq!(shown.refresh, Some(Duration::from_secs(MIN_REFRESH)), "not shorter");
        assert_eq!(
            shown.link(&filter, &[("page", "4")]),
            "./?view=targets&module=m&target=a%26b&failures=true&sort=-when&refresh=5&page=4"
        );
        let views = shown.views(&filter).into_string();
        assert!(views.contains("Stop refreshing (every 5 s)"), "{views}");
        let heading = shown.heading(&filter, Column::When, "When").into_string();
        assert!(heading.contains("aria-sort=\"descending\"") && heading.contains("sort=when"));
        assert_eq!(Listing::default().link(&Filter::default(), &[]), "./");
    }

    #[test]
    fn a_page_has_a_part_of_the_rows() {
        let filter = Filter::default();
        for (query, rows, first, links) in [
            ("", 200, Some(0), &[][..]),
            ("", 450, Some(0), &["page=2"]),
            ("page=2", 450, Some(200), &["href=\"./?page=1\"", "page=3", "201 to 400 of 450"]),
            ("page=3", 450, Some(400), &["page=2", "401 to 450 of 450"]),
            ("page=99999999999999", 450, None, &["page=3", "no more than 450"]),
            ("page=-1", 450, Some(0), &["page=2"]),
        ] {
            let shown = listing(query);
            assert_eq!(shown.rows(0..rows).first().copied(), first, "{query}");
            let pages = shown.pages(&filter, rows, "probes").into_string();
            assert_eq!(pages.is_empty(), links.is_empty(), "{query}: {pages}");
            assert!(links.iter().all(|link| pages.contains(link)), "{query}: {pages}");
        }
    }
}
