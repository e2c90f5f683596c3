//! A bucket: whether its objects can be listed and read.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;

use super::report::About;
use super::way::Way;
use crate::source::aws::trouble::Failure;
use crate::source::s3;

const LIST: &str = "s3:ListBucket";
const GET: &str = "s3:GetObject";

/// Who needs to list what is in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// The run itself.
    Needed,
    /// Only the doctor, to find an object to read.
    ForDoctor,
}

/// Looks at what is under a prefix.
pub(super) async fn look(
    way: &Way,
    bucket: &str,
    prefix: &str,
    owner: Option<&str>,
    listing: Listing,
    about: &mut About<'_>,
) {
    let is_elsewhere = way.is_elsewhere || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let mut client = s3::client(&way.config, is_elsewhere);
    let arn = way.bucket_arn(bucket);
    let owner = owner.map(str::to_owned);
    let mut answer = first_key(&client, bucket, prefix, owner.clone()).await;
    if let Err((_, Some(region))) = &answer {
        let config = way.config.to_builder().region(Region::new(region.clone())).build();
        client = s3::client(&config, is_elsewhere);
        answer = first_key(&client, bucket, prefix, owner.clone()).await;
    }
    let key = match answer {
        Ok(key) => key,
        Err((failure, _)) if listing == Listing::Needed => return about.failed(LIST, &arn, &failure),
        Err((failure, _)) => return about.unseen(LIST, &arn, &failure),
    };
    let Some(key) = key else {
        return about.warn(
            LIST,
            format!("there is nothing under `s3://{bucket}/{prefix}`"),
            "is that where the trail delivers to?",
        );
    };
    // Of a queue's buckets only objects of CloudTrail's are ever read, and only those need be allowed.
    if listing == Listing::ForDoctor && !key.contains("AWSLogs/") {
        return about.skip(GET, format!("not tried: the first object in `{bucket}` is none of CloudTrail's"));
    }
    if listing == Listing::Needed {
        about.ok(LIST, format!("`{bucket}` can be listed"));
    }
    read(&client, bucket, &key, owner, &arn, about).await;
}

/// The first key under a prefix. With a failure comes the bucket's region, where S3 says another.
async fn first_key(
    client: &Client,
    bucket: &str,
    prefix: &str,
    owner: Option<String>,
) -> Result<Option<String>, (Failure, Option<String>)> {
    let call = client.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(1).set_expected_bucket_owner(owner);
    match call.send().await {
        Ok(answer) => Ok(answer.contents.unwrap_or_default().into_iter().find_map(|object| object.key)),
        Err(error) => Err((Failure::of(&error), s3::bucket_region(&error))),
    }
}

/// Reads the first byte of an object.
async fn read(client: &Client, bucket: &str, key: &str, owner: Option<String>, arn: &str, about: &mut About<'_>) {
    let call = client.get_object().bucket(bucket).key(key).range("bytes=0-0").set_expected_bucket_owner(owner);
    match call.send().await {
        Ok(_) => about.ok(GET, format!("`s3://{bucket}/{key}` can be read")),
        Err(error) => {
            let failure = Failure::of(&error);
            // An object without any byte.
            if failure.text.starts_with("InvalidRange") {
                return about.ok(GET, format!("`s3://{bucket}/{key}` can be read"));
            }
            about.failed(GET, &format!("{arn}/*"), &failure);
            if failure.text.to_ascii_lowercase().contains("kms") {
                about.skip("kms:Decrypt", "the bucket's key has to be allowed too, so it seems");
            }
        }
    }
}
