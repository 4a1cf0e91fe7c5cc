//! The conversation by itself: what it answers, what it refuses, and that it gives back what it
//! took. Whole transactions are in `tests/system.rs`.

use super::*;

/// Asks these styles; the return value, and the texts that were answered.
fn asked(styles: &[c_int]) -> (c_int, Vec<Option<String>>) {
    let text = c"Password: ";
    let messages: Vec<Message> = styles
        .iter()
        .map(|style| Message {
            style: *style,
            text: text.as_ptr(),
        })
        .collect();
    let mut pointers: Vec<*const Message> = messages.iter().map(ptr::from_ref).collect();
    let mut answers: *mut Response = ptr::null_mut();
    let mut secret = c"hunter2".to_owned().into_bytes_with_nul();
    let count = c_int::try_from(styles.len()).unwrap();
    // SAFETY: this is what libpam does.
    unsafe {
        let data = secret.as_mut_ptr().cast();
        let code = converse(count, pointers.as_mut_ptr(), &raw mut answers, data);
        if code != SUCCESS {
            assert!(answers.is_null());
            return (code, Vec::new());
        }
        let mut texts = Vec::new();
        for at in 0..styles.len() {
            let text = (*answers.add(at)).text;
            let copy = || CStr::from_ptr(text).to_str().unwrap().to_owned();
            texts.push((!text.is_null()).then(copy));
        }
        free_all(answers, styles.len());
        (code, texts)
    }
}

#[test]
fn a_hidden_prompt_gets_the_password_and_messages_get_nothing() {
    let password = || Some("hunter2".to_owned());
    assert_eq!(asked(&[PROMPT_ECHO_OFF]), (SUCCESS, vec![password()]));
    let mixed = [TEXT_INFO, PROMPT_ECHO_OFF, ERROR_MSG];
    assert_eq!(asked(&mixed), (SUCCESS, vec![None, password(), None]));
}

#[test]
fn whatever_else_is_asked_is_refused() {
    const PROMPT_ECHO_ON: c_int = 2;
    const BINARY_PROMPT: c_int = 7;
    for style in [PROMPT_ECHO_ON, BINARY_PROMPT, 0, -1] {
        assert_eq!(asked(&[PROMPT_ECHO_OFF, style]), (CONV_ERR, Vec::new()));
    }
    assert_eq!(asked(&[]).0, CONV_ERR);
    assert_eq!(asked(&[TEXT_INFO; 32]).0, SUCCESS);
    assert_eq!(asked(&[TEXT_INFO; 33]).0, CONV_ERR);
}

#[test]
fn a_transaction_about_somebody_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("test"), "auth required pam_permit.so\n").unwrap();
    let dir = CString::new(dir.path().to_str().unwrap()).unwrap();
    let mut secret = c"hunter2".to_owned().into_bytes_with_nul();
    let conversation = Conversation {
        converse,
        data: secret.as_mut_ptr().cast(),
    };
    let pam = Pam::open().unwrap();
    let begun = pam.begin(c"test", Some(&dir), c"daemon", &conversation);
    let transaction = begun.unwrap();
    assert!(transaction.is_about(c"daemon").is_ok());
    for other in [c"root", c"Daemon", c"daemo", c""] {
        let answer = transaction.is_about(other);
        assert!(matches!(answer, Err(DirectoryError::Denied)), "{other:?}");
    }
}
