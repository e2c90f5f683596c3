//! What is wrong with a rule, where, and what to do: drawn as a compiler does.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

use crate::event::Path;
use crate::event::dictionary::nearest;
use crate::untrusted::Untrusted;

/// Something wrong at a place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The text it is about.
    pub source: Arc<SourceText>,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// What is wrong: lower case, no full stop, literals in backticks.
    pub message: String,
    /// What stands beside the caret; may be empty.
    pub label: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A text with a name: a rule's file, or an argument of the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The file's path, or what stands for it.
    pub name: String,
    /// The text.
    pub text: String,
}

impl SourceText {
    /// The place of a part of a key or string that stands at `span`. Exact where the text stands there as it means;
    /// the whole where escapes, or names in quotes of their own, lie between.
    pub(super) fn place(&self, span: &Range<usize>, text: &str, part: Option<&Range<usize>>) -> Range<usize> {
        let (Some(part), Some(written)) = (part, self.text.get(span.clone())) else { return span.clone() };
        // A key may be joined of dotted names: then its tail stands there as it is, from one of the dots on.
        let dots = text.match_indices('.').map(|(dot, _)| dot + 1);
        let mut tails = std::iter::once(0).chain(dots).take_while(|&tail| tail <= part.start).take(Path::SEGMENTS_MAX);
        let found = tails.find_map(|tail| Some((tail, written.rfind(&text[tail..])?)));
        match found {
            Some((tail, at)) => {
                let shift = |offset: usize| span.start + at + offset - tail;
                shift(part.start)..shift(part.end)
            }
            None => span.clone(),
        }
    }
}

impl Diagnostic {
    /// A complaint about a place in a text.
    pub fn new(source: &Arc<SourceText>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { source: Arc::clone(source), span, message: message.into(), label: String::new(), hint: None }
    }

    /// Adds what stands beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what was probably meant by a word, or else what may stand there.
    pub fn expecting(self, word: &str, known: &[&str]) -> Self {
        match nearest(word, known.iter().copied()) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self.label(format!("expected one of {}", known.join(", "))),
        }
    }

    /// Line and column of the place, counted from 1, the column in characters.
    pub fn position(&self) -> (usize, usize) {
        let before = &self.source.text[..self.start()];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The start, moved to where a character begins.
    fn start(&self) -> usize {
        let mut start = self.span.start.min(self.source.text.len());
        while !self.source.text.is_char_boundary(start) {
            start -= 1;
        }
        start
    }

    /// The line with the place: what stands before the place, and the part of the place on that line.
    fn line(&self) -> (&str, &str, &str) {
        let text = &self.source.text;
        let start = self.start();
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line_end = start + text[start..line_end].trim_end_matches('\r').len();
        let mut end = self.span.end.clamp(start, line_end);
        while !text.is_char_boundary(end) {
            end += 1;
        }
        (&text[line_start..line_end], &text[line_start..start], &text[start..end])
    }
}

/// The widest line drawn whole; longer ones are cut around the place.
const LINE_WIDTH_MAX: usize = 160;

/// Draws the complaint:
/// ```text
/// rules/x.toml:6:12: unknown severity `hihg`
///   6 | severity = "hihg"
///     |            ^^^^^^ expected one of …
/// (hint: did you mean `high`?)
/// ```
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        let (text, before, marked) = self.line();
        writeln!(f, "{}:{line}:{column}: {}", Untrusted(&self.source.name), Untrusted(&self.message))?;

        let shown = |part: &str| Untrusted(&part.replace('\t', "    ")).to_string();
        let (mut drawn, mut indent) = (shown(text), shown(before).width());
        let mut carets = shown(marked).width().max(1);
        if drawn.chars().count() > LINE_WIDTH_MAX {
            let skipped = shown(before).chars().count().saturating_sub(LINE_WIDTH_MAX / 2);
            let part = cut(&drawn, skipped);
            indent -= shown(before).chars().take(skipped).collect::<String>().width();
            indent += usize::from(skipped > 0);
            carets = carets.min(part.width().saturating_sub(indent)).max(1);
            drawn = part;
        }
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "  {number} | {drawn}")?;
        write!(f, "  {margin} | {}{}", " ".repeat(indent), "^".repeat(carets))?;
        if !self.label.is_empty() {
            write!(f, " {}", Untrusted(&self.label))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n(hint: {})", Untrusted(hint))?;
        }
        Ok(())
    }
}

/// The part of a long line that is drawn, with an ellipsis where something is missing.
fn cut(line: &str, skipped: usize) -> String {
    let mut rest = line.chars().skip(skipped);
    let part: String = rest.by_ref().take(LINE_WIDTH_MAX).collect();
    let (before, after) = (if skipped > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
    format!("{before}{part}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_as_the_style_guide_shows() {
        let text = "id = \"x\"\n\n\n\n\nseverity = \"hihg\"\n";
        let source =
            Arc::new(SourceText { name: "rules/defense-evasion/trail-stopped.toml".into(), text: text.into() });
        let at = text.find("\"hihg\"").unwrap();
        let diagnostic = Diagnostic::new(&source, at..at + 6, "unknown severity `hihg`")
            .label("expected one of informational, low, medium, high, critical")
            .hint("did you mean `high`?");
        assert_eq!(
            diagnostic.to_string(),
            "rules/defense-evasion/trail-stopped.toml:6:12: unknown severity `hihg`\n  6 | severity = \"hihg\"\n    \
             |            ^^^^^^ expected one of informational, low, medium, high, critical\n(hint: did you mean `high`?)"
        );
    }

    #[test]
    fn finds_parts_of_keys() {
        for (written, text, part, found) in [
            ("\"userAgent|contians\"", "userAgent|contians", 10..18, "contians"),
            ("actor.nmae", "actor.nmae", 0..10, "actor.nmae"),
            ("a.\"b.c|contians\"", "a.b.c|contians", 6..14, "contians"),
            ("a.\"b.c|contians\"", "a.b.c|contians", 0..3, "a.\"b.c|contians\""),
            ("\"user\\u0041gent|no\"", "userAgent|no", 10..12, "\"user\\u0041gent|no\""),
            ("'é|no'", "é|no", 3..5, "no"),
        ] {
            let source = SourceText { name: "x".into(), text: format!("  {written} = 1") };
            let place = source.place(&(2..2 + written.len()), text, Some(&part));
            assert_eq!(&source.text[place], found, "{written}");
        }
    }

    #[test]
    fn bears_any_place_in_any_text() {
        let text = "é\tabc\r\n日本 = \u{1b}[31m\n";
        let source = Arc::new(SourceText { name: "x".into(), text: text.into() });
        for start in 0..=text.len() + 2 {
            for end in start..=text.len() + 2 {
                let drawn = Diagnostic::new(&source, start..end, "m").to_string();
                assert!(!drawn.contains('\u{1b}'));
            }
        }
    }
}
