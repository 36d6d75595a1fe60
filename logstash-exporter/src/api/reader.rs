//! Walks a JSON text along the tree of a shape.
//!
//! serde_json splits the text; which members matter and what type they should have is decided here, so that a wrong
//! type is a missing value and not an error. One pass, no tree of the whole document.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::leaf::{flag_text, number, text};
use super::pipeline::{Pipeline, PipelineShape};
use super::plugin::{PluginKind, PluginShape, Reading};
use super::record::{Kind, Node, Place, Planted, Slots};
use super::{BadDocument, Parsed};

/// What a number is called where `arbitrary_precision` hands it over as a map of one member.
const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// What is noted on the way.
#[derive(Default)]
pub(super) struct Notes<'a> {
    pub(super) malformed: u32,
    pub(super) doubles: u32,
    pub(super) pipelines: Vec<Pipeline<'a>>,
    /// The plugins of the pipeline that is being read.
    pub(super) plugins: Reading<'a>,
}

impl Notes<'_> {
    /// Sorts by `key` and drops what has the key of another.
    pub(super) fn settle<T, K: Ord + ?Sized>(&mut self, rows: &mut Vec<T>, key: impl Fn(&T) -> &K) {
        rows.sort_by(|a, b| key(a).cmp(key(b)));
        self.drop_doubles(rows, |a, b| key(a) == key(b));
    }

    pub(super) fn drop_doubles<T>(&mut self, rows: &mut Vec<T>, same: impl Fn(&T, &T) -> bool) {
        let before = rows.len();
        rows.dedup_by(|b, a| same(a, b));
        self.doubles += (before - rows.len()) as u32;
    }

    pub(super) fn parsed<T>(&self, document: T) -> Parsed<T> {
        Parsed { document, malformed: self.malformed, doubles: self.doubles }
    }
}

/// Reads a whole answer.
pub(super) fn document<'a, S: Planted>(body: &'a [u8], notes: &mut Notes<'a>) -> Result<Slots<'a>, BadDocument> {
    let tree = S::tree();
    let mut slots = tree.slots();
    let text = std::str::from_utf8(body).map_err(|e| BadDocument::not_utf8(body, e.valid_up_to()))?;
    let mut json = Deserializer::from_str(text);
    let first = body.iter().find(|b| !b.is_ascii_whitespace());
    let result = match first {
        Some(b'{') | None => {
            Read(&mut Walk { nodes: &tree.nodes, slots: &mut slots, notes }).deserialize(&mut json).map(drop)
        }
        Some(_) => json.deserialize_map(NoObject),
    };
    result.and_then(|()| json.end()).map_err(|e| BadDocument::new(&e))?;
    Ok(slots)
}

impl BadDocument {
    fn not_utf8(body: &[u8], at: usize) -> Self {
        let before = body.get(..at).unwrap_or(body);
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        Self { line, column: at - line_start + 1, what: "expected UTF-8, found something else".to_owned() }
    }

    fn new(e: &serde_json::Error) -> Self {
        let (line, column) = (e.line(), e.column());
        let text = e.to_string();
        let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
        // serde_json begins some messages with an upper case abbreviation.
        let what = what.strip_prefix("EOF").map_or_else(|| what.to_owned(), |rest| format!("end of text{rest}"));
        Self { line, column, what }
    }
}

/// Gives the message for an answer that is JSON, but no object.
struct NoObject;

impl Visitor<'_> for NoObject {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
}

/// Reads an object that was kept as text; `None` when it is something else.
pub(super) fn record<'a, S: Planted>(raw: &'a RawValue, notes: &mut Notes<'a>) -> Option<Slots<'a>> {
    let tree = S::tree();
    let mut slots = tree.slots();
    again(raw, &mut Walk { nodes: &tree.nodes, slots: &mut slots, notes }).then_some(slots)
}

/// The members of an object that was kept as text.
pub(super) fn entries<'a>(raw: Option<&'a RawValue>, notes: &mut Notes<'a>) -> Vec<(Cow<'a, str>, &'a RawValue)> {
    let mut all = Entries { found: Vec::new(), notes };
    if let Some(raw) = raw {
        again(raw, &mut all);
    }
    all.found
}

/// The items of a list that was kept as text.
pub(super) fn items<'a>(raw: Option<&'a RawValue>, notes: &mut Notes<'a>) -> Vec<&'a RawValue> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Vec::new() };
    serde_json::from_str(raw.get()).unwrap_or_else(|_| {
        notes.malformed += 1;
        Vec::new()
    })
}

fn again<'a>(raw: &'a RawValue, part: &mut impl Part<'a>) -> bool {
    let result = Read(&mut *part).deserialize(&mut Deserializer::from_str(raw.get()));
    // Only an odd key can still be wrong with it.
    result.unwrap_or_else(|_| part.is_malformed())
}

/// Something that an object, or a list, is read into; anything else in its place is malformed.
pub(super) trait Part<'a> {
    /// Takes one member of an object.
    fn member<A: MapAccess<'a>>(&mut self, key: Cow<'a, str>, map: &mut A) -> Result<(), A::Error>;

    /// Takes a list; here none is wanted.
    fn items<A: SeqAccess<'a>>(&mut self, mut seq: A) -> Result<bool, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.is_malformed())
    }

    /// Notes that the type was wrong; tells that nothing was read.
    fn is_malformed(&mut self) -> bool;
}

/// Reads a part, or whatever stands in its place; tells whether it was one.
pub(super) struct Read<'t, P>(pub(super) &'t mut P);

impl<'a, P: Part<'a>> DeserializeSeed<'a> for Read<'_, P> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a, P: Part<'a>> Visitor<'a> for Read<'_, P> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            if key == NUMBER_TOKEN {
                map.next_value::<IgnoredAny>()?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(self.0.is_malformed());
            }
            self.0.member(key, &mut map)?;
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<bool, A::Error> {
        self.0.items(seq)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(self.0.is_malformed())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(self.0.is_malformed())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(self.0.is_malformed())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(self.0.is_malformed())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        Ok(self.0.is_malformed())
    }
}

/// A key, borrowed where it holds no escapes.
struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<Cow<'a, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Puts the members that a tree knows into their slots.
pub(super) struct Walk<'t, 'a> {
    pub(super) nodes: &'static [Node],
    pub(super) slots: &'t mut Slots<'a>,
    pub(super) notes: &'t mut Notes<'a>,
}

impl<'a> Part<'a> for Walk<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        let Some(node) = self.nodes.iter().find(|node| node.key == key) else {
            return map.next_value::<IgnoredAny>().map(drop);
        };
        match &node.place {
            Place::Leaf(kind, slot) => {
                let raw: &'a RawValue = map.next_value()?;
                self.leaf(*kind, *slot, raw);
                Ok(())
            }
            Place::Object(nodes) => {
                map.next_value_seed(Read(&mut Walk { nodes, slots: self.slots, notes: self.notes })).map(drop)
            }
            Place::Pipelines => map.next_value_seed(Read(&mut Pipelines { notes: self.notes })).map(drop),
            Place::Plugins(kind) => {
                map.next_value_seed(Read(&mut PluginList { kind: *kind, notes: self.notes })).map(drop)
            }
        }
    }

    fn is_malformed(&mut self) -> bool {
        self.notes.malformed += 1;
        false
    }
}

impl<'a> Walk<'_, 'a> {
    /// The last of two members of one name counts, as everywhere.
    fn leaf(&mut self, kind: Kind, slot: usize, raw: &'a RawValue) {
        let (numbers, texts) = (&mut self.slots.numbers, &mut self.slots.texts);
        let is_right = match kind {
            Kind::Raw => {
                self.slots.raw.iter_mut().skip(slot).take(1).for_each(|kept| *kept = Some(raw));
                true
            }
            Kind::Text | Kind::FlagText => {
                let text = if matches!(kind, Kind::Text) { text(raw) } else { flag_text(raw) };
                let is_right = text.is_some();
                texts.iter_mut().skip(slot).take(1).for_each(|kept| *kept = text.clone().unwrap_or_default());
                is_right
            }
            _ => {
                let number = number(kind, raw);
                if let Some(kept) = numbers.get_mut(slot) {
                    *kept = number.unwrap_or(f64::NAN);
                }
                number.is_some()
            }
        };
        self.notes.malformed += u32::from(!is_right);
    }
}

/// The pipelines of the node statistics.
struct Pipelines<'t, 'a> {
    notes: &'t mut Notes<'a>,
}

impl<'a> Part<'a> for Pipelines<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        let tree = PipelineShape::tree();
        let mut slots = tree.slots();
        self.notes.plugins = Reading::default();
        let is_object =
            map.next_value_seed(Read(&mut Walk { nodes: &tree.nodes, slots: &mut slots, notes: self.notes }))?;
        if is_object {
            let plugins = std::mem::take(&mut self.notes.plugins).finish(self.notes);
            self.notes.pipelines.push(Pipeline::new(key, slots, plugins));
        }
        Ok(())
    }

    fn is_malformed(&mut self) -> bool {
        self.notes.malformed += 1;
        false
    }
}

/// One of a pipeline's lists of plugins.
struct PluginList<'t, 'a> {
    kind: PluginKind,
    notes: &'t mut Notes<'a>,
}

impl<'a> Part<'a> for PluginList<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, _: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        self.is_malformed();
        map.next_value::<IgnoredAny>().map(drop)
    }

    fn items<A: SeqAccess<'a>>(&mut self, mut seq: A) -> Result<bool, A::Error> {
        let tree = PluginShape::tree();
        let mut slots = std::mem::take(&mut self.notes.plugins.slots).unwrap_or_else(|| tree.slots());
        slots.clear();
        let mut walk = Walk { nodes: &tree.nodes, slots: &mut slots, notes: self.notes };
        while let Some(is_object) = seq.next_element_seed(Read(&mut walk))? {
            if is_object {
                walk.notes.take_plugin(self.kind, walk.slots);
            }
            walk.slots.clear();
        }
        self.notes.plugins.slots = Some(slots);
        Ok(true)
    }

    fn is_malformed(&mut self) -> bool {
        self.notes.malformed += 1;
        false
    }
}

/// The members of an object, as text.
struct Entries<'t, 'a> {
    found: Vec<(Cow<'a, str>, &'a RawValue)>,
    notes: &'t mut Notes<'a>,
}

impl<'a> Part<'a> for Entries<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        self.found.push((key, map.next_value()?));
        Ok(())
    }

    fn is_malformed(&mut self) -> bool {
        self.notes.malformed += 1;
        false
    }
}
