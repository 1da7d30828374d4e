//! The two tables that header fields refer to by index (RFC 7541, section 2.3).

use std::collections::VecDeque;

use bytes::Bytes;

use super::HpackError;

/// Maximum size of the dynamic table in bytes: the default of HTTP/2, which our SETTINGS keep.
pub(super) const MAX_SIZE: usize = 4096;

/// Bytes that each entry counts besides its name and value (RFC 7541, section 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// The entries that the peer has added, the newest first.
#[derive(Debug)]
pub(super) struct DynamicTable {
    entries: VecDeque<(Bytes, Bytes)>,
    size: usize,
    max_size: usize,
}

impl Default for DynamicTable {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, max_size: MAX_SIZE }
    }
}

impl DynamicTable {
    /// Returns the entry at `index` of both tables; the static table comes first.
    pub(super) fn get(&self, index: usize) -> Result<(Bytes, Bytes), HpackError> {
        let position = index.checked_sub(1).ok_or(HpackError::Index)?;
        if let Some((name, value)) = STATIC.get(position) {
            return Ok((Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes())));
        }
        self.entries.get(position - STATIC.len()).cloned().ok_or(HpackError::Index)
    }

    /// Returns whether the peer has added nothing that is still there.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, and drops the oldest entries that no longer fit.
    pub(super) fn insert(&mut self, name: Bytes, value: Bytes) {
        let size = size_of(&name, &value);
        if size <= self.max_size {
            self.shrink_to(self.max_size - size);
            self.size += size;
            self.entries.push_front((name, value));
        } else {
            self.shrink_to(0);
        }
    }

    /// Changes the maximum size, as the peer says.
    pub(super) fn resize(&mut self, max_size: usize) -> Result<(), HpackError> {
        if max_size > MAX_SIZE {
            return Err(HpackError::TableSize);
        }
        self.max_size = max_size;
        self.shrink_to(max_size);
        Ok(())
    }

    fn shrink_to(&mut self, size: usize) {
        while self.size > size {
            let Some((name, value)) = self.entries.pop_back() else { break };
            self.size -= size_of(&name, &value);
        }
    }
}

fn size_of(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ENTRY_OVERHEAD
}

/// Returns the index of a name in the static table, if it is there.
pub(super) fn static_name(name: &str) -> Option<usize> {
    STATIC.iter().position(|(known, _)| *known == name).map(|position| position + 1)
}

/// Returns the index of a name with this value in the static table, if it is there.
pub(super) fn static_field(name: &str, value: &[u8]) -> Option<usize> {
    let position = STATIC
        .iter()
        .position(|(known, known_value)| *known == name && known_value.as_bytes() == value);
    position.map(|position| position + 1)
}

/// The static table (RFC 7541, appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &'static str, value: &'static str) -> (Bytes, Bytes) {
        (Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes()))
    }

    #[test]
    fn indices_go_through_the_static_table_and_then_from_the_newest_entry_on() {
        let mut table = DynamicTable::default();
        for (name, value) in [entry("a", "1"), entry("b", "2")] {
            table.insert(name, value);
        }
        for (index, expected) in [
            (0, None),
            (1, Some(entry(":authority", ""))),
            (8, Some(entry(":status", "200"))),
            (61, Some(entry("www-authenticate", ""))),
            (62, Some(entry("b", "2"))),
            (63, Some(entry("a", "1"))),
            (64, None),
            (usize::MAX, None),
        ] {
            assert_eq!(table.get(index).ok(), expected, "{index}");
        }
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let mut table = DynamicTable::default();
        // Two entries of 34 bytes fit in 70, three do not.
        table.resize(70).unwrap();
        for (name, value) in [entry("a", "1"), entry("b", "2"), entry("c", "3")] {
            table.insert(name, value);
        }
        assert_eq!(table.get(63).unwrap(), entry("b", "2"));
        assert!(table.get(64).is_err());
        table.resize(40).unwrap();
        assert!(table.get(63).is_err());
        let (name, value) = entry("larger than the table", "than the whole table");
        table.insert(name, value);
        assert!(table.get(62).is_err(), "an entry that does not fit empties the table");
        assert!(table.resize(MAX_SIZE + 1).is_err());
    }

    #[test]
    fn names_and_fields_are_found_in_the_static_table() {
        assert_eq!(static_name("user-agent"), Some(58));
        assert_eq!(static_name("x-one"), None);
        assert_eq!(static_field(":path", b"/"), Some(4));
        assert_eq!(static_field(":path", b"/x"), None);
    }
}
