//! One file as a stream of plain bytes: counted, decompressed where it is gzip, and stopped where it inflates too much.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use crate::source::progress::Progress;

/// The first bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Bytes read from the disk at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The ratio is judged once more than this is out: short streams of the same byte are no bomb.
const RATIO_FROM_BYTES: u64 = 1 << 20;

/// Opens a stream: gzip is known by its first bytes, whatever the file is called.
pub(super) fn open(reader: Box<dyn Read>, ratio_max: u64, progress: Progress) -> io::Result<Box<dyn Read>> {
    let bytes_in = Rc::new(Cell::new(0));
    let counted = Counted { inner: reader, bytes: Rc::clone(&bytes_in), progress };
    let mut input = BufReader::with_capacity(BUFFER_BYTES, Peeked::new(counted)?);
    if !input.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(input));
    }
    Ok(Box::new(Limited { inner: MultiGzDecoder::new(input), bytes_in, bytes_out: 0, ratio_max }))
}

/// Counts what is read from the disk.
struct Counted {
    inner: Box<dyn Read>,
    bytes: Rc<Cell<u64>>,
    progress: Progress,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.bytes.set(self.bytes.get() + bytes as u64);
        self.progress.add_read(bytes as u64);
        Ok(bytes)
    }
}

/// Gives its first two bytes in one read, even if a pipe brings them one by one.
struct Peeked {
    inner: Counted,
    start: [u8; GZIP_MAGIC.len()],
    start_bytes: usize,
    is_given: bool,
}

impl Peeked {
    fn new(mut inner: Counted) -> io::Result<Self> {
        let (mut start, mut start_bytes) = ([0; GZIP_MAGIC.len()], 0);
        while start_bytes < start.len() {
            match inner.read(&mut start[start_bytes..]) {
                Ok(0) => break,
                Ok(bytes) => start_bytes += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { inner, start, start_bytes, is_given: false })
    }
}

impl Read for Peeked {
    /// The buffer above is larger than the start.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_given || buffer.len() < self.start_bytes {
            return self.inner.read(buffer);
        }
        self.is_given = true;
        buffer[..self.start_bytes].copy_from_slice(&self.start[..self.start_bytes]);
        Ok(self.start_bytes)
    }
}

/// Stops a stream that inflates beyond all measure.
struct Limited<R> {
    inner: R,
    bytes_in: Rc<Cell<u64>>,
    bytes_out: u64,
    ratio_max: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.bytes_out += bytes as u64;
        // What is in the buffer counts as read, which is in the stream's favour by a buffer at most.
        let allowed = self.bytes_in.get().saturating_mul(self.ratio_max);
        if self.bytes_out > RATIO_FROM_BYTES && self.bytes_out > allowed {
            let text = format!("it inflates to more than {} times its size", self.ratio_max);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        open(Box::new(io::Cursor::new(bytes)), 200, Progress::default())?.read_to_end(&mut out)?;
        Ok(out)
    }

    /// Gives a byte at a time.
    struct Drip(Vec<u8>);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            buffer[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn plain_bytes_and_gzip_of_several_members() {
        assert_eq!(read(b"plain".to_vec()).unwrap(), b"plain");
        assert_eq!(read(Vec::new()).unwrap(), b"");
        assert_eq!(read(vec![0x1f]).unwrap(), [0x1f]);
        let two = [gzip(b"one\n"), gzip(b"two\n")].concat();
        assert_eq!(read(two).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn gzip_that_comes_byte_by_byte_is_gzip() {
        let mut out = Vec::new();
        let progress = Progress::default();
        let bytes = gzip(b"drip");
        let length = bytes.len() as u64;
        open(Box::new(Drip(bytes)), 200, progress.clone()).unwrap().read_to_end(&mut out).unwrap();
        assert_eq!((out.as_slice(), progress.read_bytes()), (&b"drip"[..], length));
    }

    #[test]
    fn a_bomb_is_stopped() {
        let error = read(gzip(&vec![b'x'; 24 << 20])).unwrap_err();
        assert_eq!(error.to_string(), "it inflates to more than 200 times its size");
        assert_eq!(read(gzip(&vec![b'x'; 1 << 20])).unwrap().len(), 1 << 20, "small ones may");
    }
}
