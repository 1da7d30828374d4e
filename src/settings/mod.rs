//! YAML values that several sections share; a value that exists is right.
