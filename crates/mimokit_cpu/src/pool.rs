//! The threads of one engine: they live as long as it does, spin a moment for the next piece of work, then sleep.
//!
//! Which thread runs which task is left to chance; kernels only hand out work whose result does not depend on it. Threads are
//! not pinned: in a container the allowed processors are shared, and a pinned thread waits behind its neighbour.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Rounds of `spin_loop` before a waiting thread sleeps: some 20 to 50 microseconds, the distance of two ops in a step.
const SPINS: u32 = 2_000;
/// Multiply-adds (or as many bytes) that are worth waking threads for: some ten microseconds of work.
const WORTH_SHARING: usize = 64 * 1024;

/// What a thread runs: `task` is in `0..tasks`.
type Job<'a> = dyn Fn(usize) + Sync + 'a;

struct Shared {
    /// High half: which run; low half: tasks not yet taken. One word, so that a thread that comes late takes nothing of a run that
    /// is over, and `run` need not wait for threads that took nothing.
    state: AtomicU64,
    tasks: AtomicU32,
    done: AtomicU32,
    stop: AtomicBool,
    /// Written only between runs.
    job: UnsafeCell<Option<*const Job<'static>>>,
    sleep: Mutex<()>,
    wake: Condvar,
    finished: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is written while no task is left to take, and read only by a thread that has taken one of the run it was written
// for; the acquire and release of `state` order the two.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is used during `run` only, whose caller keeps the closure alive.
unsafe impl Send for Shared {}

/// A fixed set of threads that run numbered tasks together with the calling thread.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// One run at a time, whoever calls.
    turn: Mutex<()>,
}

impl Pool {
    /// The processors this process may use, as affinity and cgroup quota allow.
    pub fn default_threads() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// A pool of `threads` threads, the caller of `run` counted; at least one.
    ///
    /// # Errors
    /// What the operating system says when it refuses a thread.
    pub fn new(threads: usize) -> std::io::Result<Pool> {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            tasks: AtomicU32::new(0),
            done: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            job: UnsafeCell::new(None),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            finished: Condvar::new(),
            panic: Mutex::new(None),
        });
        // Filled one by one, so that a refused thread drops (and joins) those already started.
        let mut pool = Pool { shared, workers: Vec::new(), turn: Mutex::new(()) };
        for index in 1..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let worker = Builder::new().name(format!("mimokit-cpu-{index}")).spawn(move || work(&shared))?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// How many threads run tasks, the caller counted.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `job(0) .. job(tasks - 1)`, each once, and returns when all are done; `cost` is what they take together, in
    /// multiply-adds or bytes. A panic of a task is passed on.
    pub fn run(&self, tasks: usize, cost: usize, job: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() || tasks <= 1 || cost < WORTH_SHARING {
            (0..tasks).for_each(job);
            return;
        }
        let count = u32::try_from(tasks).expect("fewer than 2^32 tasks");
        let _turn = lock(&self.turn);
        let shared = &*self.shared;
        // SAFETY: only the lifetime is erased; every task is done with the pointer before `run` returns.
        let erased = unsafe { std::mem::transmute::<*const Job<'_>, *const Job<'static>>(std::ptr::from_ref(job)) };
        // SAFETY: no task is left to take, so nobody reads `job` now, and the turn is ours.
        unsafe { *shared.job.get() = Some(erased) };
        shared.tasks.store(count, Ordering::Relaxed);
        shared.done.store(0, Ordering::Relaxed);
        let run = run_of(shared.state.load(Ordering::Relaxed)).wrapping_add(1);
        {
            // Under the lock, so that a thread about to sleep cannot miss it.
            let _guard = lock(&shared.sleep);
            shared.state.store(u64::from(run) << 32 | u64::from(count), Ordering::Release);
        }
        shared.wake.notify_all();
        take_tasks(shared);
        wait_until(shared, &shared.finished, || shared.done.load(Ordering::Acquire) == count);
        let panic = lock(&shared.panic).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        {
            let _guard = lock(&self.shared.sleep);
            self.shared.stop.store(true, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of tasks, so there is nothing to learn from its result.
            let _ = worker.join();
        }
    }
}

fn run_of(state: u64) -> u32 {
    (state >> 32) as u32
}

fn left_of(state: u64) -> u32 {
    state as u32
}

fn work(shared: &Shared) {
    loop {
        let has_work = || left_of(shared.state.load(Ordering::Acquire)) > 0;
        wait_until(shared, &shared.wake, || has_work() || shared.stop.load(Ordering::Acquire));
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        take_tasks(shared);
    }
}

/// Takes and runs tasks until none is left.
fn take_tasks(shared: &Shared) {
    while let Ok(before) = shared.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
        // The run stays the same as long as the low half does not go below zero.
        (left_of(state) > 0).then(|| state - 1)
    }) {
        // A task is ours, so its run cannot end before we count it as done: both reads are of that run.
        let tasks = shared.tasks.load(Ordering::Relaxed);
        // SAFETY: as above; `run` wrote the pointer before it published the tasks.
        let job = unsafe { (*shared.job.get()).map(|job| &*job) }.expect("a run has a job");
        let task = (tasks - left_of(before)) as usize;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(task))) {
            lock(&shared.panic).get_or_insert(panic);
        }
        if shared.done.fetch_add(1, Ordering::AcqRel) + 1 == tasks {
            let _guard = lock(&shared.sleep);
            shared.finished.notify_all();
        }
    }
}

fn wait_until(shared: &Shared, signal: &Condvar, ready: impl Fn() -> bool) {
    for _ in 0..SPINS {
        if ready() {
            return;
        }
        std::hint::spin_loop();
    }
    let mut guard = lock(&shared.sleep);
    while !ready() {
        guard = signal.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
}

/// No code panics while it holds one of these locks, so a poisoned lock is still consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer that several tasks write at once, each its own part.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    _owner: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: it only hands out parts under the contract of `part`.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(buffer: &'a mut [T]) -> Parts<'a, T> {
        Parts { start: buffer.as_mut_ptr(), len: buffer.len(), _owner: std::marker::PhantomData }
    }

    /// The part `start .. start + len`; panics when it does not lie in the buffer.
    ///
    /// # Safety
    /// No two parts that are in use at the same time overlap.
    #[expect(clippy::mut_from_ref, reason = "the point of this type; the contract above makes it sound")]
    pub(crate) unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start, "part {start}+{len} of {}", self.len);
        // SAFETY: in bounds by the assertion, not aliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const MUCH: usize = usize::MAX;

    #[test]
    fn every_task_runs_once_on_any_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads).expect("threads");
            for tasks in [0, 1, 2, 5, 100] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, MUCH, &|task| {
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(3).expect("threads");
        let run = catch_unwind(AssertUnwindSafe(|| pool.run(10, MUCH, &|task| assert_ne!(task, 4, "task four"))));
        assert!(run.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(10, MUCH, &|task| {
            sum.fetch_add(task, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 45);
    }

    #[test]
    fn sleeping_threads_wake_up_again() {
        let pool = Pool::new(2).expect("threads");
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let sum = AtomicUsize::new(0);
            pool.run(100, MUCH, &|_| {
                sum.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(sum.load(Ordering::Relaxed), 100);
        }
    }
}
