//! What a batch weighs on its way: its bytes, and those that it says it inflates to.

use crate::decode::told_inflated_bytes;
use crate::delivery::Delivery;

/// Room is given out by the kibibyte.
pub const UNIT: usize = 1 << 10;

/// The weight of a batch, in units. One that is heavier than all the room there is takes all of it, and goes alone.
pub fn units(batch: &[Delivery], room_total: u32) -> u32 {
    let bytes_of = |delivery: &Delivery| delivery.body.len().saturating_add(told_inflated_bytes(&delivery.body));
    let bytes = batch.iter().map(bytes_of).fold(0, usize::saturating_add);
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, room_total)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::Bytes;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::delivery::{Origin, Receipt};

    fn gzip(bytes: usize) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'x'; bytes]).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_batch_weighs_what_it_inflates_to() {
        let cases = [
            ("nothing", vec![], 1),
            ("plain", vec![vec![b'x'; 4 << 10]], 4),
            ("gzip", vec![gzip(30 << 10)], 31),
            ("both", vec![gzip(30 << 10), vec![b'x'; 4 << 10]], 35),
            ("more than there is room for", vec![gzip(2 << 20)], 1_000),
            ("what says it is huge", vec![b"\x1f\x8b\xff\xff\xff\xff".to_vec()], 1_000),
        ];
        for (name, bodies, expected) in cases {
            let delivery = |body| Delivery { body: Bytes::from(body), origin: Origin::whole("x"), receipt: Receipt(1) };
            let batch: Vec<Delivery> = bodies.into_iter().map(delivery).collect();
            assert_eq!(units(&batch, 1_000), expected, "{name}");
        }
    }
}
