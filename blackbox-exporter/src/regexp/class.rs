//! Classes of characters, written for the engine.
//!
//! Each function gives a set in brackets, which may stand alone or inside another set. Go's classes know ASCII only; its Unicode
//! names are looked up without regard to case, spaces, `_` and `-`, and are general categories with their aliases and scripts by
//! their long names, no other properties.

use std::fmt::Write as _;

/// The set of nothing: for what UTF-8 cannot carry, such as surrogates.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// ASCII classes by name, as in `[[:alpha:]]`.
const POSIX: &[(&str, &str)] = &[
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x00-\x7F"),
    ("blank", r"\t "),
    ("cntrl", r"\x00-\x1F\x7F"),
    ("digit", "0-9"),
    ("graph", "!-~"),
    ("lower", "a-z"),
    ("print", " -~"),
    ("punct", r"!-/:-@\[-`{-\~"),
    ("space", r"\t\n\x0B\x0C\r "),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// General categories and their aliases; `c`, `cs`, `other` and `surrogate` are here for their names only, see [`unicode`].
const CATEGORIES: &str = "\
    c casedletter cc cf closepunctuation cn cntrl co combiningmark connectorpunctuation control cs currencysymbol \
    dashpunctuation decimalnumber digit enclosingmark finalpunctuation format initialpunctuation l lc letter \
    letternumber lineseparator ll lm lo lowercaseletter lt lu m mark mathsymbol mc me mn modifierletter \
    modifiersymbol n nd nl no nonspacingmark number openpunctuation other otherletter othernumber otherpunctuation \
    othersymbol p paragraphseparator pc pd pe pf pi po privateuse ps punct punctuation s sc separator sk sm so \
    spaceseparator spacingmark surrogate symbol titlecaseletter unassigned uppercaseletter z zl zp zs";

/// Scripts the engine has, by the names of Unicode's `Scripts.txt`.
const SCRIPTS: &str = "\
    adlam ahom anatolianhieroglyphs arabic armenian avestan balinese bamum bassavah batak bengali bhaiksuki bopomofo \
    brahmi braille buginese buhid canadianaboriginal carian caucasianalbanian chakma cham cherokee chorasmian common \
    coptic cuneiform cypriot cyprominoan cyrillic deseret devanagari divesakuru dogra duployan egyptianhieroglyphs \
    elbasan elymaic ethiopic garay georgian glagolitic gothic grantha greek gujarati gunjalagondi gurmukhi \
    gurungkhema han hangul hanifirohingya hanunoo hatran hebrew hiragana imperialaramaic inherited \
    inscriptionalpahlavi inscriptionalparthian javanese kaithi kannada katakana kawi kayahli kharoshthi \
    khitansmallscript khmer khojki khudawadi kiratrai lao latin lepcha limbu lineara linearb lisu lycian lydian \
    mahajani makasar malayalam mandaic manichaean marchen masaramgondi medefaidrin meeteimayek mendekikakui \
    meroiticcursive meroitichieroglyphs miao modi mongolian mro multani myanmar nabataean nagmundari nandinagari \
    newa newtailue nko nushu nyiakengpuachuehmong ogham olchiki oldhungarian olditalic oldnortharabian oldpermic \
    oldpersian oldsogdian oldsoutharabian oldturkic olduyghur olonal oriya osage osmanya pahawhhmong palmyrene \
    paucinhau phagspa phoenician psalterpahlavi rejang runic samaritan saurashtra sharada shavian siddham \
    signwriting sinhala sogdian sorasompeng soyombo sundanese sunuwar sylotinagri syriac tagalog tagbanwa taile \
    taitham taiviet takri tamil tangsa tangut telugu thaana thai tibetan tifinagh tirhuta todhri toto tulutigalari \
    ugaritic vai vithkuqi wancho warangciti yezidi yi zanabazarsquare";

/// Scripts of Unicode 17, which the engine does not have yet.
const NEW_SCRIPTS: &[&str] = &["beriaerfe", "sidetic", "taiyo", "tolongsiki"];

/// `\d`, `\s`, `\w` and their negations.
pub(super) fn perl(letter: char) -> Option<String> {
    let set = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        's' => r"\t\n\x0C\r ",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some(bracketed(set, letter.is_ascii_uppercase()))
}

/// The class of `[:name:]` or `[:^name:]`.
pub(super) fn posix(name: &str) -> Option<String> {
    let (name, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let (_, set) = POSIX.iter().find(|(known, _)| *known == name)?;
    Some(bracketed(set, negated))
}

/// The class of `\p{name}`, or of `\P{name}` if negated.
pub(super) fn unicode(name: &str, negated: bool) -> Option<String> {
    let (name, negated) = name.strip_prefix('^').map_or((name, negated), |name| (name, !negated));
    let name: String = name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    let name = name.as_str();
    let set = match name {
        "any" => r"\x{0}-\x{10FFFF}".to_owned(),
        "ascii" => r"\x00-\x7F".to_owned(),
        "assigned" => r"\P{Cn}".to_owned(),
        "c" | "other" => r"\p{Cc}\p{Cf}\p{Co}\p{Cn}".to_owned(),
        "cs" | "surrogate" => NOTHING.to_owned(),
        _ if in_list(CATEGORIES, name) => format!(r"\p{{gc={name}}}"),
        _ if in_list(SCRIPTS, name) => format!(r"\p{{sc={name}}}"),
        _ if NEW_SCRIPTS.contains(&name) => NOTHING.to_owned(),
        _ => return None,
    };
    Some(bracketed(&set, negated))
}

fn in_list(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == name)
}

/// Adds the characters `low..=high` to a set. Surrogates are left out: no text has them.
pub(super) fn push_range(set: &mut String, low: u32, high: u32) {
    for (low, high) in [(low, high.min(0xD7FF)), (low.max(0xE000), high)] {
        if low <= high {
            // Writing to a string cannot fail.
            let _ = write!(set, r"\x{{{low:X}}}-\x{{{high:X}}}");
        }
    }
}

/// A set in brackets; one of nothing is spelt out, because empty brackets mean something else.
pub(super) fn bracketed(set: &str, negated: bool) -> String {
    match (set, negated) {
        ("", false) => NOTHING.to_owned(),
        ("", true) => r"[\x{0}-\x{10FFFF}]".to_owned(),
        (_, false) => format!("[{set}]"),
        (_, true) => format!("[^{set}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_knows_each_name() {
        for name in CATEGORIES.split_ascii_whitespace().chain(SCRIPTS.split_ascii_whitespace()) {
            let set = unicode(name, false).unwrap();
            assert!(regex::Regex::new(&set).is_ok(), "{set}");
        }
        for (name, _) in POSIX {
            assert!(regex::Regex::new(&posix(name).unwrap()).is_ok(), "{name}");
        }
    }
}
