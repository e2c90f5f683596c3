//! Lists of values with a name, which rules ask whether a field is among.
//!
//! A list is shared by all rules that name it and is one predicate to each, however long it is.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;

use super::Pattern;

/// Values to be among.
#[derive(Debug)]
pub struct List {
    name: String,
    values: Values,
    /// The strings in lower case, for those who ask so.
    lower: OnceLock<HashSet<String>>,
}

/// What a list holds.
#[derive(Debug, PartialEq)]
pub enum Values {
    /// Strings to be equal to.
    Texts(HashSet<Box<str>>),
    /// Networks to be an address of.
    Networks(Networks),
    /// Globs to fit.
    Globs(Vec<Pattern>),
    /// Nobody knows yet: a rule that is translated names the list, and it is still to be provided.
    Unknown,
}

/// Networks, by their lengths: an address is looked up once for each length there is.
#[derive(Debug, Default, PartialEq)]
pub struct Networks {
    networks: HashSet<IpNet>,
    lengths: Vec<u8>,
}

/// That a value is in a list.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The list.
    pub list: Arc<List>,
    /// Whether the case of letters is ignored. Only strings have any.
    pub nocase: bool,
}

impl List {
    /// A list of values.
    pub fn new(name: impl Into<String>, values: Values) -> Self {
        Self { name: name.into(), values, lower: OnceLock::new() }
    }

    /// The name that rules use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        match &self.values {
            Values::Texts(texts) => texts.is_empty(),
            Values::Networks(networks) => networks.networks.is_empty(),
            Values::Globs(globs) => globs.is_empty(),
            Values::Unknown => false,
        }
    }

    fn lower(&self) -> &HashSet<String> {
        self.lower.get_or_init(|| match &self.values {
            Values::Texts(texts) => texts.iter().map(|text| text.to_lowercase()).collect(),
            _ => HashSet::new(),
        })
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let networks: HashSet<IpNet> = networks.into_iter().map(|network| network.trunc()).collect();
        let lengths: HashSet<u8> = networks.iter().map(IpNet::prefix_len).collect();
        Self { networks, lengths: lengths.into_iter().collect() }
    }
}

impl Networks {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.networks.iter()
    }

    fn contains(&self, address: IpAddr) -> bool {
        let network = |&length: &u8| IpNet::new(address, length).ok();
        self.lengths.iter().filter_map(network).any(|network| self.networks.contains(&network.trunc()))
    }
}

impl Membership {
    /// Whether a string is in the list.
    pub fn holds(&self, text: &str) -> bool {
        match &self.list.values {
            Values::Texts(_) if self.nocase => self.list.lower().contains(&text.to_lowercase()),
            Values::Texts(texts) => texts.contains(text),
            Values::Networks(networks) => text.parse().is_ok_and(|address| networks.contains(address)),
            Values::Globs(globs) => globs.iter().any(|glob| glob.fits(text)),
            Values::Unknown => false,
        }
    }
}

impl PartialEq for Membership {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &List, b: &List| a.name == b.name && a.values == b.values;
        self.nocase == other.nocase && (Arc::ptr_eq(&self.list, &other.list) || same(&self.list, &other.list))
    }
}
impl Eq for Membership {}
impl Hash for Membership {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.list.name, self.nocase).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_what_they_are() {
        let texts = |list: &[&str]| Values::Texts(list.iter().map(|&text| text.into()).collect());
        let networks =
            |list: &[&str]| Values::Networks(list.iter().map(|text| text.parse::<IpNet>().unwrap()).collect());
        let globs =
            |list: &[&str]| Values::Globs(list.iter().map(|text| Pattern::glob(text, false).unwrap()).collect());
        for (name, values, nocase, inside, outside) in [
            ("strings", texts(&["a", "B"]), false, &["a", "B"][..], &["b", "", "ab"][..]),
            ("strings in any case", texts(&["a", "É"]), true, &["A", "é"], &["b"]),
            (
                "networks",
                networks(&["10.0.0.0/8", "192.0.2.7/32"]),
                false,
                &["10.1.2.3", "192.0.2.7"],
                &["192.0.2.8", "x", "::1"],
            ),
            ("networks of IPv6", networks(&["2001:db8::1/32"]), false, &["2001:db8:1::"], &["2001:db9::", "10.0.0.1"]),
            ("everything", networks(&["0.0.0.0/0"]), false, &["203.0.113.1"], &["::1", ""]),
            ("globs", globs(&["arn:*:role/x", "y?"]), false, &["arn:aws:iam::1:role/x", "y1"], &["y", "x"]),
            ("nothing", texts(&[]), true, &[], &[""]),
        ] {
            let membership = Membership { list: Arc::new(List::new("l", values)), nocase };
            inside.iter().for_each(|text| assert!(membership.holds(text), "{name}: {text}"));
            outside.iter().for_each(|text| assert!(!membership.holds(text), "{name}: {text}"));
        }
    }
}
