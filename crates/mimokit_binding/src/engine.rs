//! The engine thread: it loads the model, runs jobs in order and frees everything. Neither libuv's pool nor the event loop
//! ever computes.

use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};

use mimokit_checkpoint::Checkpoint;
use mimokit_model::ModelOptions;

use crate::device::{AnyModel, DeviceOptions};
use crate::errors::{Failure, without_panic};

enum Job {
    Run(Box<dyn FnOnce(&mut State) + Send>),
    Stop(Box<dyn FnOnce() + Send>),
}

/// What the thread owns.
struct State {
    model: AnyModel,
    /// A job panicked: keys and values may be half written, so nothing runs any more.
    failed: bool,
}

/// A handle on the thread. Dropping it finishes the running job and joins.
pub(crate) struct Engine {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Starts a thread that loads the model and then hands itself and the model to `loaded` (still on that thread), or the error.
    pub(crate) fn start(
        directory: String,
        device: DeviceOptions,
        options: ModelOptions,
        mut progress: impl FnMut(u64, u64) -> mimokit_model::Result<()> + Send + 'static,
        loaded: impl FnOnce(Result<(&AnyModel, Engine), Failure>) + Send + 'static,
    ) -> Result<(), Failure> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (give_handle, handle) = mpsc::channel();
        let thread = Builder::new().name("mimokit-engine".into()).spawn(move || {
            let model = without_panic(|| load(&directory, &device, &options, &mut progress));
            drop(progress);
            let thread = handle.recv().ok();
            let model = match model {
                Ok(model) => model,
                Err(failure) => return loaded(Err(failure)),
            };
            loaded(Ok((&model, Engine { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(thread) })));
            run(State { model, failed: false }, &queue);
        });
        let thread = thread
            .map_err(|error| Failure::new("runner-failed", format!("Cannot start the engine thread: {error}.")))?;
        // The thread waits for its own handle, so this cannot fail.
        let _ = give_handle.send(thread);
        Ok(())
    }

    /// Runs `job` on the thread, after those before it, then `reply` there. A panic becomes an error.
    pub(crate) fn submit<T: 'static>(
        &self,
        job: impl FnOnce(&mut AnyModel) -> Result<T, Failure> + Send + 'static,
        reply: impl FnOnce(Result<T, Failure>) + Send + 'static,
    ) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(jobs) = &*jobs else { return reply(Err(Failure::disposed())) };
        let run = Box::new(move |state: &mut State| {
            if state.failed {
                let message = "An earlier step of this runner panicked; it runs nothing any more.";
                return reply(Err(Failure::new("runner-failed", message)));
            }
            // Only a panic leaves this set.
            state.failed = true;
            let result = without_panic(|| {
                let result = job(&mut state.model);
                state.failed = false;
                result
            });
            reply(result);
        });
        // The thread receives until it is told to stop, and `jobs` is gone by then.
        let _ = jobs.send(Job::Run(run));
    }

    /// Lets the jobs before it finish, frees the model, then calls `done` on the thread. A second call is done at once.
    pub(crate) fn stop(&self, done: impl FnOnce() + Send + 'static) {
        match self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(jobs) => {
                let _ = jobs.send(Job::Stop(Box::new(done)));
            }
            None => done(),
        }
    }

    /// Waits for the thread, which has been told to stop.
    pub(crate) fn join(&self) {
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Jobs are caught one by one; a panic elsewhere has nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop(|| ());
        self.join();
    }
}

fn run(mut state: State, queue: &mpsc::Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        match job {
            Job::Run(job) => job(&mut state),
            Job::Stop(done) => {
                drop(state);
                return done();
            }
        }
    }
}

fn load(
    directory: &str,
    device: &DeviceOptions,
    options: &ModelOptions,
    progress: &mut dyn FnMut(u64, u64) -> mimokit_model::Result<()>,
) -> Result<AnyModel, Failure> {
    let checkpoint = Checkpoint::open(Path::new(directory))?;
    AnyModel::load(&checkpoint, device, options, progress)
}
