/// Whether this is a time of RFC 3339.
pub(super) fn is_time(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    let date = || -> Option<bool> {
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            1..=12 => 31,
            _ => 0,
        };
        let time = number(11..13)? < 24 && number(14..16)? < 60 && number(17..19)? < 60;
        Some((1..=days).contains(&day) && time)
    };
    let fraction = |rest: &str| -> bool {
        rest.is_empty()
            || (rest.len() > 1
                && rest.starts_with('.')
                && rest.bytes().skip(1).all(|b| b.is_ascii_digit()))
    };
    let zone = |rest: &str| -> bool {
        if let Some(rest) = rest.strip_suffix('Z') {
            return fraction(rest);
        }
        let Some((rest, offset)) = rest
            .len()
            .checked_sub(6)
            .and_then(|at| rest.split_at_checked(at))
        else {
            return false;
        };
        let digits = |range: std::ops::Range<usize>, most: u32| {
            offset
                .get(range)
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse::<u32>().ok())
                .is_some_and(|number| number <= most)
        };
        fraction(rest)
            && offset.starts_with(['+', '-'])
            && offset.get(3..4) == Some(":")
            && digits(1..3, 24)
            && digits(4..6, 60)
    };
    marks.iter().all(|(at, mark)| bytes.get(*at) == Some(mark))
        && date() == Some(true)
        && text.get(19..).is_some_and(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_rfc_3339() {
        for good in [
            "2026-01-31T12:00:00Z",
            "2024-02-29T23:59:59.123456789Z",
            "2026-01-31T12:00:00+02:00",
            "2026-01-31T12:00:00.5-11:30",
        ] {
            assert!(is_time(good), "{good}");
        }
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00+0200",
            "2026-01-31T12:00:00ä",
            "+026-01-31T12:00:00Z",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }
}
