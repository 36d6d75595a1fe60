//! Reads the data of a record from front to back.
//!
//! At its end everything is 0 or empty: data may leave out its last fields. It may not end within one.

use std::ops::Range;

use super::{Malformed, name};

/// A place in the data of a record.
#[derive(Debug)]
pub(super) struct Cursor<'m> {
    /// The message up to the end of the data: names in it may point to anything before.
    bytes: &'m [u8],
    at: usize,
    /// Whether something has to come, though this be the end.
    owed: bool,
}

impl<'m> Cursor<'m> {
    /// At the beginning of `data`.
    pub(super) fn new(message: &'m [u8], data: Range<usize>) -> Self {
        let owed = false;
        Self { bytes: message.get(..data.end).unwrap_or_default(), at: data.start.min(data.end), owed }
    }

    /// Whether this is the end.
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// So many bytes, or none at the end.
    fn take(&mut self, length: usize) -> Result<&'m [u8], Malformed> {
        let owed = std::mem::take(&mut self.owed);
        if self.is_done() && !owed {
            return Ok(&[]);
        }
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    /// Bytes whose number came before them.
    pub(super) fn sized(&mut self, length: usize) -> Result<&'m [u8], Malformed> {
        self.owed = true;
        self.take(length)
    }

    /// A field whose length came before it. Data may end between the two; where it does not, the next field has to come
    /// as well.
    pub(super) fn counted(&mut self, length: usize) -> Result<&'m [u8], Malformed> {
        let ended = self.is_done() && !self.owed;
        let taken = self.take(length)?;
        self.owed = !ended;
        Ok(taken)
    }

    /// An unsigned number of up to eight bytes.
    pub(super) fn number(&mut self, size: usize) -> Result<u64, Malformed> {
        Ok(self.take(size)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?.map_or(0, u8::from_be_bytes))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(self.array()?.map_or(0, u16::from_be_bytes))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(self.array()?.map_or(0, u32::from_be_bytes))
    }

    /// So many bytes; `None` at the end.
    pub(super) fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Malformed> {
        Ok(self.take(N)?.first_chunk().copied())
    }

    /// A string with its length, a byte, before it.
    pub(super) fn string(&mut self) -> Result<&'m [u8], Malformed> {
        match self.array::<1>()? {
            None => Ok(&[]),
            Some([length]) => self.sized(usize::from(length)),
        }
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'m [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// A name as text, perhaps with pointers; nothing at the end.
    pub(super) fn name(&mut self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let owed = std::mem::take(&mut self.owed);
        if !self.is_done() || owed {
            self.at = name::write(self.bytes, self.at, out)?;
        }
        Ok(())
    }
}
