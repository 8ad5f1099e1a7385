//! The monotonic clock, and the only wait on time alone.

use std::time::Duration;

use nix::poll::{PollFd, ppoll};
use nix::sys::time::TimeSpec;

/// Time since the machine's start; the same clock in every namespace (`CLOCK_MONOTONIC`).
pub fn now() -> Duration {
    let spec = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap_or(TimeSpec::new(0, 0));
    Duration::from(spec)
}

/// Waits for `time`; for short retries only, while the kernel finishes what cannot be awaited.
pub fn pause(time: Duration) {
    let _ = poll(&mut [], time);
}

/// Waits until a descriptor is ready or `timeout` has passed.
pub fn poll(fds: &mut [PollFd<'_>], timeout: Duration) -> nix::Result<i32> {
    ppoll(fds, Some(TimeSpec::from_duration(timeout)), None)
}
