//! What is wanted of an object, as lists of paths, and the slots where it ends up.
//!
//! A list is an enum: a path per variant, and the variant is the name by which the value is asked for. The tree that the
//! reader walks is made of these lists once.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde_json::value::RawValue;

use super::plugin::PluginKind;

/// The stretches of time over which Logstash averages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// About ten seconds.
    Current,
    /// A quarter of an hour.
    Last15Minutes,
    /// An hour.
    Last1Hour,
    /// A minute.
    Last1Minute,
    /// A day.
    Last24Hours,
    /// Five minutes.
    Last5Minutes,
    /// Since the start or the last reload.
    Lifetime,
}

impl Window {
    /// All of them, in byte order of their names.
    pub const ALL: [Self; 7] = [
        Self::Current,
        Self::Last15Minutes,
        Self::Last1Hour,
        Self::Last1Minute,
        Self::Last24Hours,
        Self::Last5Minutes,
        Self::Lifetime,
    ];

    /// The API's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Last15Minutes => "last_15_minutes",
            Self::Last1Hour => "last_1_hour",
            Self::Last1Minute => "last_1_minute",
            Self::Last24Hours => "last_24_hours",
            Self::Last5Minutes => "last_5_minutes",
            Self::Lifetime => "lifetime",
        }
    }
}

/// How a value is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A number.
    Number,
    /// A number, or one of the words `Infinity`, `-Infinity` and `NaN`.
    Rate,
    /// A time as text.
    Time,
    /// A boolean, as 1 or 0.
    Flag,
    /// 0 for null, 1 for an object or a text that says what went wrong.
    Fault,
    /// 0 for the text `no errors`, 1 for any other.
    FaultText,
    /// A text.
    Text,
    /// A boolean, as the text `true` or `false`.
    FlagText,
    /// Anything, to be looked at later.
    Raw,
}

/// A list's row.
pub(super) struct Leaf {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
}

/// What a key of an object leads to.
pub(super) enum Place {
    /// A value, and its slot.
    Leaf(Kind, usize),
    /// A map of pipelines.
    Pipelines,
    /// A list of plugins.
    Plugins(PluginKind),
    /// An object.
    Object(Vec<Node>),
}

/// A key of an object.
pub(super) struct Node {
    pub(super) key: &'static str,
    pub(super) place: Place,
}

/// A kind of object: its lists.
pub trait Shape {
    /// Values that become numbers.
    type Number: Slot;
    /// Objects of [`Window`]s.
    type Flow: Slot;
    /// Values that become texts.
    type Text: Slot;
}

/// A list.
pub trait Slot: Copy {
    /// How many rows it has.
    const COUNT: usize;
    /// The number of a row.
    fn index(self) -> usize;
}

/// A shape with its tree, which nobody outside needs.
pub(super) trait Planted: Shape {
    fn tree() -> &'static Tree;
}

/// The tree of a shape.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    n_numbers: usize,
    n_texts: usize,
    n_raw: usize,
}

impl Tree {
    pub(super) fn new([numbers, flows, texts, raw]: [&[Leaf]; 4], lists: Vec<(&'static str, Place)>) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            n_numbers: numbers.len() + flows.len() * Window::ALL.len(),
            n_texts: texts.len(),
            n_raw: raw.len(),
        };
        for leaves in [numbers, texts, raw] {
            for (slot, leaf) in leaves.iter().enumerate() {
                tree.plant(leaf.path, Place::Leaf(leaf.kind, slot));
            }
        }
        for (flow, leaf) in flows.iter().enumerate() {
            let first = numbers.len() + flow * Window::ALL.len();
            let windows = Window::ALL.iter().enumerate();
            let nodes = windows
                .map(|(at, window)| Node { key: window.as_str(), place: Place::Leaf(leaf.kind, first + at) })
                .collect();
            tree.plant(leaf.path, Place::Object(nodes));
        }
        for (path, list) in lists {
            tree.plant(path, list);
        }
        tree
    }

    fn plant(&mut self, path: &'static str, place: Place) {
        let mut nodes = &mut self.nodes;
        let mut rest = path;
        while let Some((key, below)) = rest.split_once('.') {
            let at = nodes.iter().position(|node| node.key == key).unwrap_or_else(|| {
                nodes.push(Node { key, place: Place::Object(Vec::new()) });
                nodes.len() - 1
            });
            let Some(Node { place: Place::Object(inner), .. }) = nodes.get_mut(at) else { return };
            (nodes, rest) = (inner, below);
        }
        match (nodes.iter_mut().find(|node| node.key == rest), place) {
            // Windows beside members of their own, as in `batch.event_count.current`.
            (Some(Node { place: Place::Object(there), .. }), Place::Object(more)) => there.extend(more),
            (_, place) => nodes.push(Node { key: rest, place }),
        }
    }

    pub(super) fn slots<'a>(&self) -> Slots<'a> {
        Slots {
            numbers: vec![f64::NAN; self.n_numbers],
            texts: vec![Cow::Borrowed(""); self.n_texts],
            raw: vec![None; self.n_raw],
        }
    }
}

/// Where the reader puts what it finds: NaN and the empty text stand for what is absent.
#[derive(Debug)]
pub(super) struct Slots<'a> {
    pub(super) numbers: Vec<f64>,
    pub(super) texts: Vec<Cow<'a, str>>,
    pub(super) raw: Vec<Option<&'a RawValue>>,
}

impl<'a> Slots<'a> {
    pub(super) fn clear(&mut self) {
        self.numbers.fill(f64::NAN);
        self.texts.fill(Cow::Borrowed(""));
        self.raw.fill(None);
    }

    pub(super) fn text(&mut self, text: impl Slot) -> Cow<'a, str> {
        self.texts.get_mut(text.index()).map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn number(&self, number: impl Slot) -> Option<f64> {
        present(self.numbers.get(number.index()))
    }

    pub(super) fn raw(&self, raw: impl Slot) -> Option<&'a RawValue> {
        self.raw.get(raw.index()).copied().flatten()
    }

    pub(super) fn into_record<S: Shape>(self) -> Record<'a, S> {
        Record { numbers: self.numbers.into(), texts: self.texts.into(), shape: PhantomData }
    }
}

/// The values of an object of shape `S`.
#[derive(Clone, Debug)]
pub struct Record<'a, S> {
    numbers: Box<[f64]>,
    texts: Box<[Cow<'a, str>]>,
    shape: PhantomData<S>,
}

impl<S: Shape> Record<'_, S> {
    /// A number, in the unit of the API.
    pub fn number(&self, number: S::Number) -> Option<f64> {
        present(self.numbers.get(number.index()))
    }

    /// One window of a flow, in the unit of the API.
    pub fn window(&self, flow: S::Flow, window: Window) -> Option<f64> {
        present(self.numbers.get(window_slot::<S>(flow, window)))
    }

    /// A text, empty when absent.
    pub fn text(&self, text: S::Text) -> &str {
        self.texts.get(text.index()).map_or("", |text| text)
    }
}

/// The slot of a window behind the numbers.
pub(super) fn window_slot<S: Shape>(flow: S::Flow, window: Window) -> usize {
    S::Number::COUNT + flow.index() * Window::ALL.len() + window as usize
}

fn present(slot: Option<&f64>) -> Option<f64> {
    slot.copied().filter(|value| !value.is_nan())
}

/// Declares a shape: its type, its tree, and a list for each kind of value.
macro_rules! shape {
    (
        $(#[$about:meta])* $vis:vis $shape:ident;
        numbers $number:ident { $($n:ident: $n_kind:ident $n_path:literal,)* }
        flows $flow:ident { $($f:ident: $f_kind:ident $f_path:literal,)* }
        texts $text:ident { $($t:ident: $t_kind:ident $t_path:literal,)* }
        $(raw $raw:ident { $($r:ident $r_path:literal,)+ })?
        $(lists { $($list_path:literal: $list:expr,)+ })?
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        $vis enum $shape {}

        impl $crate::api::record::Shape for $shape {
            type Number = $number;
            type Flow = $flow;
            type Text = $text;
        }

        impl $crate::api::record::Planted for $shape {
            fn tree() -> &'static $crate::api::record::Tree {
                static TREE: std::sync::LazyLock<$crate::api::record::Tree> = std::sync::LazyLock::new(|| {
                    $crate::api::record::Tree::new(
                        [$number::LEAVES, $flow::LEAVES, $text::LEAVES, &[$($($crate::api::record::leaf!(Raw $r_path),)+)?]],
                        vec![$($(($list_path, $list),)+)?],
                    )
                });
                &TREE
            }
        }

        $crate::api::record::list!($vis $number: $($n: $n_kind $n_path,)*);
        $crate::api::record::list!($vis $flow: $($f: $f_kind $f_path,)*);
        $crate::api::record::list!($vis $text: $($t: $t_kind $t_path,)*);
        $($crate::api::record::list!($raw: $($r: Raw $r_path,)*);)?
    };
}

/// Declares one list.
macro_rules! list {
    ($vis:vis $list:ident: $($variant:ident: $kind:ident $path:literal,)*) => {
        #[doc = "Members by their path in the answer."]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $list { $(#[doc = concat!("`", $path, "`")] $variant,)* }

        impl $list {
            const LEAVES: &'static [$crate::api::record::Leaf] = &[$($crate::api::record::leaf!($kind $path),)*];
        }

        impl $crate::api::record::Slot for $list {
            const COUNT: usize = Self::LEAVES.len();

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// A row of a list.
macro_rules! leaf {
    ($kind:ident $path:literal) => {
        $crate::api::record::Leaf { path: $path, kind: $crate::api::record::Kind::$kind }
    };
}

pub(super) use {leaf, list, shape};
