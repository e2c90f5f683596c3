//! How something that is measured again and again is spread: lags, lateness, what an event costs.

/// Counts by powers of two of whatever unit is measured in. Its size does not grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    counts: [u64; 32],
    max: u64,
    sum: u64,
}

impl Distribution {
    /// Takes in one measurement. Less than nothing is nothing: clocks differ.
    pub fn note(&mut self, units: i128) {
        let units = u64::try_from(units.max(0)).unwrap_or(u64::MAX);
        let bucket = (64 - units.leading_zeros() as usize).min(self.counts.len() - 1);
        self.counts[bucket] += 1;
        self.max = self.max.max(units);
        self.sum = self.sum.saturating_add(units);
    }

    /// Takes in what another has.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// What half of the measurements are within, to a factor of two; `None` where there are none.
    pub fn median(&self) -> Option<u64> {
        let total = self.len();
        let mut below = 0;
        let bucket = self.counts.iter().position(|count| {
            below += count;
            total > 0 && below * 2 >= total
        })?;
        Some((1 << bucket).min(self.max))
    }

    /// How many measurements lie below each bound and not below the one before. Each bound is twice the one before; what is
    /// above the last is counted there.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().enumerate().map(|(bucket, &count)| (1 << bucket, count))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All together.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The greatest.
    pub fn max(&self) -> u64 {
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_them_are_within_the_median() {
        let mut all = Distribution::default();
        assert_eq!((all.median(), all.is_empty()), (None, true));
        let mut rest = Distribution::default();
        [-5, 3, 100, 1_000].into_iter().for_each(|units| all.note(units));
        [1_500, i128::MAX].into_iter().for_each(|units| rest.note(units));
        all.merge(&rest);
        assert_eq!((all.len(), all.median(), all.max()), (6, Some(128), u64::MAX));
        let counted: Vec<(u64, u64)> = all.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(1, 1), (4, 1), (128, 1), (1_024, 1), (2_048, 1), (1 << 31, 1)]);
    }
}
