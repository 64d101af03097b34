//! Formatting of numbers and times for people. Pure functions, so that server and browser render the same text.

use shared::number::Decimal;

/// Formats a number of bytes: `980 B`, `1.2 MB` (powers of 1,000, as file managers show them).
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if value < 10.0 {
        format!("{:.1} {}", Decimal(value), UNITS[unit])
    } else {
        format!("{:.0} {}", Decimal(value), UNITS[unit])
    }
}

/// Formats a number with thousands separators: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a duration in ms: `3 s`, `2 min 5 s`, `1 h 20 min`, `3 d 4 h`.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: i64, name: &str, small: i64, small_name: &str| {
        if small == 0 { format!("{large} {name}") } else { format!("{large} {name} {small} {small_name}") }
    };
    match () {
        () if days > 0 => two(days, "d", hours % 24, "h"),
        () if hours > 0 => two(hours, "h", minutes % 60, "min"),
        () if minutes > 0 => two(minutes, "min", seconds % 60, "s"),
        () => format!("{seconds} s"),
    }
}

/// Formats how long ago something was: `just now`, `3 min ago`, `2 d ago`.
pub fn ago(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// Time zone in minutes east of UTC; `None` until the browser has reported it, and always on the server, which formats in UTC.
pub type Zone = Option<i32>;

fn local(ms: i64, zone: Zone) -> i64 {
    ms + i64::from(zone.unwrap_or(0)) * 60_000
}

/// Formats the time of day with ms: `14:03:22.071`.
pub fn clock(ms: i64, zone: Zone) -> String {
    let day = local(ms, zone).rem_euclid(86_400_000);
    let (hour, minute, second) = (day / 3_600_000, day / 60_000 % 60, day / 1_000 % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:03}", day % 1_000)
}

/// Formats date and time: `22 Nov 2026, 14:03`, followed by `UTC` if the zone is unknown.
pub fn date(ms: i64, zone: Zone) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let ms = local(ms, zone);
    let (year, month, day) = civil(ms.div_euclid(86_400_000));
    let minutes = ms.rem_euclid(86_400_000) / 60_000;
    let suffix = if zone.is_none() { " UTC" } else { "" };
    format!("{day} {} {year}, {:02}:{:02}{suffix}", MONTHS[month - 1], minutes / 60, minutes % 60)
}

/// Formats for `<time datetime>`: RFC 3339 in UTC.
pub fn rfc3339(ms: i64) -> String {
    let (year, month, day) = civil(ms.div_euclid(86_400_000));
    format!("{year:04}-{month:02}-{day:02}T{}Z", clock(ms, None))
}

/// Converts days since 1970 to year, month (1 to 12) and day. H. Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`.
fn civil(days: i64) -> (i64, usize, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        let texts: Vec<String> = [0, 999, 1_000, 1_234_567, 48_000_000, 999_600, 3_000_000_000].map(bytes).to_vec();
        assert_eq!(texts, ["0 B", "999 B", "1.0 kB", "1.2 MB", "48 MB", "1.0 MB", "3.0 GB"]);
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn spans_have_at_most_two_units() {
        let texts = [-5, 999, 61_000, 120_000, 4_800_000, 90_000_000].map(span);
        assert_eq!(texts, ["0 s", "0 s", "1 min 1 s", "2 min", "1 h 20 min", "1 d 1 h"]);
        assert_eq!([0, 59_000, 60_000, 7_200_000].map(ago), ["just now", "59 s ago", "1 min ago", "2 h ago"]);
    }

    #[test]
    fn dates_are_right_on_leap_days_and_before_1970() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(1_795_353_802_071), "2026-11-22T13:23:22.071Z");
    }

    #[test]
    fn a_zone_moves_the_clock_and_drops_the_mark() {
        assert_eq!(date(1_795_353_802_071, None), "22 Nov 2026, 13:23 UTC");
        assert_eq!(date(1_795_353_802_071, Some(660)), "23 Nov 2026, 00:23");
        assert_eq!(clock(1_795_353_802_071, Some(-30)), "12:53:22.071");
    }
}
