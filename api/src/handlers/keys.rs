//! A user's own public keys.

use api_types::key::{SshKey, SshKeyList, SshKeyRequest};
use axum::extract::State;
use axum::http::StatusCode;
use model::account;
use model::command::{Command, RemoveSshKey};
use model::spec::is_label;
use ssh_key::{HashAlg, PublicKey};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::{Json, Name};
use crate::problem::Refused;

/// Bits of an RSA key, at least.
const RSA_BITS_MIN: usize = 2048;

/// List the caller's public keys.
#[utoipa::path(get, path = "/keys", tag = "keys", responses((status = 200, body = SshKeyList)))]
pub(crate) async fn list_keys(State(app): State<App>, caller: Caller) -> axum::Json<SshKeyList> {
    let state = app.log().read();
    let keys = state.ssh_keys_of(caller.name()).map(shown);
    axum::Json(SshKeyList {
        items: keys.collect(),
    })
}

fn shown(key: &account::SshKey) -> SshKey {
    SshKey {
        fingerprint: key.fingerprint.clone(),
        key: key.key.clone(),
        label: key.label.clone(),
        created_at: convert::time(key.created_at),
    }
}

/// Add a public key for the caller.
#[utoipa::path(
    post, path = "/keys", tag = "keys", request_body = SshKeyRequest,
    responses((status = 201, body = SshKey)),
)]
pub(crate) async fn add_key(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<SshKeyRequest>,
) -> Result<(StatusCode, axum::Json<SshKey>), Refused> {
    let parsed = parse(&request.key)?;
    let label = request
        .label
        .unwrap_or_else(|| parsed.comment().to_string());
    if !label.is_empty() && !is_label(&label) {
        let message = "must be at most 128 printable bytes";
        return Err(Refused::invalid("label", message, "choose a short label"));
    }
    let mut bare = parsed.clone();
    bare.set_comment("");
    let key = bare
        .to_openssh()
        .map_err(|error| Refused::internal(error.to_string()))?;
    let fingerprint = parsed.fingerprint(HashAlg::Sha256).to_string();
    let put = Command::PutSshKey(account::SshKey {
        user: caller.name().clone(),
        fingerprint: fingerprint.clone(),
        key: key.trim().to_owned(),
        label,
        ..account::SshKey::default()
    });
    let state = app.change_then_read(put).await?;
    let kept = state
        .ssh_keys_of(caller.name())
        .find(|key| key.fingerprint == fingerprint);
    let kept = kept.ok_or_else(|| no_key(&fingerprint))?;
    Ok((StatusCode::CREATED, axum::Json(shown(kept))))
}

fn parse(text: &str) -> Result<PublicKey, Refused> {
    let remedy = "paste one line of a .pub file, without options in front";
    let wrong = |message: String| Refused::invalid("key", message, remedy);
    let parsed = PublicKey::from_openssh(text.trim())
        .map_err(|error| wrong(format!("is not a public key: {error}")))?;
    if parsed.algorithm().is_dsa() {
        return Err(wrong("DSA keys are not safe any more".into()));
    }
    if let Some(rsa) = parsed.key_data().rsa() {
        let bits = rsa.n.as_positive_bytes().map_or(0, |bytes| bytes.len() * 8);
        if bits < RSA_BITS_MIN {
            return Err(wrong(format!(
                "RSA with {bits} bits; at least {RSA_BITS_MIN}"
            )));
        }
    }
    Ok(parsed)
}

/// Remove one of the caller's public keys.
#[utoipa::path(
    delete, path = "/keys/{fingerprint}", tag = "keys",
    params(("fingerprint" = String, Path, description = "`SHA256:…`, percent-encoded")),
    responses((status = 204)),
)]
pub(crate) async fn remove_key(
    State(app): State<App>,
    caller: Caller,
    Name(fingerprint): Name,
) -> Result<StatusCode, Refused> {
    let user = caller.name().clone();
    app.change(Command::RemoveSshKey(RemoveSshKey { user, fingerprint }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_key(fingerprint: &str) -> Refused {
    Refused::not_found(format!("key {fingerprint}"))
}
