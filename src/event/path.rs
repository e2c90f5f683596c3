//! Paths to fields of a record: names joined by dots, arrays passed through.
//!
//! Whether the case of letters counts is a property of the path, not of the matcher: our own rules ignore it, since
//! AWS's casing varies (`hTTPMethod`), while the dialects of other tools do not.

use std::fmt;

/// A path to a field. Arrays on the way are passed through: the path then leads to the field of every element.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    segments: Box<[Box<str>]>,
    case: Case,
}

/// Whether the case of ASCII letters in a path's names counts, and what a dot in a record's name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Case {
    /// `eventName` is not `eventname`.
    Sensitive,
    /// `eventName` is `eventname`.
    Insensitive,
    /// It counts, and a dot in a record's name is a dot of the path: `{"a.b": 1}` has the `a.b` that `{"a": {"b": 1}}`
    /// has. So EventBridge reads them.
    Joined,
}

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing stands before, after or between dots.
    #[error("an empty name in the path (write `\\.` for a dot inside a name)")]
    EmptyName,
    /// A backslash that is followed by neither a dot nor a backslash.
    #[error("a lone `\\` in the path (write `\\\\` for a backslash, `\\.` for a dot inside a name)")]
    LoneBackslash,
    /// More names than any record has.
    #[error("more than {} names in the path", Path::SEGMENTS_MAX)]
    TooLong,
}

impl Path {
    /// The most names a path may have.
    pub const SEGMENTS_MAX: usize = 32;

    /// Reads `a.b.c`, where `\.` is a dot inside a name and `\\` a backslash.
    pub fn parse(text: &str, case: Case) -> Result<Self, PathError> {
        let mut segments = Vec::new();
        let mut name = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '.' => segments.push(std::mem::take(&mut name)),
                '\\' => match chars.next() {
                    Some(escaped @ ('.' | '\\')) => name.push(escaped),
                    _ => return Err(PathError::LoneBackslash),
                },
                other => name.push(other),
            }
        }
        segments.push(name);
        Self::from_segments(segments, case)
    }

    /// Makes a path of names that are already apart.
    pub fn from_segments(segments: Vec<String>, case: Case) -> Result<Self, PathError> {
        if segments.iter().any(String::is_empty) {
            return Err(PathError::EmptyName);
        }
        if segments.len() > Self::SEGMENTS_MAX {
            return Err(PathError::TooLong);
        }
        Ok(Self { segments: segments.into_iter().map(String::into_boxed_str).collect(), case })
    }

    /// Makes a path of names joined by dots, of whatever number; names may be empty.
    pub fn joined(text: &str) -> Self {
        Self { segments: text.split('.').map(Box::from).collect(), case: Case::Joined }
    }

    /// What stands for names of any number, also none, in paths of ours.
    pub const ANY_DEPTH: &str = "**";
    /// How many of these a path may have.
    pub const ANY_DEPTHS_MAX: usize = 2;

    /// Whether it leads to fields at any depth. Of the paths of other tools none does: a name of two stars is a name.
    pub fn is_deep(&self) -> bool {
        self.segments.iter().any(|segment| self.is_any_depth(segment))
    }

    /// Whether one of its names stands for names of any number.
    pub fn is_any_depth(&self, segment: &str) -> bool {
        self.case == Case::Insensitive && segment == Self::ANY_DEPTH
    }

    /// The names before the first that stands for any; `None` if there are none.
    pub fn above_any_depth(&self) -> Option<Self> {
        let above = self.segments.iter().take_while(|segment| !self.is_any_depth(segment));
        let segments: Box<[Box<str>]> = above.cloned().collect();
        (!segments.is_empty()).then_some(Self { segments, case: self.case })
    }

    /// The names, outermost first; never empty.
    pub fn segments(&self) -> &[Box<str>] {
        &self.segments
    }

    /// Whether the case of letters counts.
    pub fn case(&self) -> Case {
        self.case
    }
}

impl Case {
    /// Whether a name in a record is the name meant.
    pub fn same(self, written: &str, found: &str) -> bool {
        // Names are mostly spelt as AWS documents them, so the exact comparison mostly decides.
        written == found || (self == Case::Insensitive && written.eq_ignore_ascii_case(found))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.segments.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            for c in segment.chars() {
                if matches!(c, '.' | '\\') && self.case != Case::Joined {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_dots_inside_names() {
        for text in ["eventName", "requestParameters.bucketName", r"a\.b.c", r"a\\.b"] {
            assert_eq!(Path::parse(text, Case::Insensitive).unwrap().to_string(), text);
        }
        assert_eq!(Path::parse(r"a\.b.c", Case::Sensitive).unwrap().segments().len(), 2);
    }

    #[test]
    fn refuses_what_is_no_path() {
        for (text, error) in [
            ("", PathError::EmptyName),
            ("a..b", PathError::EmptyName),
            (".a", PathError::EmptyName),
            ("a.", PathError::EmptyName),
            (r"a\b", PathError::LoneBackslash),
            (r"a\", PathError::LoneBackslash),
        ] {
            assert_eq!(Path::parse(text, Case::Sensitive), Err(error), "{text}");
        }
        assert_eq!(Path::parse(&["a"; 33].join("."), Case::Sensitive), Err(PathError::TooLong));
    }
}
