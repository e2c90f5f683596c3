//! Work that blocks, or takes long, kept off the threads that others wait on.

use std::panic::resume_unwind;

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does something on a thread that may block. On a runtime of one thread it is done in its turn there: such a runtime is
/// for whoever wants the same order each time.
pub(crate) async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        tokio::task::yield_now().await;
        return act();
    }
    // A panic is a defect and has to end the run.
    tokio::task::spawn_blocking(act).await.unwrap_or_else(|panic| resume_unwind(panic.into_panic()))
}
