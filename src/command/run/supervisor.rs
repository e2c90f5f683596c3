//! What the service manager is told, and asks for: systemd, by `NOTIFY_SOCKET` and by SIGHUP.

use std::time::Duration;

#[cfg(unix)]
use sd_notify::NotifyState;

/// Tells that the run has begun, or goes on with what was reloaded.
pub fn ready() {
    #[cfg(unix)]
    tell(&[NotifyState::Ready]);
}

/// Tells that the configuration is read anew.
pub fn reloading() {
    #[cfg(unix)]
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Tells that the run comes to its end.
pub fn stopping() {
    #[cfg(unix)]
    tell(&[NotifyState::Stopping]);
}

/// Tells that all is well.
pub fn alive() {
    #[cfg(unix)]
    tell(&[NotifyState::Watchdog]);
}

/// How often it wants to be told that all is well, if at all.
pub fn watchdog() -> Option<Duration> {
    #[cfg(unix)]
    return sd_notify::watchdog_enabled();
    #[cfg(not(unix))]
    None
}

/// Wishes to have the configuration read anew.
pub struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Takes them from now on; before, SIGHUP ends the process.
    pub fn listen() -> Self {
        #[cfg(unix)]
        return Self { signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok() };
        #[cfg(not(unix))]
        Self {}
    }

    /// Waits for the next.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

/// A manager that does not listen is no reason to stop.
#[cfg(unix)]
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
