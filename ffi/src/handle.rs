//! What is behind an opaque pointer: a head that tells what it is and whether it is in use, and the thing itself.

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::code::Refusal;
use crate::code::chanson_code::{self, *};

/// A type of the header that has no fields there.
pub(crate) trait Opaque {
    /// What is behind the pointer.
    type Inner;
    /// What its head says.
    const KIND: u64;
}

#[repr(C)]
struct Handle<T> {
    kind: AtomicU64,
    busy: AtomicBool,
    detail: UnsafeCell<CString>,
    inner: UnsafeCell<ManuallyDrop<T>>,
}

/// What the head says of a handle that was freed, for as long as its memory is not used for something else.
const DEAD: u64 = 0xDEAD_DEAD_DEAD_DEAD;
/// What is added to a kind when the library has failed in the handle.
const BROKEN: u64 = 1 << 63;

/// A new handle, which the host owns.
pub(crate) fn make<O: Opaque>(inner: O::Inner) -> *mut O {
    let handle = Handle {
        kind: AtomicU64::new(O::KIND),
        busy: AtomicBool::new(false),
        detail: UnsafeCell::default(),
        inner: UnsafeCell::new(ManuallyDrop::new(inner)),
    };
    Box::into_raw(Box::new(handle)).cast()
}

/// Has the handle do something, with nobody else in it meanwhile. No panic comes out.
///
/// # Safety
/// `pointer` is NULL, or points to memory that was a handle of this library and still is readable: of `O`, or of another
/// type. (A handle that was freed is not; that it is often seen nevertheless is a help in finding mistakes, no promise.)
pub(crate) unsafe fn enter<O: Opaque>(
    pointer: *const O,
    act: impl FnOnce(&mut O::Inner) -> Result<(), Refusal>,
) -> chanson_code {
    // SAFETY: as promised by the caller.
    unsafe { enter_any(pointer, &[O::KIND], act) }
}

/// The same for a handle that may be of several kinds with the same thing behind them.
///
/// # Safety
/// As [`enter`]; what is behind a handle of any of `kinds` is an `O::Inner`.
pub(crate) unsafe fn enter_any<O: Opaque>(
    pointer: *const O,
    kinds: &[u64],
    act: impl FnOnce(&mut O::Inner) -> Result<(), Refusal>,
) -> chanson_code {
    let handle = match unsafe { claim(pointer, kinds) } {
        Ok(handle) => handle,
        Err(code) => return code,
    };
    // SAFETY: claimed, so nobody else is in it; and `kind` says that this is what is behind it.
    let inner = unsafe { &mut *handle.inner.get() };
    let answer = catch_unwind(AssertUnwindSafe(|| act(inner)));
    let (code, detail) = match answer {
        Ok(Ok(())) => (CHANSON_OK, None),
        Ok(Err(Refusal { code, detail })) => (code, detail),
        Err(_) => {
            handle.kind.fetch_or(BROKEN, Ordering::Relaxed);
            (CHANSON_ERR_PANIC, None)
        }
    };
    if code != CHANSON_OK && code != CHANSON_EMPTY {
        // SAFETY: claimed.
        unsafe { *handle.detail.get() = text_of(code, detail) };
    }
    handle.busy.store(false, Ordering::Release);
    code
}

/// Has a handle that is for many threads do something, any number of them at a time. No panic comes out, and no detail is kept.
///
/// # Safety
/// As [`enter`]; and nobody frees the handle meanwhile.
#[cfg(feature = "server")]
pub(crate) unsafe fn share<O: Opaque>(
    pointer: *const O,
    act: impl FnOnce(&O::Inner) -> Result<(), Refusal>,
) -> chanson_code
where
    O::Inner: Sync,
{
    // SAFETY: as promised by the caller.
    let handle = match unsafe { look(pointer, &[O::KIND]) } {
        Ok(handle) => handle,
        Err(code) => return code,
    };
    // SAFETY: of this kind, so this is what is behind it; nobody changes it but `free`.
    let inner = unsafe { &*handle.inner.get() };
    guard(|| act(inner))
}

/// Takes a handle back, unless it is in use. NULL is taken, and does nothing.
///
/// # Safety
/// As [`enter`]. The host uses it no more.
pub(crate) unsafe fn free<O: Opaque>(pointer: *mut O) -> chanson_code {
    if pointer.is_null() {
        return CHANSON_OK;
    }
    // SAFETY: as promised by the caller.
    match unsafe { claim(pointer, &[O::KIND, O::KIND | BROKEN]) } {
        Ok(handle) => {
            handle.kind.store(DEAD, Ordering::Relaxed);
            // What is dropped may be the host's, which may call with this very handle, and is told that it is dead: so the
            // memory goes behind what is in it.
            // SAFETY: claimed, so nobody is in it, and from here on `kind` lets nobody in: it is dropped once.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(&mut *handle.inner.get()) }));
            // SAFETY: `make` made it of a box, and this is the only place that takes it back.
            drop(unsafe { Box::from_raw(pointer.cast::<Handle<O::Inner>>()) });
            if dropped.is_ok() { CHANSON_OK } else { CHANSON_ERR_PANIC }
        }
        Err(code) => code,
    }
}

/// What the handle refused last and why, until the next call on it.
///
/// # Safety
/// As [`enter`].
pub(crate) unsafe fn detail<O: Opaque>(pointer: *const O, kinds: &[u64]) -> *const c_char {
    // SAFETY: as promised by the caller.
    match unsafe { claim(pointer, kinds) } {
        Ok(handle) => {
            // SAFETY: claimed. The text is not touched until the next call that is refused.
            let text = unsafe { (*handle.detail.get()).as_ptr() };
            handle.busy.store(false, Ordering::Release);
            text
        }
        Err(code) => crate::code::chanson_code_text(code as i32),
    }
}

/// # Safety
/// As [`enter`].
unsafe fn claim<'a, O: Opaque>(pointer: *const O, kinds: &[u64]) -> Result<&'a Handle<O::Inner>, chanson_code> {
    // SAFETY: as promised by the caller.
    let handle = unsafe { look(pointer, kinds) }?;
    if handle.busy.swap(true, Ordering::Acquire) {
        return Err(CHANSON_ERR_BUSY);
    }
    Ok(handle)
}

/// # Safety
/// As [`enter`].
unsafe fn look<'a, O: Opaque>(pointer: *const O, kinds: &[u64]) -> Result<&'a Handle<O::Inner>, chanson_code> {
    if pointer.is_null() {
        return Err(CHANSON_ERR_NULL);
    }
    let handle = pointer.cast::<Handle<O::Inner>>();
    if !handle.is_aligned() {
        return Err(CHANSON_ERR_HANDLE);
    }
    // SAFETY: every handle begins with its kind, so that much can be read whatever its type is.
    let kind = unsafe { &(*handle).kind }.load(Ordering::Relaxed);
    if !kinds.contains(&kind) {
        let is_broken = kind & BROKEN != 0 && kinds.contains(&(kind & !BROKEN));
        return Err(if is_broken { CHANSON_ERR_PANIC } else { CHANSON_ERR_HANDLE });
    }
    // SAFETY: it is one of these kinds, so this is its type.
    Ok(unsafe { &*handle })
}

/// The text to keep: the detail, or the code's own.
pub(crate) fn text_of(code: chanson_code, detail: Option<String>) -> CString {
    match detail {
        Some(mut detail) => {
            detail.retain(|c| c != '\0');
            CString::new(detail).unwrap_or_default()
        }
        // SAFETY: the text of a code is static.
        None => unsafe { CStr::from_ptr(crate::code::chanson_code_text(code as i32)) }.to_owned(),
    }
}

/// Runs what needs no handle, so that no panic comes out.
pub(crate) fn guard(act: impl FnOnce() -> Result<(), Refusal>) -> chanson_code {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(())) => CHANSON_OK,
        Ok(Err(refusal)) => refusal.code,
        Err(_) => CHANSON_ERR_PANIC,
    }
}

/// Where a call puts what it gives.
///
/// # Safety
/// `out` is NULL or a place that a `T` may be written to.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) -> Result<(), Refusal> {
    if out.is_null() {
        return Err(CHANSON_ERR_NULL.into());
    }
    // SAFETY: not NULL, and a place for a `T` as the caller promises. What was there needs no drop.
    unsafe { out.write(value) };
    Ok(())
}
