//! What sources tell, kept for tests to look at.

use std::sync::{Arc, Mutex};

use trailwatch::source::{Notice, Notify};

/// The notices of a source, in their order.
#[derive(Clone, Default)]
pub struct Notices(Arc<Mutex<Vec<Notice>>>);

impl Notices {
    /// Where a source is to tell them.
    pub fn notify(&self) -> Notify {
        let notices = self.clone();
        Arc::new(move |notice| notices.0.lock().unwrap().push(notice))
    }

    /// Those that there are by now.
    pub fn all(&self) -> Vec<Notice> {
        self.0.lock().unwrap().clone()
    }

    /// Their texts, a line each.
    pub fn text(&self) -> String {
        self.all().into_iter().map(|notice| notice.text).collect::<Vec<_>>().join("\n")
    }
}
