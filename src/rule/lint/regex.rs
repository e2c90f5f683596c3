//! Regular expressions that a plain modifier would say as well, and faster.

/// The modifier and the text that say the same as a regular expression, if it is so plain.
pub fn plain(source: &str) -> Option<(&'static str, String)> {
    let (starts, rest) = source.strip_prefix('^').map_or((false, source), |rest| (true, rest));
    let (open_start, rest) = rest.strip_prefix(".*").map_or((false, rest), |rest| (true, rest));
    let ends = rest.ends_with('$') && !rest.ends_with(r"\$");
    let rest = if ends { &rest[..rest.len() - 1] } else { rest };
    let open_end = rest.ends_with(".*") && !rest.ends_with(r"\.*");
    let text = literal(if open_end { &rest[..rest.len() - 2] } else { rest })?;
    // A dot fits no line break, so `^.*x` is only nearly the same; nobody means the difference.
    Some((
        match (starts && !open_start, ends && !open_end) {
            (true, true) => "",
            (true, false) => "|startswith",
            (false, true) => "|endswith",
            (false, false) => "|contains",
        },
        text,
    ))
}

/// The text that a regular expression without any sign of its own stands for.
fn literal(source: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                escaped if escaped.is_ascii_punctuation() => text.push(escaped),
                _ => return None,
            },
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => return None,
            plain => text.push(plain),
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_plain_ones() {
        for (source, modifier, text) in [
            ("^StopLogging$", "", "StopLogging"),
            ("^Stop", "|startswith", "Stop"),
            ("^Stop.*$", "|startswith", "Stop"),
            ("Logging$", "|endswith", "Logging"),
            ("^.*Logging$", "|endswith", "Logging"),
            (".*Log.*", "|contains", "Log"),
            (r"aws\.amazon\.com", "|contains", "aws.amazon.com"),
            (r"\$", "|contains", "$"),
        ] {
            assert_eq!(plain(source), Some((modifier, text.to_owned())), "{source}");
        }
        for source in ["", ".*", "^$", "a|b", r"\d", "(?i)a", "a.b", "a+", "[ab]", r"a\"] {
            assert_eq!(plain(source), None, "{source}");
        }
    }
}
