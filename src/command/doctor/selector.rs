//! Whether a trail's event selectors record data events of a bucket. Pure.

use aws_sdk_cloudtrail::types::{AdvancedEventSelector, AdvancedFieldSelector, EventSelector};

const OBJECTS: &str = "AWS::S3::Object";

/// Whether reads or writes of some object are recorded. `objects` is what the ARNs of a bucket's objects begin with.
pub(super) fn covers(basic: &[EventSelector], advanced: &[AdvancedEventSelector], objects: &str) -> bool {
    basic.iter().any(|selector| basic_covers(selector, objects))
        || advanced.iter().any(|selector| advanced_covers(selector, objects))
}

/// Values are ARNs that those of the objects begin with; `arn:aws:s3` is all of them.
fn basic_covers(selector: &EventSelector, objects: &str) -> bool {
    let of_objects = selector.data_resources().iter().filter(|resource| resource.r#type() == Some(OBJECTS));
    let mut values = of_objects.flat_map(|resource| resource.values());
    values.any(|value| overlaps(value, objects))
}

/// Whether what begins in one way can be what begins in the other.
fn overlaps(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// All fields of a selector have to hold.
fn advanced_covers(selector: &AdvancedEventSelector, objects: &str) -> bool {
    let fields = selector.field_selectors();
    let is_of_objects = ["eventCategory", "resources.type"].iter().zip(["Data", OBJECTS]).all(|(name, value)| {
        fields.iter().any(|field| field.field() == *name && field.equals().iter().any(|v| v == value))
    });
    let by_arn = fields.iter().filter(|field| field.field() == "resources.ARN");
    is_of_objects && by_arn.into_iter().all(|field| arn_can_be(field, objects))
}

/// Whether some object's ARN is let through. What names its end lets some through, for all that is known.
fn arn_can_be(field: &AdvancedFieldSelector, objects: &str) -> bool {
    let is_open = field.equals().is_empty() && field.starts_with().is_empty();
    let is_named = field.equals().iter().any(|value| value.starts_with(objects))
        || field.starts_with().iter().any(|value| overlaps(value, objects));
    let is_left_out = field.not_starts_with().iter().any(|value| objects.starts_with(value.as_str()));
    (is_open || is_named) && !is_left_out
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudtrail::types::DataResource;

    use super::*;

    const TRAIL: &str = "arn:aws:s3:::trail/";

    fn basic(kind: &str, value: &str) -> EventSelector {
        EventSelector::builder().data_resources(DataResource::builder().r#type(kind).values(value).build()).build()
    }

    #[test]
    fn basic_selectors_name_beginnings() {
        for (name, kind, value, expected) in [
            ("all buckets", OBJECTS, "arn:aws:s3", true),
            ("all buckets, with colons", OBJECTS, "arn:aws:s3:::", true),
            ("the bucket", OBJECTS, "arn:aws:s3:::trail/", true),
            ("a part of it", OBJECTS, "arn:aws:s3:::trail/AWSLogs/", true),
            ("another bucket", OBJECTS, "arn:aws:s3:::other/", false),
            ("one that begins alike", OBJECTS, "arn:aws:s3:::trail-2/", false),
            ("in another partition", OBJECTS, "arn:aws-cn:s3:::trail/", false),
            ("functions", "AWS::Lambda::Function", "arn:aws:lambda", false),
        ] {
            assert_eq!(covers(&[basic(kind, value)], &[], TRAIL), expected, "{name}");
        }
        assert!(!covers(&[], &[], TRAIL));
    }

    type Build = fn(
        aws_sdk_cloudtrail::types::builders::AdvancedFieldSelectorBuilder,
    ) -> aws_sdk_cloudtrail::types::builders::AdvancedFieldSelectorBuilder;

    fn advanced(category: &str, kind: &str, arn: Option<Build>) -> AdvancedEventSelector {
        let field = |name: &str| AdvancedFieldSelector::builder().field(name);
        let mut fields = vec![field("eventCategory").equals(category), field("resources.type").equals(kind)];
        fields.extend(arn.map(|build| build(field("resources.ARN"))));
        let fields = fields.into_iter().map(|field| field.build().unwrap()).collect();
        AdvancedEventSelector::builder().set_field_selectors(Some(fields)).build().unwrap()
    }

    #[test]
    fn advanced_selectors_need_all_their_fields() {
        let cases: [(&str, &str, &str, Option<Build>, bool); 10] = [
            ("all objects", "Data", OBJECTS, None, true),
            ("management", "Management", OBJECTS, None, false),
            ("traces", "Data", "AWS::XRay::Trace", None, false),
            ("the bucket", "Data", OBJECTS, Some(|arn| arn.starts_with("arn:aws:s3:::trail/")), true),
            ("another bucket", "Data", OBJECTS, Some(|arn| arn.starts_with("arn:aws:s3:::other/")), false),
            ("one object", "Data", OBJECTS, Some(|arn| arn.equals("arn:aws:s3:::trail/key")), true),
            ("all but the bucket", "Data", OBJECTS, Some(|arn| arn.not_starts_with("arn:aws:s3:::trail/")), false),
            ("all but a part", "Data", OBJECTS, Some(|arn| arn.not_starts_with("arn:aws:s3:::trail/AWSLogs/")), true),
            ("all but an object", "Data", OBJECTS, Some(|arn| arn.not_equals("arn:aws:s3:::trail/key")), true),
            ("by the end", "Data", OBJECTS, Some(|arn| arn.ends_with(".gz")), true),
        ];
        for (name, category, kind, arn, expected) in cases {
            assert_eq!(covers(&[], &[advanced(category, kind, arn)], TRAIL), expected, "{name}");
        }
    }
}
