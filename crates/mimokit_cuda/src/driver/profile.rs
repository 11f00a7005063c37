//! Times of single launches, for benches: an event before and behind each.

use std::sync::PoisonError;

use cudarc::driver::{result, sys};

use super::{Gpu, failure};
use crate::error::Result;

/// A launch between two events.
pub(super) struct Timed {
    kernel: &'static str,
    before: sys::CUevent,
    behind: sys::CUevent,
}

// SAFETY: events belong to the list alone and may be used from any thread with the context.
unsafe impl Send for Timed {}

impl Gpu {
    /// Runs `work` and gives what each of its launches took on the device, in seconds, in order. Launches wait for their events, so the whole takes
    /// longer than without.
    ///
    /// # Errors
    /// Those of `work`, and `Lost` when a kernel failed.
    pub fn profile(&self, work: impl FnOnce() -> Result<()>) -> Result<Vec<(&'static str, f64)>> {
        let launches = || self.launches.lock().unwrap_or_else(PoisonError::into_inner);
        *launches() = Some(Vec::new());
        let worked = work().and_then(|()| self.synchronize());
        let timed = launches().take().unwrap_or_default();
        let mut times = Vec::with_capacity(timed.len());
        for Timed { kernel, before, behind } in timed {
            // SAFETY: both were recorded, and the stream has passed them unless the work failed, which is told below.
            let elapsed = unsafe { result::event::elapsed(before, behind) };
            // SAFETY: nothing uses them any more.
            let _ = unsafe { result::event::destroy(before).and_then(|()| result::event::destroy(behind)) };
            times.push((kernel, elapsed));
        }
        worked?;
        let seconds = |(kernel, elapsed): (_, std::result::Result<f32, _>)| {
            let elapsed = elapsed.map_err(|error| failure("cuEventElapsedTime", error))?;
            Ok((kernel, f64::from(elapsed) / 1e3))
        };
        times.into_iter().map(seconds).collect()
    }

    /// Runs one launch, between events if somebody profiles.
    pub(super) fn timed(&self, kernel: &'static str, launch: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut launches = self.launches.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(list) = launches.as_mut() else {
            drop(launches);
            return launch();
        };
        let event = || {
            let event = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT)
                .map_err(|error| failure("cuEventCreate", error))?;
            Ok::<_, crate::error::Error>(event)
        };
        let (before, behind) = (event()?, event()?);
        let record = |event| {
            // SAFETY: made above; the stream lives.
            unsafe { result::event::record(event, self.inner.stream) }.map_err(|error| failure("cuEventRecord", error))
        };
        record(before)?;
        launch()?;
        record(behind)?;
        list.push(Timed { kernel, before, behind });
        Ok(())
    }
}
