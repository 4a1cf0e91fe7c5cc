//! The only unsafe code of this package: it asks libpam (`pam(3)`) whether a password is right and
//! whether the account may be used now. It opens no session, and it knows no ids.
//!
//! The library is opened when the directory is, so that a machine that does not use it need not
//! have it. A conversation answers the one hidden prompt with the password, and nothing else.
#![allow(
    unsafe_code,
    reason = "libpam has a C interface; each call here says why it is sound"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use libloading::Library;
use nix::libc;

use crate::DirectoryError;

/// The library, by the name that all distributions give its first and only interface.
const LIBRARY: &str = "libpam.so.0";

// From `security/_pam_types.h` of Linux-PAM; they are part of its interface and never change.
const SUCCESS: c_int = 0;
const BUF_ERR: c_int = 5;
const CONV_ERR: c_int = 19;
/// Return values that say that this person is not let in: the password is wrong, or the account is
/// unknown, locked, over, or must first get a new password. No other says anything of the person.
const DENIED: [c_int; 8] = [
    6,  // PAM_PERM_DENIED
    7,  // PAM_AUTH_ERR
    10, // PAM_USER_UNKNOWN
    11, // PAM_MAXTRIES
    12, // PAM_NEW_AUTHTOK_REQD
    13, // PAM_ACCT_EXPIRED
    16, // PAM_CRED_EXPIRED
    27, // PAM_AUTHTOK_EXPIRED
];
const PROMPT_ECHO_OFF: c_int = 1;
const ERROR_MSG: c_int = 3;
const TEXT_INFO: c_int = 4;
const ITEM_USER: c_int = 2;
const SILENT: c_int = 0x8000;
const DISALLOW_NULL_AUTHTOK: c_int = 1;
/// Messages of one conversation; libpam's own bound.
const MESSAGES_MAX: c_int = 32;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    /// Unused, and 0.
    code: c_int,
}

type Converse =
    unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    converse: Converse,
    data: *mut c_void,
}

/// A transaction, which only libpam looks into.
type Handle = *mut c_void;

type Start =
    unsafe extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut Handle) -> c_int;
type StartIn = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const Conversation,
    *const c_char,
    *mut Handle,
) -> c_int;
type Ask = unsafe extern "C" fn(Handle, c_int) -> c_int;
type GetItem = unsafe extern "C" fn(Handle, c_int, *mut *const c_void) -> c_int;
type Explain = unsafe extern "C" fn(Handle, c_int) -> *const c_char;

/// libpam, opened.
pub(super) struct Pam {
    start: Start,
    /// Since 1.4.
    start_in: Option<StartIn>,
    authenticate: Ask,
    account: Ask,
    end: Ask,
    get_item: GetItem,
    explain: Explain,
    /// The functions above are in it.
    _library: Library,
}

impl Pam {
    /// Opens the library.
    pub(super) fn open() -> Result<Pam, DirectoryError> {
        let absent = |error: libloading::Error| {
            let why = format!(
                "passwords of this machine's accounts need {LIBRARY} ({error}); \
                 install it (Debian: libpam0g) or choose another kind"
            );
            DirectoryError::misconfigured("kind", why)
        };
        // SAFETY: libpam runs no code when it is opened that asks anything of its caller. The
        // types are those of its manual pages, and the library stays open as long as they are
        // used, for it is in the same struct.
        unsafe {
            let library = Library::new(LIBRARY).map_err(absent)?;
            Ok(Pam {
                start: *library.get(b"pam_start\0").map_err(absent)?,
                start_in: library
                    .get(b"pam_start_confdir\0")
                    .ok()
                    .map(|symbol| *symbol),
                authenticate: *library.get(b"pam_authenticate\0").map_err(absent)?,
                account: *library.get(b"pam_acct_mgmt\0").map_err(absent)?,
                end: *library.get(b"pam_end\0").map_err(absent)?,
                get_item: *library.get(b"pam_get_item\0").map_err(absent)?,
                explain: *library.get(b"pam_strerror\0").map_err(absent)?,
                _library: library,
            })
        }
    }

    /// Whether services can be in a directory of the settings' choice.
    pub(super) fn takes_directory(&self) -> bool {
        self.start_in.is_some()
    }

    /// Succeeds if the password is right and the account may be used. Blocks as long as the
    /// modules of the service take.
    pub(super) fn authenticate(
        &self,
        service: &str,
        dir: Option<&Path>,
        login: &str,
        password: &str,
    ) -> Result<(), DirectoryError> {
        let text = |text: &str| CString::new(text).map_err(|_| DirectoryError::Denied);
        let mut secret = zeroize::Zeroizing::new(text(password)?.into_bytes_with_nul());
        let login = text(login)?;
        let conversation = Conversation {
            converse,
            data: secret.as_mut_ptr().cast(),
        };
        let dir = dir.and_then(Path::to_str).map(text).transpose()?;
        let mut transaction = self.begin(&text(service)?, dir.as_deref(), &login, &conversation)?;
        transaction.ask(self.authenticate, DISALLOW_NULL_AUTHTOK)?;
        transaction.ask(self.account, DISALLOW_NULL_AUTHTOK)?;
        transaction.is_about(&login)
    }

    fn begin<'a>(
        &'a self,
        service: &CStr,
        dir: Option<&CStr>,
        login: &CStr,
        conversation: &'a Conversation,
    ) -> Result<Transaction<'a>, DirectoryError> {
        let mut handle: Handle = ptr::null_mut();
        let (service, login) = (service.as_ptr(), login.as_ptr());
        // SAFETY: all texts end with a NUL and outlive the call, which copies them. The
        // conversation outlives the transaction, which borrows it. The handle is written to.
        let code = unsafe {
            match (dir, self.start_in) {
                (Some(dir), Some(start)) => {
                    start(service, login, conversation, dir.as_ptr(), &raw mut handle)
                }
                (None, _) => (self.start)(service, login, conversation, &raw mut handle),
                (Some(_), None) => {
                    let why = "this machine's libpam is older than 1.4; leave it out";
                    return Err(DirectoryError::misconfigured("pam_dir", why));
                }
            }
        };
        if code != SUCCESS || handle.is_null() {
            let why = format!("PAM does not start: code {code}");
            return Err(DirectoryError::unavailable(why));
        }
        Ok(Transaction {
            pam: self,
            handle,
            last: SUCCESS,
            _conversation: conversation,
        })
    }
}

/// One transaction with libpam. It ends when this goes.
struct Transaction<'a> {
    pam: &'a Pam,
    handle: Handle,
    /// What the last call returned, which libpam wants to hear at the end.
    last: c_int,
    _conversation: &'a Conversation,
}

impl Transaction<'_> {
    fn ask(&mut self, call: Ask, flags: c_int) -> Result<(), DirectoryError> {
        // SAFETY: the handle is that of a transaction that has begun and has not ended.
        self.last = unsafe { call(self.handle, flags | SILENT) };
        match self.last {
            SUCCESS => Ok(()),
            code if DENIED.contains(&code) => Err(DirectoryError::Denied),
            code => Err(DirectoryError::unavailable(format!(
                "PAM says: {}",
                self.words(code)
            ))),
        }
    }

    /// A module may put another user in the place of the one who asked: then this is not they.
    fn is_about(&self, login: &CStr) -> Result<(), DirectoryError> {
        let mut item: *const c_void = ptr::null();
        // SAFETY: as above; the item is written to, and PAM_USER is a text or null. The text is
        // libpam's, and is read before the next call.
        let same = unsafe {
            let code = (self.pam.get_item)(self.handle, ITEM_USER, &raw mut item);
            code == SUCCESS && !item.is_null() && CStr::from_ptr(item.cast()) == login
        };
        if same {
            Ok(())
        } else {
            Err(DirectoryError::Denied)
        }
    }

    fn words(&self, code: c_int) -> String {
        // SAFETY: as above; the text, if there is one, is a constant of the library.
        let words = unsafe {
            let text = (self.pam.explain)(self.handle, code);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        crate::said::printable(&format!("{} (code {code})", words.unwrap_or_default()))
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is that of a transaction that has begun; nobody uses it afterwards.
        unsafe { (self.pam.end)(self.handle, self.last) };
    }
}

/// Answers a hidden prompt with the password; takes note of no message; refuses everything else,
/// like a prompt for a user's name or for a one-time code with an echo.
///
/// # Safety
/// libpam calls it with `count` messages (Linux: an array of pointers), a place for as many
/// responses, which it frees with `free`, and the data of the conversation: a text that ends with
/// a NUL and lives as long as the transaction.
unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let Ok(length) = usize::try_from(count) else {
        return CONV_ERR;
    };
    if !(1..=MESSAGES_MAX).contains(&count) || messages.is_null() || responses.is_null() {
        return CONV_ERR;
    }
    // SAFETY: what libpam promises, said above. `calloc` gives zeros: every response that is not
    // written is a null text, which `free_all` and libpam pass over.
    unsafe {
        let answers: *mut Response = libc::calloc(length, size_of::<Response>()).cast();
        if answers.is_null() {
            return BUF_ERR;
        }
        for at in 0..length {
            let code = match (**messages.add(at)).style {
                PROMPT_ECHO_OFF => {
                    let copy = libc::strdup(data.cast());
                    (*answers.add(at)).text = copy;
                    if copy.is_null() { BUF_ERR } else { SUCCESS }
                }
                ERROR_MSG | TEXT_INFO => SUCCESS,
                _ => CONV_ERR,
            };
            if code != SUCCESS {
                free_all(answers, length);
                return code;
            }
        }
        *responses = answers;
    }
    SUCCESS
}

/// Wipes and frees the texts, then the responses.
///
/// # Safety
/// `answers` is an array of `length` responses from `calloc`, each text null or from `strdup`.
unsafe fn free_all(answers: *mut Response, length: usize) {
    // SAFETY: what the caller promises; nothing is used after it is freed.
    unsafe {
        for at in 0..length {
            let text = (*answers.add(at)).text;
            if !text.is_null() {
                libc::explicit_bzero(text.cast(), libc::strlen(text));
                libc::free(text.cast());
            }
        }
        libc::free(answers.cast());
    }
}

#[cfg(test)]
#[path = "pam/tests.rs"]
mod tests;
