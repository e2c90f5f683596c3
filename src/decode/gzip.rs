//! Inflates gzip up to the limits. What came out before a limit, a cut or a broken member is kept, with the reason.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::{Limits, Reason};

/// How gzip starts.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Below this much output the ratio says nothing: a small log may well hold one record many times.
const RATIO_FREE_BYTES: usize = 1 << 20;

const STEP_BYTES: usize = 64 << 10;

/// What a gzip stream held.
pub(super) struct Inflated {
    pub(super) bytes: Vec<u8>,
    /// Why there may be more than these bytes.
    pub(super) stopped: Option<Reason>,
}

/// Inflates all members, of a delivery that has inflated `inflated_before` bytes already.
pub(super) fn inflate(compressed: &[u8], inflated_before: usize, limits: &Limits) -> Inflated {
    let out_max = limits.inflated_bytes_max.saturating_sub(inflated_before);
    let mut inflating =
        Inflating { compressed, out: Vec::with_capacity(likely_size(compressed, out_max)), out_max, limits };
    let stopped = inflating.members().err();
    Inflated { bytes: inflating.out, stopped }
}

/// A first guess: the size that the last member gives itself, as far as logs usually inflate.
fn likely_size(compressed: &[u8], out_max: usize) -> usize {
    told_size(compressed).min(compressed.len().saturating_mul(16)).min(out_max)
}

/// The size that the last member gives itself, which may be a lie.
pub(super) fn told_size(compressed: &[u8]) -> usize {
    compressed.last_chunk().map_or(0, |size| u32::from_le_bytes(*size) as usize)
}

struct Inflating<'c> {
    compressed: &'c [u8],
    out: Vec<u8>,
    out_max: usize,
    limits: &'c Limits,
}

impl Inflating<'_> {
    fn members(&mut self) -> Result<(), Reason> {
        let (mut rest, mut members) = (self.compressed, 0);
        while !rest.is_empty() {
            if !rest.starts_with(&MAGIC) {
                return trailer(rest);
            }
            members += 1;
            if members > self.limits.gzip_members_max {
                return Err(Reason::MoreMembers);
            }
            self.member(&mut rest)?;
        }
        Ok(())
    }

    fn member(&mut self, rest: &mut &[u8]) -> Result<(), Reason> {
        let mut member = GzDecoder::new(rest);
        while self.step(&mut member)? {
            self.check_ratio(self.compressed.len() - member.get_ref().len())?;
        }
        Ok(())
    }

    /// Inflates a little more; false at the member's end.
    fn step(&mut self, member: &mut impl Read) -> Result<bool, Reason> {
        let before = self.out.len();
        let room = self.out_max - before;
        if room == 0 {
            // One byte more, into the void, tells whether the member happens to end just here.
            return match read(member, &mut [0])? {
                0 => Ok(false),
                _ => Err(Reason::InflatedTooLarge { inflated_bytes_max: self.limits.inflated_bytes_max }),
            };
        }
        self.out.resize(before + room.min(STEP_BYTES), 0);
        let result = read(member, &mut self.out[before..]);
        self.out.truncate(before + result.as_ref().map_or(0, |count| *count));
        Ok(result? > 0)
    }

    fn check_ratio(&self, taken: usize) -> Result<(), Reason> {
        let Limits { inflate_ratio_max, .. } = *self.limits;
        if self.out.len() > RATIO_FREE_BYTES && self.out.len() / inflate_ratio_max.max(1) > taken {
            return Err(Reason::InflatesTooMuch { inflate_ratio_max });
        }
        Ok(())
    }
}

fn read(member: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Reason> {
    member.read(buffer).map_err(|error| Reason::NotGzip { message: error.to_string() })
}

/// Zeros after the last member are padding, as `gzip` has it; anything else is told.
fn trailer(rest: &[u8]) -> Result<(), Reason> {
    if rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(Reason::NotGzip { message: format!("{} bytes after its end that are no gzip", rest.len()) })
}
