//! Paths to fields of a record: names joined by dots, arrays passed through.
//!
//! Whether the case of letters counts is a property of the path, not of the matcher: our own rules ignore it, since
//! AWS's casing varies (`hTTPMethod`), while the dialects of other tools do not.

use std::fmt;

/// A path to a field. Arrays on the way are passed through: the path then leads to the field of every element.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    segments: Box<[Box<str>]>,
    /// Behind which segment an array stands of which one element is meant, and which; in writing order.
    positions: Box<[(usize, u32)]>,
    /// Whether an array at its end is one value, whose elements are not.
    whole: bool,
    case: Case,
}

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step<'p> {
    /// Into the member of that name: of an object, or of every object in an array.
    Name(&'p str),
    /// Into the element with that number, from 0: of an array, and not of arrays within it.
    Position(u32),
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
        let segments = segments.into_iter().map(String::into_boxed_str).collect();
        Ok(Self { segments, positions: Box::default(), whole: false, case })
    }

    /// Makes a path of names joined by dots, of whatever number; names may be empty.
    pub fn joined(text: &str) -> Self {
        let segments = text.split('.').map(Box::from).collect();
        Self { segments, positions: Box::default(), whole: false, case: Case::Joined }
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
        (!segments.is_empty()).then_some(Self { segments, positions: Box::default(), whole: false, case: self.case })
    }

    /// Adds positions in arrays, each with the number of the name that it stands behind, in order.
    pub fn with_positions(self, positions: Vec<(usize, u32)>) -> Result<Self, PathError> {
        if self.segments.len() + positions.len() > Self::SEGMENTS_MAX {
            return Err(PathError::TooLong);
        }
        Ok(Self { positions: positions.into_boxed_slice(), ..self })
    }

    /// The path to the same fields, of which an array is one value and its elements are none.
    pub fn of_whole_arrays(self) -> Self {
        Self { whole: true, ..self }
    }

    /// Whether the elements of an array at its end are not values.
    pub fn is_of_whole_arrays(&self) -> bool {
        self.whole
    }

    /// The names, outermost first; never empty. Without the positions, so all that the path leads to, and more.
    pub fn segments(&self) -> &[Box<str>] {
        &self.segments
    }

    /// Whether the path names positions in arrays.
    pub fn has_positions(&self) -> bool {
        !self.positions.is_empty()
    }

    /// The positions behind the name of that number.
    pub fn positions_behind(&self, name: usize) -> impl Iterator<Item = u32> {
        self.positions.iter().filter(move |&&(after, _)| after == name).map(|&(_, position)| position)
    }

    /// Names and positions, outermost first.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        self.segments.iter().enumerate().flat_map(|(number, name)| {
            std::iter::once(Step::Name(name)).chain(self.positions_behind(number).map(Step::Position))
        })
    }

    /// Whether two paths lead to the same fields.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |number: usize| self.case.same(&*self.segments[number], &*other.segments[number]);
        self.case == other.case
            && self.positions == other.positions
            && self.whole == other.whole
            && self.segments.len() == other.segments.len()
            && (0..self.segments.len()).all(same)
    }

    /// Whether the case of letters counts.
    pub fn case(&self) -> Case {
        self.case
    }
}

impl Case {
    /// Whether a name in a record is the name meant.
    pub fn same(self, written: impl AsRef<[u8]>, found: impl AsRef<[u8]>) -> bool {
        let (written, found) = (written.as_ref(), found.as_ref());
        // Names are mostly spelt as AWS documents them, so the exact comparison mostly decides.
        written == found || (self == Case::Insensitive && written.eq_ignore_ascii_case(found))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps().enumerate() {
            let segment = match step {
                Step::Name(segment) => segment,
                Step::Position(position) => {
                    write!(f, "[{position}]")?;
                    continue;
                }
            };
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
    fn writes_positions_behind_their_names() {
        let path = Path::parse("a.b", Case::Sensitive).unwrap();
        let path = path.with_positions(vec![(0, 1), (0, 2), (1, 0)]).unwrap();
        assert_eq!(path.to_string(), "a[1][2].b[0]");
        assert_eq!(path.with_positions(vec![(0, 0); 31]), Err(PathError::TooLong));
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
