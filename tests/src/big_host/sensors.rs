//! Chips of the kind that watches a board: temperatures, fans and voltages, with what the board calls them.

use std::fmt::Display;
use std::io;

use super::{Numbers, Tree};

/// Sensors of a chip, by kind.
pub(super) const TEMPERATURES: usize = 6;
const FANS: usize = 4;
const VOLTAGES: usize = 8;

pub(super) fn write(tree: &Tree, chips: usize) -> io::Result<()> {
    (0..chips).try_for_each(|chip| write_chip(tree, chip))
}

fn write_chip(tree: &Tree, chip: usize) -> io::Result<()> {
    let mut numbers = Numbers::new(chip);
    let device = format!("nct6798.{}", 656 + chip);
    let own = format!("sys/devices/platform/{device}/hwmon/hwmon{chip}");
    tree.link(&format!("sys/class/hwmon/hwmon{chip}"), &format!("../../devices/platform/{device}/hwmon/hwmon{chip}"))?;
    tree.link(&format!("{own}/device"), &format!("../../../{device}"))?;
    let mut attributes: Vec<(String, String)> = vec![("name".to_owned(), "nct6798".to_owned())];
    let mut put = |name: String, value: &dyn Display| attributes.push((name, value.to_string()));
    for temperature in 1..=TEMPERATURES {
        put(format!("temp{temperature}_input"), &(25_000 + numbers.below(50_000)));
        put(format!("temp{temperature}_max"), &80_000);
        put(format!("temp{temperature}_max_hyst"), &75_000);
        put(format!("temp{temperature}_crit"), &125_000);
        put(format!("temp{temperature}_alarm"), &0);
        put(format!("temp{temperature}_type"), &6);
        put(format!("temp{temperature}_label"), &format_args!("AUXTIN{temperature}"));
    }
    for fan in 1..=FANS {
        put(format!("fan{fan}_input"), &(600 + numbers.below(4_000)));
        put(format!("fan{fan}_min"), &300);
        put(format!("fan{fan}_alarm"), &0);
        put(format!("fan{fan}_label"), &format_args!("FAN {fan}"));
    }
    for voltage in 0..VOLTAGES {
        put(format!("in{voltage}_input"), &(700 + numbers.below(2_600)));
        put(format!("in{voltage}_min"), &0);
        put(format!("in{voltage}_max"), &3_600);
        put(format!("in{voltage}_alarm"), &0);
        put(format!("in{voltage}_label"), &format_args!("VIN{voltage}"));
    }
    let attributes: Vec<(&str, &dyn Display)> =
        attributes.iter().map(|(name, value)| (name.as_str(), value as &dyn Display)).collect();
    tree.attributes(&own, &attributes)
}
