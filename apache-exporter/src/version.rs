//! What the description of a server tells: `Apache/2.4.57 (Red Hat Enterprise Linux) OpenSSL/3.0.7`.
//!
//! * Source: the line `ServerVersion` of mod_status, or the header `Server`, which `ServerTokens` shortens.
//! * Rebranded servers write anything here. What is not there is `None`, and nothing is guessed.
//! * Differs from the Go exporter: it ends with a panic on `Apache`, `Apache/2` and `Apache/2.4`.

/// The parts of a server's description.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Version<'t> {
    /// The version as one number, two digits for the minor part and three for the patch: 2.4.41 is 2.04041.
    pub number: Option<f64>,
    /// `Apache`.
    pub product: Option<&'t str>,
    /// `2.4.57`.
    pub version: Option<&'t str>,
    /// What the first pair of brackets holds: `Red Hat Enterprise Linux`.
    pub platform: Option<&'t str>,
    /// The version of OpenSSL, `3.0.7`.
    pub openssl: Option<&'t str>,
}

/// Takes a description apart.
pub fn parse(text: &str) -> Version<'_> {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    // Not a product at all, but a remark.
    let (first, rest) = if first.starts_with('(') { ("", text) } else { (first, rest) };
    let (product, version) = first.split_once('/').unwrap_or((first, ""));
    let (platform, components) = brackets(rest);
    let openssl = components.split_whitespace().find_map(|word| word.strip_prefix("OpenSSL/"));
    let some = |text: &'_ str| !text.is_empty();
    Version {
        number: number(version),
        product: Some(product).filter(|text| some(text)),
        version: Some(version).filter(|text| some(text)),
        platform: platform.filter(|text| some(text)),
        openssl: openssl.filter(|text| some(text)),
    }
}

/// The content of the first brackets, and what stands behind them; brackets within them are content.
fn brackets(text: &str) -> (Option<&str>, &str) {
    let Some((_, inside)) = text.split_once('(') else { return (None, text) };
    let mut depth = 1_u32;
    for (at, c) in text.char_indices().skip_while(|(_, c)| *c != '(').skip(1) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let start = text.len() - inside.len();
            let content = text.get(start..at).unwrap_or_default();
            return (Some(content.trim()), text.get(at + 1..).unwrap_or_default());
        }
    }
    // Never closed: no platform, and whatever it was may hold components.
    (None, text)
}

/// The leading numbers of `2.4.41-dev`, three at most, as one.
fn number(version: &str) -> Option<f64> {
    let mut parts = version.split('.').map_while(|part| {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // `41-dev` is a last part: nothing behind it belongs to the number.
        part.get(..digits).filter(|digits| !digits.is_empty()).map(|number| (number, digits == part.len()))
    });
    let mut next = || parts.next();
    let (major, whole) = next()?;
    let minor = whole.then(&mut next).flatten();
    let patch = minor.filter(|(_, whole)| *whole).and_then(|_| next());
    // By way of the digits, so that it is the number a reader of 2.04041 gets.
    let digits = match (minor, patch) {
        (None, _) => major.to_owned(),
        (Some((minor, _)), None) => format!("{major}.{minor:0>2}"),
        (Some((minor, _)), Some((patch, _))) => format!("{major}.{minor:0>2}{patch:0>3}"),
    };
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, number: Option<f64>, parts: [&str; 4]) {
        let got = parse(text);
        assert_eq!(got.number, number, "{text}");
        let or_none = |part: Option<&'static str>| part.unwrap_or("-");
        let got = parse(Box::leak(text.to_owned().into_boxed_str()));
        assert_eq!([got.product, got.version, got.platform, got.openssl].map(or_none), parts, "{text}");
    }

    #[test]
    fn shapes_of_httpd() {
        check("Apache/2.4.41 (Ubuntu) OpenSSL/1.1.1f", Some(2.04041), ["Apache", "2.4.41", "Ubuntu", "1.1.1f"]);
        let red_hat = "Apache/2.4.57 (Red Hat Enterprise Linux) mod_wsgi/4.7.1 OpenSSL/3.0.7";
        check(red_hat, Some(2.04057), ["Apache", "2.4.57", "Red Hat Enterprise Linux", "3.0.7"]);
        let jboss = "Apache/2.4.37 (Red Hat) (Release 33.jbcs.el7-GA) OpenSSL/1.1.1g";
        check(jboss, Some(2.04037), ["Apache", "2.4.37", "Red Hat", "1.1.1g"]);
        check("Apache/2.2.22.2 (Unix) vFabric/5.1.1", Some(2.02022), ["Apache", "2.2.22.2", "Unix", "-"]);
        check("Apache/2.5.1-dev (Unix)", Some(2.05001), ["Apache", "2.5.1-dev", "Unix", "-"]);
        check(
            "Apache/2.4.6 (a (b) c) OpenSSL/1.0.2k-fips",
            Some(2.04006),
            ["Apache", "2.4.6", "a (b) c", "1.0.2k-fips"],
        );
    }

    #[test]
    fn short_shapes() {
        check("Apache/2.4", Some(2.04), ["Apache", "2.4", "-", "-"]);
        check("Apache/2", Some(2.0), ["Apache", "2", "-", "-"]);
        check("Apache/2.4.x", Some(2.04), ["Apache", "2.4.x", "-", "-"]);
        check("Apache/2-beta.4.1", Some(2.0), ["Apache", "2-beta.4.1", "-", "-"]);
        check("Apache/2.4b.1", Some(2.04), ["Apache", "2.4b.1", "-", "-"]);
        check("Apache", None, ["Apache", "-", "-", "-"]);
        check("Apache/", None, ["Apache", "-", "-", "-"]);
        check("Apache (Unix) OpenSSL/1.1.1", None, ["Apache", "-", "Unix", "1.1.1"]);
        check("", None, ["-"; 4]);
    }

    #[test]
    fn other_products() {
        check("IBM_HTTP_Server/9.0.5.7 (Unix)", Some(9.00005), ["IBM_HTTP_Server", "9.0.5.7", "Unix", "-"]);
        check("IBM_HTTP_Server", None, ["IBM_HTTP_Server", "-", "-", "-"]);
        check("Oracle-HTTP-Server/12.2.1.4.0", Some(12.02001), ["Oracle-HTTP-Server", "12.2.1.4.0", "-", "-"]);
        check("X/2.4.1234", Some(2.041_234), ["X", "2.4.1234", "-", "-"]);
    }

    #[test]
    fn garbage() {
        check("(Unix", None, ["-"; 4]);
        check("Apache/2.4.1 (Unix OpenSSL/1.1", Some(2.04001), ["Apache", "2.4.1", "-", "1.1"]);
        check("///((()))", None, ["-", "//((()))", "-", "-"]);
        check("\u{e9}/\u{e9} (\u{e9}) OpenSSL/", None, ["\u{e9}", "\u{e9}", "\u{e9}", "-"]);
        let long = format!("a/{}", "9".repeat(400));
        assert_eq!(parse(&long).number, None);
    }
}
