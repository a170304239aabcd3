//! What callbacks are handed: a handle that is good until the callback returns, and is known to be no more after that.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use chanson_core::http::Response;
use chanson_core::{Payload, PayloadBuf, Refuse};

use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::handle;
use crate::text::chanson_str;

/// A type of the header that is handed to callbacks.
pub(crate) trait View {
    /// What is behind it while its callback runs. The lifetimes are a lie that [`Slot::lend`] makes good.
    type Target;
    /// What its slot says.
    const KIND: u64;
}

/// The place behind a [`View`]. It stays where it is for as long as its hub lives, so that a host which keeps the pointer
/// beyond the callback is told so instead of reading freed memory.
#[repr(C)]
pub(crate) struct Slot<V> {
    kind: u64,
    /// What is lent now; NULL when no callback runs, or when it is in use.
    current: Cell<*mut ()>,
    detail: RefCell<CString>,
    /// The payload that is being handled. It lives as long as what is lent.
    known: Cell<Option<Payload<'static>>>,
    /// Whether the callback decides on a join, so that a reply is the verdict's.
    joining: Cell<bool>,
    /// Whether the callback has put its answer off.
    deferred: Cell<bool>,
    /// What the callback said beside its verdict: mostly nothing.
    words: Cell<Option<Box<Words>>>,
    /// Text that was made for the callback, and lives as long as what is lent.
    scratch: RefCell<Vec<Box<str>>>,
    view: PhantomData<V>,
}

/// What a callback says beside its verdict.
#[derive(Default)]
pub(crate) struct Words {
    pub(crate) reply: Option<PayloadBuf>,
    pub(crate) refusal: Option<Refuse>,
    pub(crate) response: Option<Response>,
}

/// What a callback has said, and whether it has put its answer off.
pub(crate) struct Said {
    pub(crate) deferred: bool,
    words: Option<Box<Words>>,
}

impl Said {
    pub(crate) fn words(self) -> Words {
        self.words.map_or_else(Words::default, |words| *words)
    }
}

impl<V: View> Slot<V> {
    fn new() -> Self {
        Self {
            kind: V::KIND,
            current: Cell::new(std::ptr::null_mut()),
            detail: RefCell::default(),
            known: Cell::new(None),
            joining: Cell::new(false),
            deferred: Cell::new(false),
            words: Cell::new(None),
            scratch: RefCell::default(),
            view: PhantomData,
        }
    }

    /// Runs a callback that is handed the view of `target`. `joining` says whether it decides on a join.
    ///
    /// # Safety
    /// `target` is a `V::Target` but for its lifetimes.
    pub(crate) unsafe fn lend<T, R>(
        &self,
        target: &mut T,
        known: Option<Payload<'_>>,
        joining: bool,
        callback: impl FnOnce(*mut V) -> R,
    ) -> (R, Said) {
        struct Return<'a, V>(&'a Slot<V>);
        impl<V> Drop for Return<'_, V> {
            fn drop(&mut self) {
                self.0.current.set(std::ptr::null_mut());
                self.0.known.set(None);
                self.0.scratch.borrow_mut().clear();
            }
        }
        self.current.set(std::ptr::from_mut(target).cast());
        // SAFETY: `Return` takes it away before the payload ends.
        self.known.set(known.map(|payload| unsafe { std::mem::transmute::<Payload<'_>, Payload<'static>>(payload) }));
        self.joining.set(joining);
        self.deferred.set(false);
        let _return = Return(self);
        let result = callback(std::ptr::from_ref(self).cast_mut().cast());
        (result, Said { deferred: self.deferred.get(), words: self.words.take() })
    }

    /// The payload that is being handled.
    pub(crate) fn known(&self) -> Option<Payload<'static>> {
        self.known.get()
    }

    /// Whether the callback decides on a join.
    pub(crate) const fn is_joining(&self) -> bool {
        self.joining.get()
    }

    /// Notes that the callback puts its answer off.
    pub(crate) fn defer(&self) {
        self.deferred.set(true);
    }

    /// Notes what the callback says beside its verdict.
    pub(crate) fn say(&self, say: impl FnOnce(&mut Words)) {
        let mut words = self.words.take().unwrap_or_default();
        say(&mut words);
        self.words.set(Some(words));
    }

    /// Keeps text until the callback returns.
    pub(crate) fn keep(&self, text: impl Into<Box<str>>) -> chanson_str {
        let text = text.into();
        let view = chanson_str::new(&text);
        self.scratch.borrow_mut().push(text);
        view
    }
}

/// A slot that stays where it is.
pub(crate) struct Pinned<V>(NonNull<Slot<V>>);

impl<V: View> Pinned<V> {
    pub(crate) fn new() -> Self {
        Self(NonNull::from(Box::leak(Box::new(Slot::new()))))
    }

    /// The slot; not borrowed from `self`, which handlers have to give back while it is lent.
    pub(crate) const fn get(&self) -> NonNull<Slot<V>> {
        self.0
    }
}

impl<V> Drop for Pinned<V> {
    fn drop(&mut self) {
        // SAFETY: made from a box by `new`, and dropped once. No callback runs: what owns this is borrowed by one that does.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

// SAFETY: whoever has the hub has its slots; they are looked at by the thread that is in the hub, and by the callback that
// this thread runs.
unsafe impl<V> Send for Pinned<V> {}

/// Has what is behind a view do something. No panic comes out.
///
/// # Safety
/// `pointer` is NULL, or was handed to a callback by a hub that is still there.
pub(crate) unsafe fn enter<V: View>(
    pointer: *const V,
    act: impl FnOnce(&mut V::Target, &Slot<V>) -> Result<(), Refusal>,
) -> chanson_code {
    // SAFETY: as promised by the caller.
    let slot = match unsafe { slot_of(pointer) } {
        Ok(slot) => slot,
        Err(code) => return code,
    };
    let current = slot.current.replace(std::ptr::null_mut());
    if current.is_null() {
        return CHANSON_ERR_HANDLE;
    }
    // SAFETY: `lend` was given it, has not returned, and touches it only after that; and while this is in it nobody else
    // is, since `current` is NULL.
    let target = unsafe { &mut *current.cast::<V::Target>() };
    let answer = catch_unwind(AssertUnwindSafe(|| act(target, slot)));
    slot.current.set(current);
    let refusal = match answer {
        Ok(Ok(())) => return CHANSON_OK,
        Ok(Err(refusal)) => refusal,
        Err(_) => CHANSON_ERR_PANIC.into(),
    };
    let code = refusal.code;
    slot.detail.replace(handle::text_of(code, refusal.detail));
    code
}

/// What was refused last in this callback and why, until the next call.
///
/// # Safety
/// As [`enter`].
pub(crate) unsafe fn detail<V: View>(pointer: *const V) -> *const c_char {
    // SAFETY: as promised by the caller.
    match unsafe { slot_of(pointer) } {
        Ok(slot) => slot.detail.borrow().as_ptr(),
        Err(code) => crate::code::chanson_code_text(code as i32),
    }
}

/// # Safety
/// As [`enter`].
unsafe fn slot_of<'a, V: View>(pointer: *const V) -> Result<&'a Slot<V>, chanson_code> {
    if pointer.is_null() {
        return Err(CHANSON_ERR_NULL);
    }
    let slot = pointer.cast::<Slot<V>>();
    // SAFETY: slots, and handles of all types, begin with their kind.
    if !slot.is_aligned() || unsafe { (*slot).kind } != V::KIND {
        return Err(CHANSON_ERR_HANDLE);
    }
    // SAFETY: that is what it is.
    Ok(unsafe { &*slot })
}
