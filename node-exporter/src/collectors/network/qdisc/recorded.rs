//! Disciplines from a file in the form that the Go exporter's tests have them: a JSON list of objects. JSON is YAML.

use common::error::BadField;
use common::fields::parse_u64;
use common::yaml::{self, Node, Value};

use super::{Kind, Qdisc};

/// The disciplines and their interfaces, in the order of the file; numbers that are not there are 0.
pub(super) fn parse(text: &[u8]) -> Result<Vec<(String, Qdisc)>, BadField> {
    let bad = |line: u64, field, expected| BadField::new(u32::try_from(line).unwrap_or(0), field, expected, b"");
    let text = std::str::from_utf8(text).map_err(|_| bad(0, "text", "UTF-8"))?;
    // Nothing at all is YAML, but no JSON.
    if text.trim_ascii().is_empty() {
        return Err(bad(1, "text", "JSON"));
    }
    let root = yaml::parse(text).map_err(|e| bad(e.line, "text", "JSON"))?;
    let mut all = Vec::new();
    for node in root.into_list("").map_err(|e| bad(e.line, "text", "a list"))? {
        let line = node.line;
        let members = node.into_map("").map_err(|e| bad(e.line, "discipline", "an object"))?;
        let (mut device, mut qdisc) = (String::new(), Qdisc { counted: true, requeues: Some(0), ..Qdisc::default() });
        for (key, line, node) in members {
            set(&mut device, &mut qdisc, &key, node).ok_or_else(|| bad(line, "member", "a number or a text"))?;
        }
        if device.is_empty() {
            return Err(bad(line, "IfaceName", "the name of an interface"));
        }
        all.push((device, qdisc));
    }
    Ok(all)
}

/// Sets what a member is about; `None` when it is of another type.
fn set(device: &mut String, qdisc: &mut Qdisc, key: &str, node: Node) -> Option<()> {
    let Value::Scalar(text, _) = node.value else { return None };
    let number = || parse_u64(text.as_bytes());
    let short = || u32::try_from(number()?).ok();
    match key {
        "IfaceName" => *device = text,
        "Kind" => qdisc.kind = Kind::new(text.as_bytes()),
        "Parent" => qdisc.parent = short()?,
        "Bytes" => qdisc.bytes = number()?,
        "Packets" => qdisc.packets = number()?,
        "Drops" => qdisc.drops = short()?,
        "Requeues" => qdisc.requeues = Some(short()?),
        "Overlimits" => qdisc.overlimits = short()?,
        "Qlen" => qdisc.queue_length = short()?,
        "Backlog" => qdisc.backlog = short()?,
        _ => {}
    }
    Some(())
}
