//! Globs as IAM has them, and how two of them stand to each other.
//!
//! A policy and a rule both speak in globs, so it is not enough to fit a glob to a text: `s3:*Object` and `s3:Get*`
//! share calls, and neither is within the other. Both questions are answered in time proportional to the product of
//! the two lengths.

use std::fmt;

/// A glob: `*` is any text, `?` any one character.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    written: Box<str>,
    tokens: Box<[Token]>,
    /// Whether a policy variable stands in it, of which nobody knows here what it becomes.
    varies: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Any,
    One,
    Is(char),
}

impl Glob {
    /// A glob over names whose case does not count: calls, and keys of conditions.
    pub fn nocase(text: &str) -> Self {
        Self::of(text, text.chars().map(|c| Token::of(c.to_ascii_lowercase())), false)
    }

    /// A glob over names whose case counts.
    pub fn cased(text: &str) -> Self {
        Self::of(text, text.chars().map(Token::of), false)
    }

    /// A resource of a policy, with its variables: `${*}`, `${?}` and `${$}` are signs, and any other variable stands
    /// for a text that is not known.
    pub fn resource(text: &str) -> Self {
        let (mut tokens, mut varies, mut rest) = (Vec::new(), false, text);
        while let Some(at) = rest.find("${") {
            let Some(length) = rest[at..].find('}') else { break };
            tokens.extend(rest[..at].chars().map(Token::of));
            match &rest[at + 2..at + length] {
                sign @ ("*" | "?" | "$") => tokens.extend(sign.chars().map(Token::Is)),
                _ => {
                    tokens.push(Token::Any);
                    varies = true;
                }
            }
            rest = &rest[at + length + 1..];
        }
        tokens.extend(rest.chars().map(Token::of));
        Self::of(text, tokens, varies)
    }

    fn of(written: &str, tokens: impl IntoIterator<Item = Token>, varies: bool) -> Self {
        Self { written: written.into(), tokens: in_order(tokens), varies }
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it fits every text.
    pub fn is_everything(&self) -> bool {
        *self.tokens == [Token::Any]
    }

    /// Whether any text fits both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (&*self.tokens, &*other.tokens);
        let letters = |tokens: &[Token]| tokens.iter().take_while(|token| matches!(token, Token::Is(_))).count();
        let same = letters(a).min(letters(b));
        // Most globs of calls part at the service.
        a[..same] == b[..same] && overlap(&a[same..], &b[same..])
    }

    /// Whether everything that fits the other fits this one. Where this cannot be told, it is denied: of `*a` within
    /// `?*`, and of a glob that varies.
    pub fn covers(&self, other: &Self) -> bool {
        if self.varies {
            return false;
        }
        let (glob, text) = (&*self.tokens, &*other.tokens);
        let (mut g, mut t) = (0, 0);
        // Where the last `*` stands, and how far it has got.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match glob.get(g) {
                Some(Token::Any) => {
                    star = Some((g, t));
                    g += 1;
                }
                Some(Token::One) if text[t] != Token::Any => (g, t) = (g + 1, t + 1),
                Some(token @ Token::Is(_)) if text[t] == *token => (g, t) = (g + 1, t + 1),
                _ => {
                    let Some((at, reached)) = star else { return false };
                    star = Some((at, reached + 1));
                    (g, t) = (at + 1, reached + 1);
                }
            }
        }
        glob[g..].iter().all(|token| *token == Token::Any)
    }
}

impl Token {
    fn of(c: char) -> Self {
        match c {
            '*' => Self::Any,
            '?' => Self::One,
            other => Self::Is(other),
        }
    }
}

/// Of wildcards in a row the single ones come first and one `*` last, so that equal globs look equal.
fn in_order(tokens: impl IntoIterator<Item = Token>) -> Box<[Token]> {
    let mut ordered = Vec::new();
    let mut open = false;
    for token in tokens {
        match token {
            Token::Any => open = true,
            Token::One => ordered.push(token),
            Token::Is(_) => {
                ordered.extend(open.then_some(Token::Any));
                ordered.push(token);
                open = false;
            }
        }
    }
    ordered.extend(open.then_some(Token::Any));
    ordered.into()
}

/// Whether any text fits both: goes through the pairs of places that one text can lead to, a row for each of `a`.
fn overlap(a: &[Token], b: &[Token]) -> bool {
    let mut row = vec![false; b.len() + 1];
    row[0] = true;
    for i in 0..=a.len() {
        let mut next = vec![false; b.len() + 1];
        for j in 0..=b.len() {
            if !row[j] {
                continue;
            }
            let (left, right) = (a.get(i), b.get(j));
            if left == Some(&Token::Any) || right == Some(&Token::Any) {
                next[j] |= left.is_some();
                if right.is_some() {
                    row[j + 1] = true;
                }
            } else if let (Some(left), Some(right)) = (left, right)
                && (left == right || *left == Token::One || *right == Token::One)
            {
                next[j + 1] = true;
            }
        }
        if i == a.len() {
            break;
        }
        row = next;
    }
    row[b.len()]
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn globs_stand_to_each_other() {
        // Whether they share a text; whether the first covers the second; whether the second covers the first.
        for (a, b, overlap, covers, covered) in [
            ("*", "iam:*", true, true, false),
            ("iam:*", "iam:PassRole", true, true, false),
            ("iam:PassRole", "IAM:passrole", true, true, true),
            ("s3:Get*", "s3:*Object", true, false, false),
            ("s3:Get*", "s3:Put*", false, false, false),
            ("s3:Get?", "s3:Get", false, false, false),
            ("s3:Get??*", "s3:Get*??", true, true, true),
            ("s3:G*t*", "s3:Get*", true, true, false),
            ("", "*", true, false, true),
            ("", "?", false, false, false),
            ("*:*", "ec2:RunInstances", true, true, false),
        ] {
            let (left, right) = (Glob::nocase(a), Glob::nocase(b));
            assert_eq!((left.overlaps(&right), right.overlaps(&left)), (overlap, overlap), "{a} and {b}");
            assert_eq!((left.covers(&right), right.covers(&left)), (covers, covered), "{a} and {b}");
        }
        assert!(!Glob::cased("arn:a").overlaps(&Glob::cased("arn:A")));
    }

    #[test]
    fn variables_are_not_known() {
        let home = Glob::resource("arn:aws:s3:::homes/${aws:username}/*");
        assert!(home.overlaps(&Glob::cased("arn:aws:s3:::homes/alice/secret")));
        assert!(!home.overlaps(&Glob::cased("arn:aws:s3:::logs/*")));
        assert!(!home.covers(&Glob::cased("arn:aws:s3:::homes/alice/secret")));
        assert!(Glob::cased("arn:aws:s3:::homes/*").covers(&home));
        let star = Glob::resource("arn:aws:s3:::a${*}b");
        assert!(
            star.covers(&Glob::resource("arn:aws:s3:::a${*}b")) && !star.overlaps(&Glob::cased("arn:aws:s3:::axb"))
        );
    }

    #[test]
    fn hostile_globs_take_no_longer_than_their_lengths_allow() {
        let (stars, letters) = (Glob::cased(&"a*".repeat(2_000)), Glob::cased(&"a".repeat(4_000)));
        assert!(stars.covers(&letters) && stars.overlaps(&letters));
        let ends_otherwise = Glob::cased(&("a*".repeat(2_000) + "b"));
        assert!(!ends_otherwise.covers(&letters) && !ends_otherwise.overlaps(&letters));
    }

    fn glob() -> impl Strategy<Value = String> {
        "[ab*?]{0,5}"
    }

    /// Every text of these letters that is short enough to tell; `c` stands for all other letters.
    fn texts() -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut longest = texts.clone();
        for _ in 0..7 {
            longest = longest.iter().flat_map(|text| ['a', 'b', 'c'].map(|c| format!("{text}{c}"))).collect();
            texts.extend(longest.iter().cloned());
        }
        texts
    }

    /// The plainest way to fit a glob, which shares nothing with the one above.
    fn fits(glob: &[u8], text: &[u8]) -> bool {
        match (glob.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => fits(&glob[1..], text) || (!text.is_empty() && fits(glob, &text[1..])),
            (Some(b'?'), Some(_)) => fits(&glob[1..], &text[1..]),
            (Some(letter), Some(other)) => letter == other && fits(&glob[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn globs_overlap_where_a_text_fits_both(a in glob(), b in glob()) {
            let shared = texts().iter().any(|text| fits(a.as_bytes(), text.as_bytes()) && fits(b.as_bytes(), text.as_bytes()));
            prop_assert_eq!(Glob::cased(&a).overlaps(&Glob::cased(&b)), shared);
        }

        #[test]
        fn what_covers_fits_all(a in glob(), b in glob()) {
            if Glob::cased(&a).covers(&Glob::cased(&b)) {
                let all = texts().iter().all(|text| !fits(b.as_bytes(), text.as_bytes()) || fits(a.as_bytes(), text.as_bytes()));
                prop_assert!(all);
            }
        }

        #[test]
        fn a_text_is_covered_where_it_fits(a in glob(), text in "[abc]{0,6}") {
            prop_assert_eq!(Glob::cased(&a).covers(&Glob::cased(&text)), fits(a.as_bytes(), text.as_bytes()));
        }
    }
}
