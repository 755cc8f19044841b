//! How long a server asks to wait: `retry-after-ms`, `Retry-After` in seconds or as a date, the reset of a limit that is used up, or words in
//! the body. It must not trust the local clock where the response brings its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The longest wait that is believed: a day.
const MOST: Duration = Duration::from_hours(24);
/// Longest part of a body that is looked at, in bytes.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// Returns the wait that a response asks for, at most a day; nothing if it asks for none or cannot be read.
pub(super) fn retry_after(headers: &HeaderMap, body: &str) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()) {
        return duration(ms / 1000.0);
    }
    let Some(value) = text(RETRY_AFTER.as_str()) else { return reset(headers).or_else(|| said(body)) };
    if let Ok(seconds) = value.parse::<f64>() {
        return duration(seconds);
    }
    let until = unix_seconds(value)?;
    let now = text(DATE.as_str()).and_then(unix_seconds).or_else(local_clock)?;
    Some(Duration::from_secs(until.saturating_sub(now)).min(MOST))
}

/// When a limit that is used up begins anew: OpenAI's headers for each of its limits, and the fields of the IETF's drafts in both spellings
/// (`RateLimit: "name";r=0;t=30`, `RateLimit-Reset: 30`). The longest counts.
fn reset(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let vendor = ["requests", "tokens"].into_iter().filter(|limit| text(&format!("x-ratelimit-remaining-{limit}")) == Some("0"));
    let vendor = vendor.filter_map(|limit| span(text(&format!("x-ratelimit-reset-{limit}"))?));
    let draft = text("ratelimit").filter(|value| value.split(';').any(|part| part.trim() == "r=0"));
    let draft = draft.and_then(|value| value.split(';').find_map(|part| part.trim().strip_prefix("t=")?.parse::<f64>().ok()));
    let older = text("ratelimit-reset").and_then(|value| value.parse::<f64>().ok());
    vendor.chain(draft.or(older).and_then(duration)).max()
}

/// Returns the wait that a body asks for: Gemini's `retryDelay`, “try again in 10.434s” of OpenAI and LiteLLM, “retry after 24 seconds” of
/// Azure.
pub(super) fn said(body: &str) -> Option<Duration> {
    let body = &body[..body.floor_char_boundary(MOST_BODY_BYTES)];
    ["\"retryDelay\": \"", "\"retryDelay\":\"", "try again in ", "Try again in ", "retry after "]
        .iter()
        .find_map(|phrase| span(body.split_once(phrase)?.1))
}

/// Reads a duration at the beginning of a text: `7s`, `6m0s`, `250ms`, `24 seconds`, `1h2m3.5s`.
fn span(text: &str) -> Option<Duration> {
    let (mut seconds, mut rest, mut any) = (0.0, text, false);
    loop {
        let digits = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.').len();
        let Ok(number) = rest[..digits].trim_end_matches('.').parse::<f64>() else { break };
        let after = rest[digits..].trim_start();
        let word = after.len() - after.trim_start_matches(|char: char| char.is_ascii_alphabetic()).len();
        let unit = match &after[..word] {
            "ms" | "milliseconds" => 0.001,
            "s" | "second" | "seconds" => 1.0,
            "m" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            _ => break,
        };
        (seconds, rest, any) = (seconds + number * unit, &after[word..], true);
    }
    if any { duration(seconds) } else { None }
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(MOST))
}

fn local_clock() -> Option<u64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Reads a date in the form that HTTP prescribes, `Sun, 06 Nov 1994 08:49:37 GMT`. The two older forms are not sent any more.
fn unix_seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = date.split_once(", ")?;
    let parts: [&str; 5] = rest.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let [day, month, year, clock, "GMT"] = parts else { return None };
    let number = |text: &str, most: u64| text.parse::<u64>().ok().filter(|number| *number <= most);
    let day = number(day, 31).filter(|day| *day > 0)?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year = number(year, 9999).filter(|year| *year >= 1970)?;
    let clock: [&str; 3] = clock.split(':').collect::<Vec<_>>().try_into().ok()?;
    let [hour, minute, second] = clock;
    let (hour, minute, second) = (number(hour, 23)?, number(minute, 59)?, number(second, 60)?);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_of_years: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let days_of_months: u64 = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].iter().take(month).sum();
    Some((((days_of_years + days_of_months + day - 1) * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        retry_after(&headers, "")
    }

    #[test]
    fn a_limit_that_is_used_up_says_when_it_begins_anew() {
        let openai = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        assert_eq!(asked(&openai), Some(Duration::from_mins(6)));
        assert_eq!(asked(&openai[..2]), Some(Duration::from_millis(120)));
        assert_eq!(asked(&[("x-ratelimit-remaining-tokens", "7"), ("x-ratelimit-reset-tokens", "6m0s")]), None);
        assert_eq!(asked(&[("ratelimit", "\"default\";r=0;t=30")]), Some(Duration::from_secs(30)));
        assert_eq!(asked(&[("ratelimit", "\"default\";r=9;t=30")]), None);
        assert_eq!(asked(&[("ratelimit-reset", "12")]), Some(Duration::from_secs(12)));
        assert_eq!(asked(&[("retry-after", "2"), ("ratelimit-reset", "12")]), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_wait_in_words_counts_where_no_header_has_one() {
        for (body, seconds) in [
            (r#"{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}"#, Some(34.5)),
            ("Limit 30000, Used 22999, Requested 12218. Please try again in 10.434s. Visit the page", Some(10.434)),
            ("No deployments available for selected model, Try again in 60 seconds. Passed model=large", Some(60.0)),
            ("have exceeded token rate limit of your tier. Please retry after 24 seconds.", Some(24.0)),
            ("Please try again in 1h2m3.5s", Some(3723.5)),
            ("Please try again in a moment", None),
            ("Please try again later", None),
        ] {
            assert_eq!(said(body), seconds.map(Duration::from_secs_f64), "{body}");
        }
    }

    #[test]
    fn seconds_milliseconds_and_dates_are_read() {
        assert_eq!(asked(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(asked(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(asked(&[("retry-after-ms", "250"), ("retry-after", "9")]), Some(Duration::from_millis(250)));
        let date = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:07 GMT")];
        assert_eq!(asked(&date), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_date_that_is_over_means_at_once() {
        let date = [("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(asked(&date), Some(Duration::ZERO));
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT")]), Some(Duration::ZERO));
    }

    #[test]
    fn nonsense_asks_for_nothing_and_nobody_waits_longer_than_a_day() {
        for nonsense in ["-1", "NaN", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", ""] {
            assert_eq!(asked(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(asked(&[("retry-after", "1e300")]), None);
        assert_eq!(asked(&[("retry-after", "99999999")]), Some(MOST));
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn dates_are_counted_with_leap_years() {
        assert_eq!(unix_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(unix_seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(unix_seconds("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
    }

    proptest! {
        #[test]
        fn no_header_panics(value in "[ -~]{0,40}") {
            let wait = asked(&[("retry-after", &value)]);
            prop_assert!(wait.is_none_or(|wait| wait <= MOST));
        }

        #[test]
        fn no_body_panics(body in "\\PC{0,20}(try again in )?[0-9.hms]{0,12}\\PC{0,20}") {
            prop_assert!(said(&body).is_none_or(|wait| wait <= MOST));
        }
    }
}
