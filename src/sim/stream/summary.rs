//! A tally of what was planned, so that a demo can say "planted 13, found 13".

use std::collections::BTreeMap;

use super::{Label, Planned};

/// Counts by label. Repeats are counted as repeats only, since nothing new happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All messages.
    pub messages: u64,
    /// Everyday events.
    pub everyday: u64,
    /// Harmless events that look like trouble, by kind.
    pub look_alikes: BTreeMap<&'static str, u64>,
    /// Changes of the X-Ray configuration, by kind.
    pub xray_changes: BTreeMap<&'static str, u64>,
    /// Attacks, by kind.
    pub attacks: BTreeMap<&'static str, u64>,
    /// Messages that are no records.
    pub broken: u64,
    /// Messages that repeat an earlier one.
    pub repeated: u64,
    /// Messages that became visible late.
    pub late: u64,
}

impl Summary {
    /// Counts one message.
    pub fn add(&mut self, planned: &Planned) {
        self.messages += 1;
        self.late += u64::from(planned.late);
        if planned.repeated {
            self.repeated += 1;
            return;
        }
        match planned.label {
            Label::Everyday => self.everyday += 1,
            Label::LookAlike(kind) => *self.look_alikes.entry(kind).or_default() += 1,
            Label::XrayChange(kind) => *self.xray_changes.entry(kind).or_default() += 1,
            Label::Attack(kind) => *self.attacks.entry(kind).or_default() += 1,
            Label::Broken => self.broken += 1,
        }
    }

    /// Counts the events that a detector should report.
    pub fn of_interest(&self) -> u64 {
        self.xray_changes.values().chain(self.attacks.values()).sum()
    }
}

impl<'a> Extend<&'a Planned> for Summary {
    fn extend<T: IntoIterator<Item = &'a Planned>>(&mut self, planned: T) {
        planned.into_iter().for_each(|planned| self.add(planned));
    }
}

impl<'a> FromIterator<&'a Planned> for Summary {
    fn from_iter<T: IntoIterator<Item = &'a Planned>>(planned: T) -> Self {
        let mut summary = Self::default();
        summary.extend(planned);
        summary
    }
}
