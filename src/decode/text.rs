//! Text: documents one after the other, on one line or on many, and how to get over what is broken.
//!
//! A document may span lines, so where one breaks it is not plain where the next begins. The answer:
//!
//! 1. A document that breaks costs the rest of the line that it starts on; reading goes on with the next line. Of a
//!    wrapper that breaks, the complete elements are still events, and the remainder counts as the broken part.
//! 2. Up to where the attempt broke, only documents that stand on one line are looked for. So each byte is walked at
//!    most a fixed number of times, whatever the text is; the price is that a pretty-printed document that a broken
//!    one has swallowed is not found again.
//! 3. What does not decode of a broken document's further lines belongs to the same reject: lines that are indented
//!    deeper than its first or start with a closing bracket; or all to the end if the text ends within the document
//!    and its first line ends as the first of many does. A JSON line that was cut off takes nothing else with it.
//!
//! Invalid UTF-8 divides the text into regions. Each is cut where the bad bytes start, and the line with the bad
//! bytes is given up from the first document on it that is not complete. Text that was inflated only in part is cut
//! in the same way.

use serde_json::value::RawValue;

use super::object::{self, Scan};
use super::wrapper::{RECORD_START, not_an_object};
use super::{Body, Decoder, Reason, Within, nesting};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How the base64 of gzip starts: the magic bytes and the only method there is.
const BASE64_GZIP_START: &[u8] = b"H4sI";

/// The longest line that tools break base64 into.
const BASE64_LINE_BYTES_MAX: usize = 76;

/// A text while it is read. All positions are offsets in the buffer.
pub(super) struct Text<'t, 'd> {
    decoder: &'t mut Decoder<'d>,
    within: Within<'t>,
    wrappers: usize,
    line: Line,
    broken: Option<Broken>,
    /// Before this, only documents that stand on one line are looked for.
    singles_until: usize,
}

/// A stretch of valid UTF-8.
struct Region<'t> {
    text: &'t str,
    start: usize,
    end: usize,
    /// Why the region ends before its last line does.
    cut: Option<Reason>,
    /// The end of that line.
    cut_until: usize,
}

/// The line, or what the region has of it, that is being read.
#[derive(Clone, Copy, Default)]
struct Line {
    start: usize,
    indent: usize,
    /// Without white space.
    content_end: usize,
    /// At the line feed.
    end: usize,
}

/// A document that broke on another line than it started on.
struct Broken {
    /// The index of its reject.
    reject: usize,
    indent: usize,
    /// All that follows belongs to it.
    to_the_end: bool,
}

impl<'t, 'd> Text<'t, 'd> {
    pub(super) fn decode(decoder: &'t mut Decoder<'d>, body: Body<'t>) {
        let within = Within::new(&body);
        let wrappers = body.wrappers;
        Text { decoder, within, wrappers, line: Line::default(), broken: None, singles_until: 0 }.regions(body.cut);
    }

    fn regions(&mut self, mut cut: Option<Reason>) {
        let bytes = self.within.bytes;
        let mut start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        loop {
            let text = valid_start(&bytes[start..]);
            let end = start + text.len();
            let cut_until = if end == bytes.len() { end } else { line_end(bytes, end) };
            let is_last = cut_until == bytes.len();
            let cut = cut.take_if(|_| is_last).or((end < cut_until).then_some(Reason::NotUtf8));
            self.region(Region { text, start, end, cut, cut_until });
            if is_last || self.decoder.stopped {
                return;
            }
            start = cut_until;
        }
    }

    fn region(&mut self, mut region: Region<'t>) {
        let mut at = region.start;
        while let Some(start) = self.next_content(at, &region) {
            let rest = &self.within.bytes[start..];
            if self.decoder.is_full(&mut self.within, rest) {
                return;
            }
            at = self.part(&mut region, start);
        }
        if let Some(reason) = region.cut {
            self.reject(region.end, region.cut_until, reason);
        }
        if let Some(broken) = &mut self.broken {
            broken.to_the_end = false;
        }
    }

    /// The next byte that is not white space, with its line made the current one.
    fn next_content(&mut self, at: usize, region: &Region<'_>) -> Option<usize> {
        let rest = &self.within.bytes[at..region.end];
        let start = at + rest.iter().position(|byte| !is_space(*byte))?;
        if start >= self.line.end {
            let blank = &self.within.bytes[at..start];
            let line_start = memchr::memrchr(b'\n', blank).map_or(at, |feed| at + feed + 1);
            self.line = self.line_from(line_start, start, region);
            self.broken.take_if(|broken| !broken.owns(&self.line, self.within.bytes[start]));
        }
        Some(start)
    }

    /// The line that starts at `start`, of which what stands at `content` is known to be no white space.
    fn line_from(&self, start: usize, content: usize, region: &Region<'_>) -> Line {
        let end = line_end(&self.within.bytes[..region.end], content);
        let content_end = content + trim_end(&self.within.bytes[content..end]).len();
        Line { start, indent: content - start, content_end, end }
    }

    /// Takes what starts at `start`. Returns where to go on, always further on.
    fn part(&mut self, region: &mut Region<'t>, start: usize) -> usize {
        let bytes = self.within.bytes;
        let line = &bytes[start..self.line.content_end];
        let is_torn = region.cut.is_some() && self.line.end == region.end;
        if !is_torn && let Some(closings) = unparsed_record(line, self.next_line_is_another(region)) {
            self.decoder.event(&mut self.within, line, closings);
            self.within.pass_line(self.line.end);
            return self.line.end;
        }
        match line {
            [b'{' | b'[', ..] => self.document(region, start),
            _ if !is_torn && line.starts_with(BASE64_GZIP_START) => self.base64(region, start),
            _ => self.scalar(region, start),
        }
    }

    /// Whether no document that ends the line with a brace can go on below: the text ends, or an object starts there.
    fn next_line_is_another(&self, region: &Region<'_>) -> bool {
        let below = &self.within.bytes[self.line.end..region.end];
        matches!(below, [] | [b'\n'] | [b'\n', b'{', ..])
    }

    fn document(&mut self, region: &mut Region<'t>, start: usize) -> usize {
        let single = self.broken.is_some() || start < self.singles_until;
        let limit = if single { self.line.end } else { region.end };
        let text = region.slice(start, limit);
        let scan = object::scan(text, self.decoder.parts_left() + 1);
        match &scan.error {
            None => {
                self.decoder.value(&mut self.within, &text[..scan.end], &scan.value, self.wrappers);
                start + scan.end
            }
            Some(error) => self.broken_document(region, start, text, &scan, error),
        }
    }

    fn broken_document(
        &mut self,
        region: &mut Region<'t>,
        start: usize,
        text: &str,
        scan: &Scan<'_>,
        error: &serde_json::Error,
    ) -> usize {
        let first_end = self.line.content_end;
        let taken = self.decoder.salvage(&mut self.within, text, &scan.value, self.wrappers);
        let left = start + taken;
        let lines = memchr::memchr_iter(b'\n', &text.as_bytes()[..taken]).count();
        let mut reason = Reason::not_json_after(error, start - self.line.start, lines);
        if left > self.line.end {
            self.line = Line { indent: self.line.indent, ..self.line_from(left, left, region) };
        }
        let breaks_at = start + scan.end;
        // A number that is cut off is an error of its own, at the end.
        let ends_within = start + text.len() == region.end && (error.is_eof() || breaks_at == region.end);
        if let Some(cut) = &region.cut
            && ends_within
        {
            reason = cut.clone();
        }
        let reject = self.decoder.out.rejects.len();
        let next = self.reject_line(region, left, reason);
        if breaks_at > self.line.end && self.broken.is_none() {
            let goes_on = matches!(self.within.bytes[start..first_end].last(), Some(b'{' | b'[' | b','));
            self.broken = Some(Broken { reject, indent: self.line.indent, to_the_end: ends_within && goes_on });
            self.singles_until = line_start(self.within.bytes, breaks_at);
        }
        next
    }

    /// JSON that is no object, or no JSON at all: either way it costs the rest of the line.
    fn scalar(&mut self, region: &mut Region<'t>, start: usize) -> usize {
        let text = region.slice(start, self.line.content_end);
        let reason = match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => not_an_object(text),
            Err(error) => Reason::not_json_after(&error, start - self.line.start, 0),
        };
        self.reject_line(region, start, reason)
    }

    fn base64(&mut self, region: &Region<'t>, start: usize) -> usize {
        let end = self.base64_end(region, start);
        let text = region.slice(start, end);
        self.decoder.base64(&mut self.within, text.as_bytes(), text, self.wrappers);
        end
    }

    /// Where base64 ends that may be broken into lines: all but the last are then of one length.
    fn base64_end(&self, region: &Region<'_>, start: usize) -> usize {
        let width = self.line.content_end - start;
        let mut last = start..self.line.content_end;
        while last.len() == width && width <= BASE64_LINE_BYTES_MAX && last.end < region.end {
            let feed = line_end(&self.within.bytes[..region.end], last.end);
            let next = (feed + 1).min(region.end);
            let content = self.within.bytes[next..line_end(&self.within.bytes[..region.end], next)].trim_ascii_end();
            if content.is_empty() || content.len() > width || !content.iter().all(|byte| is_base64(*byte)) {
                break;
            }
            last = next..next + content.len();
        }
        last.end
    }

    /// Rejects the rest of the current line. Returns where to go on.
    fn reject_line(&mut self, region: &mut Region<'t>, start: usize, reason: Reason) -> usize {
        match region.cut.take_if(|_| self.line.end == region.end) {
            Some(cut) => self.reject(start, region.cut_until, cut),
            None => self.reject(start, self.line.content_end.max(start), reason),
        }
        self.line.end
    }

    fn reject(&mut self, start: usize, end: usize, reason: Reason) {
        let part = trim_end(&self.within.bytes[start..end]);
        let owner = self.broken.as_ref().and_then(|broken| self.decoder.out.rejects.get_mut(broken.reject));
        match owner {
            Some(reject) => reject.extend(part),
            None => self.decoder.reject(&mut self.within, part, reason),
        }
    }
}

impl Broken {
    /// Whether a line belongs to the broken document: `first` is what it starts with.
    fn owns(&self, line: &Line, first: u8) -> bool {
        self.to_the_end || line.indent > self.indent || matches!(first, b'}' | b']')
    }
}

impl<'t> Region<'t> {
    fn slice(&self, start: usize, end: usize) -> &'t str {
        &self.text[start - self.start..end - self.start]
    }
}

/// If the line is to be taken as a record without parsing it, how many brackets close in it.
fn unparsed_record(line: &[u8], ends: bool) -> Option<usize> {
    let is_record = line.starts_with(RECORD_START.as_bytes()) && line.ends_with(b"}");
    is_record.then(|| nesting::closings_of_one(line, ends)).flatten()
}

/// As much of `bytes` as is valid UTF-8.
fn valid_start(bytes: &[u8]) -> &str {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid()),
    }
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |feed| from + feed)
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |feed| feed + 1)
}

fn trim_end(part: &[u8]) -> &[u8] {
    let trailing = part.iter().rev().take_while(|byte| is_space(**byte)).count();
    &part[..part.len() - trailing]
}

/// White space as JSON has it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
