//! Hints for text that is not YAML.

/// Remedies for usual mistakes, by a part of the message of the parser.
const HINTS: [(&str, &str); 14] = [
    ("tab", "indent with spaces, not with tabs"),
    (
        "unknown escape character",
        "within double quotes, write each backslash twice; within single quotes, write it once",
    ),
    ("unknown anchor", "quote a value that begins with '*'"),
    ("unexpected character", "quote a value that begins with this character"),
    (
        "mapping values are not allowed",
        "check whether a colon is missing in the line above, and quote a value that contains ': '",
    ),
    ("expected key", "let all keys of a mapping begin in the same column"),
    ("'-' indicator", "let all items of a sequence begin in the same column"),
    ("block sequence entries are not allowed", "let a sequence begin on a line of its own"),
    ("flow mapping", QUOTE),
    ("flow sequence", QUOTE),
    ("expected node content", "check whether a bracket is not closed"),
    ("unexpected end of stream", "check whether the closing quote is missing"),
    ("illegal placement of ':'", "check whether a bracket before it is not closed"),
    ("trailing content", "put the whole value into one pair of quotes"),
];

const QUOTE: &str =
    "close each bracket, and quote values that contain a colon, a comma or a bracket";

/// Returns the remedy for an error of the parser, if it is a usual one.
pub(crate) fn of(message: &str) -> Option<&'static str> {
    HINTS.iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| *hint)
}
