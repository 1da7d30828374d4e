//! A reader of DER elements.

use x509_parser::asn1_rs::{Any, Class, FromDer as _};

/// A sequence of DER elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'d>(pub(super) &'d [u8]);

/// The numbers of universal types.
pub(super) mod number {
    pub(in super::super) const BOOLEAN: u32 = 1;
    pub(in super::super) const INTEGER: u32 = 2;
    pub(in super::super) const BIT_STRING: u32 = 3;
    pub(in super::super) const OCTET_STRING: u32 = 4;
    pub(in super::super) const OBJECT_IDENTIFIER: u32 = 6;
    pub(in super::super) const SEQUENCE: u32 = 16;
}

impl<'d> Elements<'d> {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Any<'d>> {
        let (rest, element) = Any::from_der(self.0).ok()?;
        self.0 = rest;
        Some(element)
    }

    /// Returns the number of elements at all levels, with those in octet strings.
    pub(super) fn count_all(self) -> usize {
        let (mut count, mut lists) = (0, vec![self]);
        while let Some(mut list) = lists.pop() {
            while let Some(element) = list.next() {
                let is_string = element.tag().0 == number::OCTET_STRING;
                count += 1;
                if element.header.is_constructed() || is_string {
                    lists.push(Self(element.data));
                }
            }
        }
        count
    }

    /// Returns the DER of the next element.
    pub(super) fn whole(&mut self) -> Option<&'d [u8]> {
        let before = self.0;
        self.next()?;
        before.get(..before.len() - self.0.len())
    }

    /// Returns the content of the next element, which must be a sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.universal(number::SEQUENCE).map(Self)
    }

    /// Returns the content of the next element if it has this universal type; otherwise does not
    /// advance.
    pub(super) fn universal(&mut self, number: u32) -> Option<&'d [u8]> {
        self.of_class(Class::Universal, number)
    }

    /// Returns the content of the next element if it has this context-specific tag; otherwise does
    /// not advance.
    pub(super) fn tagged(&mut self, number: u32) -> Option<&'d [u8]> {
        self.of_class(Class::ContextSpecific, number)
    }

    fn of_class(&mut self, class: Class, number: u32) -> Option<&'d [u8]> {
        let (rest, element) = Any::from_der(self.0).ok()?;
        if element.class() != class || element.tag().0 != number {
            return None;
        }
        self.0 = rest;
        Some(element.data)
    }
}
