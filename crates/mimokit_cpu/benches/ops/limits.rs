//! What this machine can do at best, measured in the same run as the kernels: bytes streamed from memory, fused multiply-adds in
//! registers. One thread or several; the better of the instruction sets for reading, each by itself for multiply-adds.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use memmap2::{Advice, MmapMut};
use mimokit_cpu::Level;

/// Bytes a thread reads before it takes the next part.
const PART: usize = 1 << 20;

/// A buffer far larger than the caches, on huge pages where the system gives them.
pub struct Memory {
    map: MmapMut,
    from: usize,
}

impl Memory {
    pub fn new(bytes: usize) -> Memory {
        let mut map = MmapMut::map_anon(bytes).expect("memory for the probe");
        // Not every system has them; then the probe reads what pages there are.
        let _ = map.advise(Advice::HugePage);
        for (i, part) in map.chunks_mut(PART).enumerate() {
            part.fill(i as u8);
        }
        Memory { map, from: 0 }
    }

    /// Bytes per second of `threads` threads that read `bytes`, going on where the last call ended.
    pub fn read(&mut self, bytes: usize, threads: usize) -> f64 {
        if self.from + bytes > self.map.len() {
            self.from = 0;
        }
        let part = &self.map[self.from..self.from + bytes];
        self.from += bytes;
        bytes as f64 / read(part, threads)
    }
}

/// Seconds for reading all of `bytes` once.
fn read(bytes: &[u8], threads: usize) -> f64 {
    let next = AtomicUsize::new(0);
    let level = Level::detected();
    let work = || {
        loop {
            let Some(part) = bytes.chunks(PART).nth(next.fetch_add(1, Ordering::Relaxed)) else { return };
            black_box(fold(level, part));
        }
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    start.elapsed().as_secs_f64()
}

fn fold(level: Level, bytes: &[u8]) -> u64 {
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected.
        Level::Avx512 | Level::Avx2 => unsafe { x86::fold(bytes) },
        _ => bytes.as_chunks::<8>().0.iter().fold(0, |sum, word| sum ^ u64::from_ne_bytes(*word)),
    }
}

/// Fused multiply-adds in flight: more than any processor needs to hide their latency.
const CHAINS: usize = 12;

/// FLOP per second of `threads` threads that do nothing but multiply-adds in registers, for some milliseconds; zero for the
/// portable level.
pub fn multiply_adds(level: Level, threads: usize) -> f64 {
    const ROUNDS: usize = 1_000_000;
    let work = || match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: callers pass levels that are available.
        Level::Avx512 => black_box(unsafe { x86::multiply_adds_512(ROUNDS) }),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => black_box(unsafe { x86::multiply_adds_256(ROUNDS) }),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => black_box(neon::multiply_adds(ROUNDS)),
        _ => 0.0,
    };
    let lanes = match level {
        Level::Avx512 => 16,
        Level::Avx2 => 8,
        Level::Neon => 4,
        Level::Scalar => 0,
    };
    // Every thread by its own clock, from when all are there: starting threads is none of the processor's work.
    let ready = Barrier::new(threads);
    let rate = || {
        ready.wait();
        let start = Instant::now();
        work();
        (2 * CHAINS * ROUNDS * lanes) as f64 / start.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(rate)).collect();
        let own = rate();
        others.into_iter().fold(own, |sum, other| sum + other.join().expect("a rate"))
    })
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use super::CHAINS;

    /// Plain loads: the processor's own prefetchers do as well as any hint.
    #[target_feature(enable = "avx2")]
    pub unsafe fn fold(bytes: &[u8]) -> u64 {
        let mut sums = [_mm256_setzero_si256(); 8];
        for block in bytes.as_chunks::<256>().0 {
            for (sum, part) in sums.iter_mut().zip(block.as_chunks::<32>().0) {
                // SAFETY: 32 bytes, no alignment needed.
                *sum = _mm256_xor_si256(*sum, unsafe { _mm256_loadu_si256(part.as_ptr().cast()) });
            }
        }
        let mut all = sums[0];
        for sum in sums {
            all = _mm256_xor_si256(all, sum);
        }
        _mm256_extract_epi64::<0>(all) as u64
    }

    macro_rules! chains {
        ($name:ident, $features:literal, $set:ident, $fma:ident, $sum:ident, $out:ident) => {
            #[target_feature(enable = $features)]
            pub unsafe fn $name(rounds: usize) -> f32 {
                // Unknown to the compiler, so that nothing is folded.
                let (factor, term) = (black_box($set(0.999)), black_box($set(1e-3)));
                let mut chains = [term; CHAINS];
                for (i, chain) in chains.iter_mut().enumerate() {
                    *chain = $set(i as f32);
                }
                for _ in 0..rounds {
                    for chain in &mut chains {
                        *chain = $fma(*chain, factor, term);
                    }
                }
                let mut all = chains[0];
                for chain in chains {
                    all = $sum(all, chain);
                }
                $out(all)
            }
        };
    }
    chains!(multiply_adds_512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_cvtss_f32);
    chains!(multiply_adds_256, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_cvtss_f32);
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;
    use std::hint::black_box;

    use super::CHAINS;

    pub fn multiply_adds(rounds: usize) -> f32 {
        // SAFETY: NEON is part of the aarch64 baseline.
        unsafe {
            let (factor, term) = (black_box(vdupq_n_f32(0.999)), black_box(vdupq_n_f32(1e-3)));
            let mut chains = [term; CHAINS];
            for (i, chain) in chains.iter_mut().enumerate() {
                *chain = vdupq_n_f32(i as f32);
            }
            for _ in 0..rounds {
                for chain in &mut chains {
                    *chain = vfmaq_f32(term, *chain, factor);
                }
            }
            let mut all = chains[0];
            for chain in chains {
                all = vaddq_f32(all, chain);
            }
            vaddvq_f32(all)
        }
    }
}
