//! What a scan reads: files, and the objects of buckets and trails.

use std::path::Path;
use std::sync::Arc;

use super::Scan;
use crate::command::{Exit, notify};
use crate::source::Source;
use crate::source::file::{FileLimits, Files, Progress};
use crate::store::Checkpoint;

/// Where events come from, and how far each has got.
#[derive(Default)]
pub struct Inputs {
    pub sources: Vec<Arc<dyn Source>>,
    pub progress: Vec<Progress>,
    #[cfg(feature = "aws")]
    pub objects: Vec<Arc<crate::source::s3::Objects>>,
}

impl Inputs {
    /// Looks ahead how much there is to read.
    pub fn measure(&self) {
        #[cfg(feature = "aws")]
        for objects in &self.objects {
            let objects = Arc::clone(objects);
            tokio::spawn(async move { objects.measure().await });
        }
    }
}

/// Whether a path names objects of a bucket.
fn is_url(path: &Path) -> bool {
    path.to_string_lossy().starts_with("s3://")
}

impl Scan {
    /// What is named, as sources; an error after saying what is wrong.
    pub(super) async fn inputs(&self, checkpoints: &[Checkpoint]) -> Result<Inputs, Exit> {
        let mut inputs = Inputs::default();
        let (urls, files): (Vec<_>, Vec<_>) = self.paths.iter().cloned().partition(|path| is_url(path));
        let urls = urls.iter().map(|url| url.to_string_lossy().into_owned()).collect();
        self.add_objects(urls, checkpoints, &mut inputs).await?;
        if !files.is_empty() {
            let files = Files::new(files, FileLimits::default(), notify());
            inputs.progress.push(files.progress());
            inputs.sources.push(Arc::new(files));
        }
        Ok(inputs)
    }

    #[cfg(not(feature = "aws"))]
    async fn add_objects(&self, urls: Vec<String>, _: &[Checkpoint], _: &mut Inputs) -> Result<(), Exit> {
        if urls.is_empty() && self.trail.is_empty() {
            return Ok(());
        }
        crate::command::say("error", "this build cannot talk to AWS (build it with the feature `aws`)");
        Err(Exit::Usage)
    }
}

#[cfg(feature = "aws")]
mod objects {
    use jiff::tz::TimeZone;
    use jiff::{Timestamp, ToSpan as _};

    use super::*;
    use crate::command::time::Moment;
    use crate::command::verify::as_folder;
    use crate::command::{say, source_failed};
    use crate::source::s3::{self, Objects, Settings};
    use crate::verify::{Only, Range, Verifier, Watch};

    impl Scan {
        pub(super) async fn add_objects(
            &self,
            mut urls: Vec<String>,
            checkpoints: &[Checkpoint],
            inputs: &mut Inputs,
        ) -> Result<(), Exit> {
            for trail in &self.trail {
                urls.push(self.aws.bucket_of(trail).await.map_err(source_failed)?);
            }
            for url in urls {
                let Some(settings) = Settings::of_url(&url) else {
                    say("error", &format!("`{url}` is no bucket (it looks like `s3://BUCKET/PREFIX`)"));
                    return Err(Exit::Usage);
                };
                let objects = Arc::new(self.objects(self.settings(settings, &url, checkpoints)).await?);
                inputs.progress.push(objects.progress());
                inputs.sources.push(Arc::clone(&objects) as Arc<dyn Source>);
                inputs.objects.push(objects);
            }
            Ok(())
        }

        fn settings(&self, settings: Settings, url: &str, checkpoints: &[Checkpoint]) -> Settings {
            let now = std::time::SystemTime::now();
            let ms = |moment: Option<Moment>| moment.map(|moment| moment.ms(now));
            let done = checkpoints.iter().find(|checkpoint| *checkpoint.source == *url);
            let resume = done.map(|done| done.position.clone()).filter(|position| !position.is_empty());
            if let Some(key) = &resume {
                say("note", &format!("{url}: goes on behind `{key}`, as far as an earlier scan got"));
            }
            Settings {
                since_ms: ms(self.since),
                until_ms: ms(self.until),
                accounts: self.objects.only.account.clone(),
                regions: self.objects.only.event_region.clone(),
                bucket_owner: self.objects.bucket_owner.clone(),
                resume,
                ..settings
            }
        }

        async fn objects(&self, settings: Settings) -> Result<Objects, Exit> {
            let connect = s3::connector(self.aws.access());
            let objects = Objects::new(settings.clone(), connect.clone(), notify());
            if !self.objects.verify {
                return Ok(objects);
            }
            let keys = self.objects.keys.keys(&self.aws).map_err(|error| {
                say("error", &format!("{error:#}"));
                Exit::Usage
            })?;
            let (prefix, range) = (as_folder(&settings.prefix), delivered(&settings));
            let only = Only { accounts: settings.accounts.clone(), regions: settings.regions.clone() };
            let bucket = s3::Bucket::new(settings, &connect).await.map_err(source_failed)?;
            let verifier = Verifier::new(Arc::new(bucket), keys, range, Timestamp::now()).only(only);
            Ok(objects.witnessed_by(Arc::new(Watch::new(verifier, &prefix, notify()))))
        }
    }

    /// When the objects were delivered that are read: on whole days, and one more than events are wanted of.
    fn delivered(settings: &Settings) -> Range {
        let day = |ms: i64, days: i64| {
            let day = Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC).date();
            Some(day.checked_add(days.days()).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
        };
        Range { since: settings.since_ms.and_then(|ms| day(ms, 0)), until: settings.until_ms.and_then(|ms| day(ms, 2)) }
    }
}
