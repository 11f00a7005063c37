//! The threads of one engine: they live as long as it does, spin a moment for the next piece of work, then sleep.
//!
//! Which thread runs which task is left to chance; kernels only hand out work whose result does not depend on it. Threads are
//! not pinned: in a container the allowed processors are shared, and a pinned thread waits behind its neighbour.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Rounds of `spin_loop` before a waiting thread sleeps: some 20 to 50 microseconds, the distance of two ops in a step.
const SPINS: u32 = 2_000;

/// What a thread runs: `task` is in `0..tasks`.
type Job<'a> = dyn Fn(usize) + Sync + 'a;

struct Shared {
    /// Counts up once per `run`; a worker that sees a new value takes part in it.
    epoch: AtomicU32,
    next: AtomicUsize,
    tasks: AtomicUsize,
    /// Workers that have not yet finished the current run.
    busy: AtomicUsize,
    stop: AtomicBool,
    job: UnsafeCell<Option<*const Job<'static>>>,
    sleep: Mutex<()>,
    wake: Condvar,
    done: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is written only by `run` while no worker is busy, and published by the release store of `epoch`.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is only used during `run`, whose caller keeps the closure alive.
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
            epoch: AtomicU32::new(0),
            next: AtomicUsize::new(0),
            tasks: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            job: UnsafeCell::new(None),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            done: Condvar::new(),
            panic: Mutex::new(None),
        });
        // Filled one by one, so that a refused thread drops (and joins) those already started.
        let mut pool = Pool { shared, workers: Vec::new(), turn: Mutex::new(()) };
        for index in 1..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let worker = std::thread::Builder::new().name(format!("mimokit-cpu-{index}")).spawn(move || work(&shared))?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// How many threads run tasks, the caller counted.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `job(0) .. job(tasks - 1)`, each once, and returns when all are done. A panic of a task is passed on.
    pub fn run(&self, tasks: usize, job: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() || tasks <= 1 {
            (0..tasks).for_each(job);
            return;
        }
        let _turn = lock(&self.turn);
        let shared = &*self.shared;
        // SAFETY: only the lifetime is erased; every worker is done with the pointer before `run` returns.
        let erased = unsafe { std::mem::transmute::<*const Job<'_>, *const Job<'static>>(std::ptr::from_ref(job)) };
        // SAFETY: `busy` is 0 and the turn is ours, so nobody reads `job` now.
        unsafe { *shared.job.get() = Some(erased) };
        shared.next.store(0, Ordering::Relaxed);
        shared.tasks.store(tasks, Ordering::Relaxed);
        shared.busy.store(self.workers.len(), Ordering::Relaxed);
        {
            // Under the lock, so that a worker about to sleep cannot miss it.
            let _guard = lock(&shared.sleep);
            shared.epoch.fetch_add(1, Ordering::Release);
        }
        shared.wake.notify_all();
        take_tasks(shared, job);
        wait_until(shared, &shared.done, || shared.busy.load(Ordering::Acquire) == 0);
        // SAFETY: as above, all workers are done.
        unsafe { *shared.job.get() = None };
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
            self.shared.stop.store(true, Ordering::Relaxed);
            self.shared.epoch.fetch_add(1, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of tasks, so there is nothing to learn from its result.
            let _ = worker.join();
        }
    }
}

fn work(shared: &Shared) {
    let mut seen = 0;
    loop {
        wait_until(shared, &shared.wake, || shared.epoch.load(Ordering::Acquire) != seen);
        seen = shared.epoch.load(Ordering::Acquire);
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: the acquire load of `epoch` makes the write of `job` visible, and `run` waits for us before it goes.
        let job = unsafe { (*shared.job.get()).map(|job| &*job) };
        if let Some(job) = job {
            take_tasks(shared, job);
        }
        if shared.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _guard = lock(&shared.sleep);
            shared.done.notify_all();
        }
    }
}

fn take_tasks(shared: &Shared, job: &Job<'_>) {
    let tasks = shared.tasks.load(Ordering::Relaxed);
    let result = catch_unwind(AssertUnwindSafe(|| {
        loop {
            let task = shared.next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return;
            }
            job(task);
        }
    }));
    if let Err(panic) = result {
        // The others stop early: what is left of this run would be thrown away.
        shared.next.store(tasks, Ordering::Relaxed);
        lock(&shared.panic).get_or_insert(panic);
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
    use super::*;

    #[test]
    fn every_task_runs_once_on_any_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads).expect("threads");
            for tasks in [0, 1, 2, 5, 100] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|task| {
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(3).expect("threads");
        let run = catch_unwind(AssertUnwindSafe(|| pool.run(10, &|task| assert_ne!(task, 4, "task four"))));
        assert!(run.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(10, &|task| {
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
            pool.run(100, &|_| {
                sum.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(sum.load(Ordering::Relaxed), 100);
        }
    }
}
