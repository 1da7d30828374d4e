//! Work that keeps all processors busy.

use std::{
    hint, io,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A thread per processor that computes nothing, at normal priority, until this is dropped.
pub struct Burners {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Burners {
    pub fn start() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = (0..count).map(|_| {
            let stop = Arc::clone(&stop);
            thread::Builder::new().name("burner".to_owned()).spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            })
        });
        Ok(Self { threads: threads.collect::<io::Result<_>>()?, stop })
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}
