//! TLS: who a server is. Without the feature `tls` everything here is refused with `CHANSON_ERR_NOT_ALLOWED`.

use std::ffi::c_char;

use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::handle::{self, Opaque, enter, put};
use crate::text::{chanson_str, list};

/// Who servers with TLS are: certificates and keys. One may be given to many endpoints and servers, by their configuration; it may
/// be freed when they have it, and may be kept to show other certificates later. TLS 1.2 and 1.3.
pub struct chanson_acceptor {
    _opaque: [u8; 0],
}

/// What is behind it; nothing before its first identities.
#[derive(Default)]
pub(crate) struct Acceptor {
    #[cfg(feature = "tls")]
    shared: Option<chanson_core::tls::Acceptor>,
}

impl Opaque for chanson_acceptor {
    type Inner = Acceptor;
    const KIND: u64 = 0x0043_6861_6363_6570;
}

/// A certificate chain, the server's own certificate first, and its private key (not encrypted), in PEM.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_identity {
    /// The chain: a file's path, NUL-terminated, or NULL for `chain_pem`.
    pub chain_file: *const c_char,
    /// The key: a file's path, NUL-terminated, or NULL for `key_pem`.
    pub key_file: *const c_char,
    /// The chain itself.
    pub chain_pem: chanson_str,
    /// The key itself.
    pub key_pem: chanson_str,
}

/// An acceptor that has no identity yet; free it with `chanson_acceptor_free`. `CHANSON_ERR_NOT_ALLOWED` where the library was
/// built without TLS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_acceptor_new(acceptor: *mut *mut chanson_acceptor) -> chanson_code {
    handle::guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            put(acceptor, std::ptr::null_mut())?;
            if cfg!(not(feature = "tls")) {
                return Err(CHANSON_ERR_NOT_ALLOWED.into());
            }
            put(acceptor, handle::make(Acceptor::default()))
        }
    })
}

/// Frees an acceptor. Endpoints and servers that have it go on as they are. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_acceptor_free(acceptor: *mut chanson_acceptor) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { handle::free(acceptor) }
}

/// What was refused last and why, NUL-terminated, good until the next call on the acceptor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_acceptor_error(acceptor: *const chanson_acceptor) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { handle::detail(acceptor, &[chanson_acceptor::KIND]) }
}

/// Shows these identities from now on, to all that connect to whatever has this acceptor; connections that are there stay. To a
/// client that says which host it looks for, the first that is for that host is shown; else the first. Files are read now and
/// not again. Nothing has changed when it is refused, and `chanson_acceptor_error` says why: `CHANSON_ERR_IO` for a file that
/// cannot be read, `…_ARGUMENT` for no identity, for what is no PEM, and for a key that is another's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_acceptor_set(
    acceptor: *mut chanson_acceptor,
    identities: *const chanson_identity,
    count: usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(acceptor, |acceptor| acceptor.set(list(identities, count)?)) }
}

#[cfg(feature = "tls")]
impl Acceptor {
    /// # Safety
    /// What the identities point to is NULL or as long as they say.
    unsafe fn set(&mut self, identities: &[chanson_identity]) -> Result<(), Refusal> {
        // SAFETY: as the caller promises.
        let identities: Result<Vec<_>, _> = identities.iter().map(|given| unsafe { given.identity() }).collect();
        match &self.shared {
            Some(shared) => shared.set(identities?).map_err(refused),
            None => {
                self.shared = Some(chanson_core::tls::Acceptor::new(identities?).map_err(refused)?);
                Ok(())
            }
        }
    }
}

#[cfg(not(feature = "tls"))]
impl Acceptor {
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as the one with TLS")]
    fn set(&mut self, _: &[chanson_identity]) -> Result<(), Refusal> {
        Err(CHANSON_ERR_NOT_ALLOWED.into())
    }
}

#[cfg(feature = "tls")]
impl chanson_identity {
    /// # Safety
    /// What it points to is NULL or as long as it says.
    unsafe fn identity(&self) -> Result<chanson_core::tls::Identity, Refusal> {
        // SAFETY: as the caller promises.
        unsafe {
            let chain = pem(self.chain_file, self.chain_pem)?;
            let key = pem(self.key_file, self.key_pem)?;
            chanson_core::tls::Identity::from_pem(&chain, &key).map_err(refused)
        }
    }
}

/// What a file holds, or else the text.
///
/// # Safety
/// `file` is NULL or NUL-terminated, `text` as long as it says.
#[cfg(feature = "tls")]
unsafe fn pem(file: *const c_char, text: chanson_str) -> Result<Vec<u8>, Refusal> {
    // SAFETY: as the caller promises.
    unsafe {
        if file.is_null() {
            return Ok(crate::text::bytes(text.data.cast(), text.len)?.to_vec());
        }
        let path = crate::text::c_text(file)?;
        std::fs::read(path).map_err(|error| Refusal::new(CHANSON_ERR_IO, format!("{path}: {error}")))
    }
}

#[cfg(feature = "tls")]
pub(crate) fn refused(error: chanson_core::tls::Error) -> Refusal {
    let code = match error {
        chanson_core::tls::Error::File { .. } => CHANSON_ERR_IO,
        _ => CHANSON_ERR_ARGUMENT,
    };
    Refusal::new(code, error)
}

/// Puts TLS into the configuration of an endpoint, if there is an acceptor.
///
/// # Safety
/// As `enter`.
pub(crate) unsafe fn secure(
    config: chanson_core::endpoint::Config,
    acceptor: *mut chanson_acceptor,
) -> Result<chanson_core::endpoint::Config, Refusal> {
    if acceptor.is_null() {
        return Ok(config);
    }
    #[cfg(feature = "tls")]
    {
        let mut found = None;
        // SAFETY: as the caller promises.
        let code = unsafe {
            enter(acceptor, |acceptor| {
                found = acceptor.shared.clone();
                Ok(())
            })
        };
        match (code, found) {
            (CHANSON_OK, Some(found)) => Ok(config.with_tls(found)),
            (CHANSON_OK, None) => Err(Refusal::new(CHANSON_ERR_ARGUMENT, "the acceptor has no identity")),
            (code, _) => Err(code.into()),
        }
    }
    #[cfg(not(feature = "tls"))]
    Err(CHANSON_ERR_NOT_ALLOWED.into())
}
