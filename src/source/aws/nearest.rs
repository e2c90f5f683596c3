//! The names nearest to one that does not exist.

/// Names less alike than this are no help.
const LIKENESS_MIN: f64 = 0.75;

/// Names that are offered.
const NAMES_MAX: usize = 3;

/// The names most like the one wanted, the likest first.
pub(in crate::source) fn nearest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let likeness = |name: &str| strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase());
    let mut near: Vec<(f64, &str)> = names.into_iter().map(|name| (likeness(name), name)).collect();
    near.retain(|(likeness, _)| *likeness >= LIKENESS_MIN);
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.truncate(NAMES_MAX);
    near.into_iter().map(|(_, name)| name).collect()
}

/// A hint that offers names; `None` where none is near.
pub(in crate::source) fn did_you_mean(near: &[&str]) -> Option<String> {
    let names: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likest_comes_first_and_strangers_do_not_come() {
        let names = ["aws-cloudtrail-logs-dev", "/aws/lambda/x", "aws-cloudtrail-logs", "zebra"];
        let near = nearest("aws-cloudtrial-logs", names);
        assert_eq!(near, ["aws-cloudtrail-logs", "aws-cloudtrail-logs-dev"]);
        let hint = "did you mean `aws-cloudtrail-logs` or `aws-cloudtrail-logs-dev`?";
        assert_eq!(did_you_mean(&near).as_deref(), Some(hint));
        assert_eq!(did_you_mean(&nearest("qqq", names)), None);
    }
}
