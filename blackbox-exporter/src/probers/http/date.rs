//! Times in headers: the three forms of HTTP dates (RFC 9110, section 5.6.7), as seconds since 1970.
//!
//! The day of the week is not checked against the date. In the form with a year of two digits any zone is read as GMT, in
//! the others it has to be GMT: so does Go.

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`.
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let first = words.next()?;
    let (day, month, year, time) = match first.strip_suffix(',') {
        None => {
            short_day(first)?;
            let (month, day, time, year) = (words.next()?, words.next()?, words.next()?, words.next()?);
            (day, month, year, time)
        }
        Some(weekday) => {
            let second = words.next()?;
            let date = match second.split_once('-') {
                Some((day, rest)) => {
                    let (month, year) = rest.split_once('-')?;
                    if year.len() == 2 && !DAYS.contains(&weekday) || year.len() != 2 && short_day(weekday).is_none() {
                        return None;
                    }
                    (day, month, year)
                }
                None => {
                    short_day(weekday)?;
                    (second, words.next()?, words.next()?)
                }
            };
            let (time, zone) = (words.next()?, words.next()?);
            let is_short = zone.len() == 3 && zone.bytes().all(|b| b.is_ascii_uppercase());
            if zone != "GMT" && !(is_short && date.2.len() == 2) {
                return None;
            }
            (date.0, date.1, date.2, time)
        }
    };
    if words.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
    let year = match (year.len(), number(year)?) {
        (2, year) if year >= 69 => 1900 + year,
        (2, year) => 2000 + year,
        (4, year) => year,
        _ => return None,
    };
    let mut parts = time.split(':');
    let (hour, minute, second) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let (day, month) = (number(day)?, i64::try_from(month).ok()?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || day < 1 || day > days_of(month, year) {
        return None;
    }
    Some(((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn short_day(word: &str) -> Option<()> {
    DAYS.iter().any(|day| day.get(..3).is_some_and(|day| day.eq_ignore_ascii_case(word))).then_some(())
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn days_of(month: i64, year: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the Gregorian calendar, with years that begin in March, so that the leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms() {
        for (text, want) in [
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(1_445_412_480)),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", Some(1_445_412_480)),
            ("Wed Oct 21 07:28:00 2015", Some(1_445_412_480)),
            ("Tue Feb  3 00:00:00 1970", Some(2_851_200)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Wednesday, 21-Oct-15 07:28:00 EST", Some(1_445_412_480)),
            ("Wed, 21-Oct-2015 07:28:00 GMT", Some(1_445_412_480)),
            ("Thu, 29 Feb 2023 00:00:00 GMT", None),
            ("Wed, 21 Oct 2015 07:28:00 +0200", None),
            ("Wed, 21 Oct 2015 24:28:00 GMT", None),
            ("Wed, 21 Oct 2015 07:28 GMT", None),
            ("Wed, 21 Oct 2015 07:28:00 GMT x", None),
            ("Xyz, 21 Oct 2015 07:28:00 GMT", None),
            ("yesterday", None),
            ("", None),
            (",", None),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }
}
