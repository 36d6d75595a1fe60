//! What supervisord answers to `supervisor.getAllProcessInfo`: XML-RPC, a list of structs.
//!
//! Source: <http://xmlrpc.com/spec.md>. Elements are told apart by where they stand; what stands elsewhere is skipped.

use std::fmt;

use common::fields::parse_i64;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Deeper than any answer that says something.
const MOST_DEPTH: usize = 64;

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) name: String,
    pub(super) group: String,
    /// Where it is in its life; see [`is_up`](Self::is_up).
    pub(super) state: Option<i64>,
    pub(super) exit_status: Option<i64>,
    /// Seconds since 1970.
    pub(super) start: Option<i64>,
}

impl Process {
    /// Starting, running or being stopped.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, Some(10 | 20 | 40))
    }
}

/// Why there are no processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// Not XML, from this byte on.
    Broken(u64, String),
    /// XML that is no such answer.
    Foreign,
    /// supervisord refuses.
    Fault(String),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(at, what) => write!(f, "byte {at} of the answer: {what}"),
            Self::Foreign => f.write_str("expected the answer to an XML-RPC call, found something else"),
            Self::Fault(what) => write!(f, "supervisord refuses: {what:?}"),
        }
    }
}

/// The elements that matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    MethodResponse,
    Params,
    Param,
    Fault,
    Value,
    Array,
    Data,
    Struct,
    Member,
    Name,
    Other,
}

impl Tag {
    fn of(name: &str) -> Self {
        match name {
            "methodResponse" => Self::MethodResponse,
            "params" => Self::Params,
            "param" => Self::Param,
            "fault" => Self::Fault,
            "value" => Self::Value,
            "array" => Self::Array,
            "data" => Self::Data,
            "struct" => Self::Struct,
            "member" => Self::Member,
            "name" => Self::Name,
            _ => Self::Other,
        }
    }
}

const LIST: [Tag; 6] = [Tag::MethodResponse, Tag::Params, Tag::Param, Tag::Value, Tag::Array, Tag::Data];
const PROCESS: [Tag; 8] =
    [Tag::MethodResponse, Tag::Params, Tag::Param, Tag::Value, Tag::Array, Tag::Data, Tag::Value, Tag::Struct];
const FAULT: [Tag; 4] = [Tag::MethodResponse, Tag::Fault, Tag::Value, Tag::Struct];

#[derive(Default)]
struct Walk {
    /// The elements that are open.
    open: Vec<Tag>,
    name: String,
    value: String,
    process: Process,
    found: Vec<Process>,
    list: bool,
    fault: Option<String>,
}

impl Walk {
    fn start(&mut self, tag: Tag) {
        if tag == Tag::Member {
            self.name.clear();
            self.value.clear();
        }
        self.open.push(tag);
    }

    fn text(&mut self, text: &str) {
        let inside = |outer: &[Tag]| self.open.strip_prefix(outer);
        match inside(&PROCESS).or_else(|| inside(&FAULT)) {
            Some([Tag::Member, Tag::Name]) => self.name.push_str(text),
            // A text without a type is a string; around a type stands white space at most.
            Some([Tag::Member, Tag::Value] | [Tag::Member, Tag::Value, Tag::Other]) => self.value.push_str(text),
            _ => {}
        }
    }

    fn end(&mut self) {
        let closed = self.open.pop();
        match closed {
            Some(Tag::Member) if self.open == PROCESS => self.member(),
            Some(Tag::Member) if self.open == FAULT && self.name == "faultString" => {
                self.fault = Some(std::mem::take(&mut self.value));
            }
            Some(Tag::Struct) if self.open.split_last() == Some((&Tag::Value, &LIST)) => {
                self.found.push(std::mem::take(&mut self.process));
            }
            Some(Tag::Data) if self.open == LIST.split_last().map_or(&[][..], |(_, outer)| outer) => self.list = true,
            Some(Tag::Fault) if self.open == [Tag::MethodResponse] => {
                self.fault.get_or_insert_default();
            }
            _ => {}
        }
    }

    fn member(&mut self) {
        let number = || parse_i64(self.value.trim_ascii().as_bytes());
        match self.name.as_str() {
            "name" => self.process.name = std::mem::take(&mut self.value),
            "group" => self.process.group = std::mem::take(&mut self.value),
            "state" => self.process.state = number(),
            "exitstatus" => self.process.exit_status = number(),
            "start" => self.process.start = number(),
            _ => {}
        }
    }
}

/// The processes of an answer.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Process>, Bad> {
    let text = String::from_utf8_lossy(body);
    let mut reader = Reader::from_str(&text);
    let mut walk = Walk::default();
    loop {
        let event = reader.read_event().map_err(|e| Bad::Broken(reader.error_position(), e.to_string()))?;
        let broken = |what: &str| Bad::Broken(reader.buffer_position(), what.to_owned());
        match event {
            Event::Start(_) if walk.open.len() >= MOST_DEPTH => return Err(broken("elements within elements")),
            Event::Start(element) => walk.start(Tag::of(element.name().as_ref())),
            Event::End(_) => walk.end(),
            Event::Empty(element) => {
                walk.start(Tag::of(element.name().as_ref()));
                walk.end();
            }
            Event::Text(text) => walk.text(&text),
            Event::CData(text) => walk.text(&text),
            Event::GeneralRef(entity) => {
                let number = entity.resolve_char_ref().map_err(|e| broken(&e.to_string()))?;
                match (number, resolve_predefined_entity(&entity)) {
                    (Some(c), _) => walk.text(c.encode_utf8(&mut [0; 4])),
                    (None, Some(text)) => walk.text(text),
                    // Nothing is ever expanded.
                    (None, None) => return Err(broken("an entity nobody knows")),
                }
            }
            Event::Eof if !walk.open.is_empty() => return Err(broken("the end, before all elements are closed")),
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
        }
    }
    match (walk.fault, walk.list) {
        (Some(fault), _) => Err(Bad::Fault(fault.chars().take(200).collect())),
        (None, true) => Ok(walk.found),
        (None, false) => Err(Bad::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(members: &[(&str, &str)]) -> String {
        let member = |(name, value): &(&str, &str)| {
            format!("<member>\n<name>{name}</name>\n<value>{value}</value>\n</member>\n")
        };
        format!("<value><struct>\n{}</struct></value>\n", members.iter().map(member).collect::<String>())
    }

    fn list(items: &[String]) -> String {
        let items = items.concat();
        format!(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n{items}</data></array>\
             </value>\n</param>\n</params>\n</methodResponse>\n"
        )
    }

    #[test]
    fn good() {
        let text = list(&[
            members(&[
                ("name", "<string>a &lt;&amp;&#x22;\u{e4}</string>"),
                ("group", "g<!-- of two -->1"),
                ("state", " <int>20</int> "),
                ("exitstatus", "<i4>-1</i4>"),
                ("start", "<int>1700000000</int>"),
                ("spawnerr", "<string/>"),
                ("more", "<struct><member><name>name</name><value>inner</value></member></struct>"),
            ]),
            members(&[("group", "<string><![CDATA[<g>]]></string>"), ("state", "<string>x</string>")]),
        ]);
        let want = Process {
            name: "a <&\"\u{e4}".to_owned(),
            group: "g1".to_owned(),
            state: Some(20),
            exit_status: Some(-1),
            start: Some(1_700_000_000),
        };
        let other = Process { group: "<g>".to_owned(), ..Process::default() };
        assert_eq!(parse(text.as_bytes()), Ok(vec![want, other]));
        assert_eq!(parse(list(&[]).as_bytes()), Ok(vec![]));
        let short =
            "<methodResponse><params><param><value><array><data/></array></value></param></params></methodResponse>";
        assert_eq!(parse(short.as_bytes()), Ok(vec![]));
    }

    #[test]
    fn faults() {
        let fault = |text: &str| {
            let text = members(&[("faultCode", "<int>1</int>"), ("faultString", text)]);
            parse(format!("<methodResponse><fault>{text}</fault></methodResponse>").as_bytes())
        };
        assert_eq!(fault("<string>UNKNOWN_METHOD</string>"), Err(Bad::Fault("UNKNOWN_METHOD".to_owned())));
        assert_eq!(fault(""), Err(Bad::Fault(String::new())));
        assert_eq!(parse(b"<methodResponse><fault/></methodResponse>"), Err(Bad::Fault(String::new())));
    }

    #[test]
    fn cut_short_and_garbage() {
        let text = list(&[members(&[("name", "<string>a &amp; b</string>"), ("state", "<int>1</int>")])]);
        let end = text.trim_end().len();
        for end in 0..end {
            assert!(parse(&text.as_bytes()[..end]).is_err(), "{end}");
        }
        for foreign in ["", "\0", "Not Found", "<html><body/></html>", "<methodResponse/>", "<params><param/></params>"]
        {
            assert_eq!(parse(foreign.as_bytes()), Err(Bad::Foreign), "{foreign}");
        }
        let deep = "<a>".repeat(100_000);
        for broken in ["<a></b>", "<a>&b;</a>", "<a>&#xffffffff;</a>", "<a", "</a>", "<a>", &deep] {
            assert!(matches!(parse(broken.as_bytes()), Err(Bad::Broken(..))), "{broken:.20}");
        }
        let bomb = format!("<!DOCTYPE x [<!ENTITY a \"{}\">]><a>&a;</a>", "b".repeat(100));
        assert!(matches!(parse(bomb.as_bytes()), Err(Bad::Broken(..))));
        assert!(parse(b"<methodResponse>\xff\xfe</methodResponse>").is_err());
    }
}
