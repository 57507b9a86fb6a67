// Ours. Rust's locks, behind a face of C. The loop of one thread alone is Rust,
// so that what is inline there is measured inline.
use std::hint::black_box;
use std::time::Instant;

trait Raw: Sync {
    const FREE: Self;
    fn lock(&self);
    /// Only by the thread that has it.
    unsafe fn unlock(&self);
}

#[repr(align(64))]
struct Line<T>(T);

macro_rules! face {
    ($type:ty, $locks:ident, $lock:ident, $unlock:ident, $alone:ident) => {
        static $locks: [Line<$type>; 8] = {
            const FREE: Line<$type> = Line(<$type as Raw>::FREE);
            [FREE; 8]
        };

        #[no_mangle]
        pub extern "C" fn $lock(i: i32) { Raw::lock(&$locks[i as usize].0) }

        #[no_mangle]
        pub unsafe extern "C" fn $unlock(i: i32) { Raw::unlock(&$locks[i as usize].0) }

        #[no_mangle]
        pub extern "C" fn $alone(times: i64) -> u64 {
            let lock = black_box(&$locks[0].0);
            let before = Instant::now();
            for _ in 0..times {
                Raw::lock(lock);
                unsafe { Raw::unlock(lock) }
            }
            before.elapsed().as_nanos() as u64
        }
    };
}

impl Raw for parking_lot::RawMutex {
    const FREE: Self = <parking_lot::RawMutex as parking_lot::lock_api::RawMutex>::INIT;
    #[inline(always)]
    fn lock(&self) { parking_lot::lock_api::RawMutex::lock(self) }
    #[inline(always)]
    unsafe fn unlock(&self) { parking_lot::lock_api::RawMutex::unlock(self) }
}

#[no_mangle]
pub extern "C" fn parking_lot_lock_for(i: i32, ns: i64) -> i32 {
    let limit = std::time::Duration::from_nanos(ns as u64);
    parking_lot::lock_api::RawMutexTimed::try_lock_for(&PARKING_LOT[i as usize].0, limit) as i32
}
use std::cell::UnsafeCell;
use std::sync::{Mutex, MutexGuard};

/// The standard library unlocks by dropping a guard; the holder keeps it here.
struct StdMutex {
    mutex: Mutex<()>,
    guard: UnsafeCell<Option<MutexGuard<'static, ()>>>,
}

unsafe impl Sync for StdMutex {}

impl Raw for StdMutex {
    const FREE: Self = StdMutex { mutex: Mutex::new(()), guard: UnsafeCell::new(None) };
    #[inline(always)]
    fn lock(&self) {
        let mutex: &'static Mutex<()> = unsafe { &*(&self.mutex as *const _) };
        let guard = mutex.lock().unwrap();
        unsafe { *self.guard.get() = Some(guard) }
    }
    #[inline(always)]
    unsafe fn unlock(&self) { drop((*self.guard.get()).take()) }
}
face!(parking_lot::RawMutex, PARKING_LOT, parking_lot_lock, parking_lot_unlock,
      parking_lot_uncontended);
face!(StdMutex, RUST_STD, rust_std_lock, rust_std_unlock, rust_std_uncontended);
