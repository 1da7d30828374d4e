//! Matching in invalid UTF-8 without a copy of the decoded text.

use regex_automata::{
    Input,
    hybrid::dfa::DFA,
    nfa::thompson::{NFA, WhichCaptures},
};
use regex_syntax::hir::Hir;

use crate::MAX_COMPILED_SIZE;

/// A lazy DFA that reads a text byte by byte while it is decoded.
#[derive(Debug)]
pub(super) struct Automaton(DFA);

impl Automaton {
    /// Returns `None` if the pattern is too large.
    pub(super) fn new(hir: &Hir) -> Option<Self> {
        let nfa = NFA::config()
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(MAX_COMPILED_SIZE));
        let nfa = NFA::compiler().configure(nfa).build_from_hir(hir).ok()?;
        // The cache of states has room for the smallest number that a search needs.
        let config = DFA::config().skip_cache_capacity_check(true);
        DFA::builder().configure(config).build_from_nfa(nfa).ok().map(Self)
    }

    /// Returns true if the pattern matches anywhere in the decoded text of `haystack`; see
    /// [`decode_lossy`](crate::decode_lossy).
    pub(super) fn is_match(&self, haystack: &[u8]) -> bool {
        self.search(haystack).unwrap_or_default()
    }

    /// Returns `None` if the search gives up, which it is not configured to do.
    fn search(&self, haystack: &[u8]) -> Option<bool> {
        let dfa = &self.0;
        let cache = &mut dfa.create_cache();
        let mut state = dfa.start_state_forward(cache, &Input::new("")).ok()?;
        let mut replacement = [0; 4];
        let replacement = char::REPLACEMENT_CHARACTER.encode_utf8(&mut replacement).as_bytes();
        for chunk in haystack.utf8_chunks() {
            let invalid = chunk.invalid().iter().flat_map(|_| replacement);
            for &byte in chunk.valid().as_bytes().iter().chain(invalid) {
                state = dfa.next_state(cache, state, byte).ok()?;
                if state.is_tagged() && (state.is_match() || state.is_dead()) {
                    return Some(state.is_match());
                }
            }
        }
        Some(dfa.next_eoi_state(cache, state).ok()?.is_match())
    }
}
