//! The folded form of strings, by which rules are filed: two strings that any test of ours takes for the same, case
//! aside, have the same folded form.
//!
//! It is wider than any one test: lower case as Unicode has it, with the forms that regular expressions also take for
//! the same letter made one. So what is found by it is a candidate, and the predicate itself has the last word.

/// Writes the folded form of `text` over `out`. Allocates only where `out` is too small.
pub fn fold(text: &str, out: &mut String) {
    out.clear();
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_lowercase();
    } else {
        out.extend(text.chars().flat_map(char::to_lowercase).map(merged));
    }
}

/// The folded form of `text`.
pub fn folded(text: &str) -> String {
    let mut out = String::new();
    fold(text, &mut out);
    out
}

/// The one character that all of these fold to, if it is one.
pub fn same(chars: impl IntoIterator<Item = char>) -> Option<char> {
    let mut chars = chars.into_iter().map(one);
    let first = chars.next()??;
    chars.all(|c| c == Some(first)).then_some(first)
}

fn one(c: char) -> Option<char> {
    let mut lower = c.to_lowercase();
    let first = lower.next()?;
    lower.next().is_none().then(|| merged(first))
}

/// Lower-case letters that are written in more than one way: the long s, which simple case folding takes for an `s`,
/// and the sigma at the end of a word, which lower-casing a whole word gives.
fn merged(c: char) -> char {
    match c {
        'ſ' => 's',
        'ς' => 'σ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_test_takes_for_the_same_folds_to_the_same() {
        for (one, other) in [
            ("PutObject", "putobject"),
            ("É", "é"),
            ("\u{212a}", "k"),
            ("ſ", "S"),
            ("ΑΣ", "ας"),
            ("ΑΣ", "ασ"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_ne!(folded("a"), folded("b"));
    }

    #[test]
    fn a_class_is_one_character_only_if_all_of_it_folds_alike() {
        assert_eq!(same(['K', 'k', '\u{212a}']), Some('k'));
        assert_eq!(same(['S', 's', 'ſ']), Some('s'));
        assert_eq!(same(['µ', 'μ']), None);
        assert_eq!(same(['a', 'b']), None);
        assert_eq!(same(['İ']), None);
    }

    #[test]
    fn is_a_fold_of_lower_case() {
        for text in ["ΑΣ ΣΑ", "straße", "ǅ", "KELVIN \u{212a}", "ϐ", "ﬀ"] {
            assert_eq!(folded(&text.to_lowercase()), folded(text), "{text}");
        }
    }
}
