//! Bytes as they come → chunks of whole lines, each with the number of its first line.

use bytes::Bytes;

/// Whole lines, without the last line feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) body: Bytes,
    /// Counted from 1.
    pub(super) first_line: u64,
}

/// Splits a stream at its line feeds.
#[derive(Debug)]
pub(super) struct Lines {
    line_bytes_max: usize,
    /// Whole lines, and the beginning of another.
    buffer: Vec<u8>,
    /// Where in the buffer the last, unfinished line begins.
    unfinished_at: usize,
    /// The number of the first line in the buffer.
    first_line: u64,
    /// The number of the unfinished line.
    line: u64,
    /// Whether the unfinished line is too long, and is passed over up to its end.
    skipping: bool,
}

impl Lines {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max, buffer: Vec::new(), unfinished_at: 0, first_line: 1, line: 1, skipping: false }
    }

    /// Takes bytes in. What is before a line that is too long comes back as a chunk of its own, so that line numbers
    /// hold; the numbers of such lines are added to `too_long`.
    pub(super) fn push(&mut self, mut bytes: &[u8], too_long: &mut Vec<u64>) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while !bytes.is_empty() {
            let feed_at = memchr::memchr(b'\n', bytes);
            let (part, rest) = bytes.split_at(feed_at.map_or(bytes.len(), |at| at + 1));
            self.push_part(part, feed_at.is_some(), too_long, &mut chunks);
            bytes = rest;
        }
        chunks
    }

    /// Bytes of whole lines that wait.
    pub(super) fn ready_bytes(&self) -> usize {
        self.unfinished_at
    }

    /// Takes the whole lines out.
    pub(super) fn take(&mut self) -> Option<Chunk> {
        let rest = self.buffer.split_off(self.unfinished_at);
        let whole = std::mem::replace(&mut self.buffer, rest);
        let first_line = std::mem::replace(&mut self.first_line, self.line);
        self.unfinished_at = 0;
        chunk(whole, first_line)
    }

    /// Takes everything out: the stream has ended, and so has its last line.
    pub(super) fn finish(&mut self) -> Option<Chunk> {
        self.unfinished_at = self.buffer.len();
        self.take()
    }

    /// Takes in a part of one line, with its feed if that is in it.
    fn push_part(&mut self, part: &[u8], ends: bool, too_long: &mut Vec<u64>, chunks: &mut Vec<Chunk>) {
        let length = self.buffer.len() - self.unfinished_at + part.len() - usize::from(ends);
        if !self.skipping && length > self.line_bytes_max {
            self.buffer.truncate(self.unfinished_at);
            chunks.extend(self.take());
            too_long.push(self.line);
            self.skipping = true;
        }
        if !self.skipping {
            self.buffer.extend_from_slice(part);
        }
        if !ends {
            return;
        }
        self.line += 1;
        self.unfinished_at = self.buffer.len();
        if std::mem::take(&mut self.skipping) {
            self.first_line = self.line;
        }
    }
}

fn chunk(mut whole: Vec<u8>, first_line: u64) -> Option<Chunk> {
    if whole.last() == Some(&b'\n') {
        whole.pop();
    }
    let is_blank = whole.iter().all(u8::is_ascii_whitespace);
    (!is_blank).then(|| Chunk { body: Bytes::from(whole), first_line })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(text: &str, first_line: u64) -> Chunk {
        Chunk { body: Bytes::from(text.to_owned()), first_line }
    }

    #[test]
    fn whole_lines_come_with_their_first_number() {
        let mut lines = Lines::new(100);
        assert!(lines.push(b"a\nb\nc", &mut Vec::new()).is_empty());
        assert_eq!(lines.take(), Some(chunk("a\nb", 1)));
        assert_eq!(lines.take(), None);
        lines.push(b"c\n", &mut Vec::new());
        assert_eq!(lines.take(), Some(chunk("cc", 3)));
        lines.push(b"end", &mut Vec::new());
        assert_eq!(lines.finish(), Some(chunk("end", 4)));
    }

    #[test]
    fn blank_lines_are_counted_and_not_handed_over() {
        let mut lines = Lines::new(100);
        lines.push(b"\n \r\n", &mut Vec::new());
        assert_eq!(lines.take(), None);
        lines.push(b"x\n", &mut Vec::new());
        assert_eq!(lines.finish(), Some(chunk("x", 3)));
    }

    #[test]
    fn a_line_too_long_is_passed_over_without_being_kept() {
        let mut lines = Lines::new(4);
        let mut too_long = Vec::new();
        let mut chunks = Vec::new();
        for part in [&b"a\n12"[..], b"345", b"678901234567890", b"9\nb\n1234\n12345\nc"] {
            chunks.extend(lines.push(part, &mut too_long));
            assert!(lines.buffer.len() < 16, "{}", lines.buffer.len());
        }
        chunks.extend(lines.finish());
        assert_eq!(chunks, [chunk("a", 1), chunk("b\n1234", 3), chunk("c", 6)]);
        assert_eq!(too_long, [2, 5]);
    }

    proptest! {
        /// However the bytes are cut, each line comes once, with its number.
        #[test]
        fn any_cut_gives_the_same_lines(
            text in "[ab\n]{0,60}",
            cuts in prop::collection::vec(1usize..7, 1..40),
            take_each in any::<bool>(),
        ) {
            let mut lines = Lines::new(5);
            let (mut too_long, mut chunks, mut rest) = (Vec::new(), Vec::new(), text.as_bytes());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                chunks.extend(lines.push(part, &mut too_long));
                if take_each {
                    chunks.extend(lines.take());
                }
                rest = after;
            }
            chunks.extend(lines.finish());
            let got: Vec<(u64, String)> = chunks.iter().flat_map(numbered).collect();
            let all = text.split('\n').enumerate().map(|(index, line)| (index as u64 + 1, line.to_owned()));
            let (long, kept): (Vec<_>, Vec<_>) = all.partition(|(_, line)| line.len() > 5);
            let kept: Vec<_> = kept.into_iter().filter(|(_, line)| !line.is_empty()).collect();
            prop_assert_eq!(got, kept);
            prop_assert_eq!(too_long, long.into_iter().map(|(number, _)| number).collect::<Vec<_>>());
        }
    }

    fn numbered(chunk: &Chunk) -> Vec<(u64, String)> {
        let text = String::from_utf8(chunk.body.to_vec()).unwrap();
        let lines =
            text.split('\n').enumerate().map(|(index, line)| (chunk.first_line + index as u64, line.to_owned()));
        lines.filter(|(_, line)| !line.is_empty()).collect()
    }
}
