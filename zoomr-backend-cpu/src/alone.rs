//! Work whose kernels take one thread: where several pieces of work go on side by side, each on a thread of its own,
//! cutting up the small products of one of them only costs.

/// Runs `work` on one thread of rayon's that nobody else uses; its kernels stay on it.
///
/// ```
/// let mut threads = 0;
/// zoomr_backend_cpu::on_one_thread(&mut || threads = rayon::current_num_threads());
/// assert_eq!(threads, 1);
/// ```
pub fn on_one_thread(work: &mut (dyn FnMut() + Send)) {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        // Where the system has no thread left, it runs on all that there are.
        Err(_) => work(),
    }
}
