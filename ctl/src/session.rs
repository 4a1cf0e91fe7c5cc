//! What every command is given: where it runs, which cluster it speaks to, how it prints.

use std::cell::OnceCell;
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::args::Global;
use crate::client::Client;
use crate::client::tls::{self, Trust};
use crate::config::{Config, Context, Files, read_text};
use crate::environment::Environment;
use crate::error::{Failure, Kind};
use crate::limits::CONFIG_BYTES_MAX;
use crate::output::{Output, View, colour_wanted};

/// What every command is given.
pub struct Session {
    /// What the process was started in.
    pub environment: Environment,
    /// How things are printed.
    pub output: Output,
    wanted_context: Option<String>,
    timeout: Option<Duration>,
    verbose: bool,
    no_input: bool,
    open: OnceCell<Open>,
}

/// A cluster that is spoken to.
struct Open {
    /// The context that it comes from, if any.
    context: Option<String>,
    client: Client,
}

impl Session {
    /// A session; nothing is read or opened before it is needed.
    pub fn new(environment: Environment, global: &Global) -> Session {
        let view = View {
            now: Timestamp::now(),
            people: environment.stdout_tty,
            utc: global.utc,
            colour: colour_wanted(global.color, &environment, environment.stdout_tty),
        };
        let output = Output {
            format: global.output,
            columns: global.columns.clone(),
            no_headers: global.no_headers,
            quiet: global.quiet,
            view,
            width: environment.width.filter(|_| environment.stdout_tty),
            talk_tty: environment.stderr_tty,
        };
        Session {
            environment,
            output,
            wanted_context: global.context.clone(),
            timeout: global.timeout,
            verbose: global.verbose,
            no_input: global.no_input,
            open: OnceCell::new(),
        }
    }

    /// The files of the configuration.
    ///
    /// # Errors
    /// When it cannot be told where they are.
    pub fn files(&self) -> Result<Files, Failure> {
        Files::of(&self.environment)
    }

    /// The client of the cluster in use.
    ///
    /// # Errors
    /// When there is no such context, or its files cannot be read.
    pub fn client(&self) -> Result<&Client, Failure> {
        if let Some(open) = self.open.get() {
            return Ok(&open.client);
        }
        let open = self.connect()?;
        Ok(&self.open.get_or_init(|| open).client)
    }

    /// A client beside the one of the context.
    ///
    /// # Errors
    /// When an address or the certificate is wrong.
    pub fn client_for(
        &self,
        heads: Vec<String>,
        trust: Trust<'_>,
        token: Option<String>,
    ) -> Result<Client, Failure> {
        Client::new(heads, trust, token, self.timeout, self.verbose)
    }

    /// The name of the context in use, where there is one.
    ///
    /// # Errors
    /// When a context is named that there is not.
    pub fn context_name(&self, config: &Config) -> Result<Option<String>, Failure> {
        let Some(name) = self.wanted_context.as_ref().or(config.current.as_ref()) else {
            return Ok(None);
        };
        if config.context.contains_key(name) {
            return Ok(Some(name.clone()));
        }
        let known: Vec<&str> = config.context.keys().map(String::as_str).collect();
        let hint = match known.is_empty() {
            true => "goctl login https://HOST:PORT".to_owned(),
            false => format!("contexts: {}", known.join(", ")),
        };
        let failure = Failure::new(Kind::NotFound, format!("there is no context `{name}`"));
        Err(failure.field("context").hint(hint))
    }

    fn connect(&self) -> Result<Open, Failure> {
        let files = self.files()?;
        let config = files.read_config()?;
        let name = self.context_name(&config)?;
        let context = name.as_ref().and_then(|name| config.context.get(name));
        let server = self.environment.get("GOCTL_SERVER");
        let (None, None) = (context, server) else {
            return self.open(&files, name.as_deref(), context, server);
        };
        let hint = "goctl login https://HOST:PORT";
        Err(Failure::new(Kind::LoggedOut, "no cluster is known")
            .field("context")
            .hint(hint))
    }

    fn open(
        &self,
        files: &Files,
        name: Option<&str>,
        context: Option<&Context>,
        server: Option<&str>,
    ) -> Result<Open, Failure> {
        let mut heads = match server {
            Some(list) => list.split(',').map(|url| url.trim().to_owned()).collect(),
            None => context
                .map(|context| context.heads.clone())
                .unwrap_or_default(),
        };
        let last = name
            .filter(|_| server.is_none())
            .and_then(|name| files.last_head(name));
        if let Some(at) = last.and_then(|last| heads.iter().position(|head| *head == last)) {
            heads.rotate_left(at);
        }
        let ca = self.authority(context)?;
        let trust = ca.as_deref().map_or(Trust::Nobody, Trust::Authority);
        let token = match self.environment.get("GOCTL_TOKEN") {
            Some(token) => Some(token.to_owned()),
            None => match name {
                Some(name) => files
                    .read_credentials()?
                    .get(name)
                    .map(|known| known.token.clone()),
                None => None,
            },
        };
        let client = self.client_for(heads, trust, token)?;
        let context = name.filter(|_| server.is_none()).map(str::to_owned);
        Ok(Open { context, client })
    }

    /// The certificate to trust, PEM; checked against the digest where the context has one.
    fn authority(&self, context: Option<&Context>) -> Result<Option<String>, Failure> {
        if let Some(path) = self.environment.get("GOCTL_CA_FILE") {
            return read_text(Path::new(path), CONFIG_BYTES_MAX).map(Some);
        }
        let Some(context) = context else {
            return Ok(None);
        };
        let pem = context.ca_pem()?;
        if let (Some(pem), Some(wanted)) = (&pem, &context.ca_sha256)
            && !tls::same_fingerprint(&tls::fingerprint(pem)?, wanted)
        {
            let message = "the certificate of this context is not the one with its ca_sha256";
            return Err(Failure::failed(message)
                .field("ca_sha256")
                .hint("goctl login URL"));
        }
        Ok(pem)
    }

    /// Remembers which head answered, so that the next command asks it first.
    pub fn close(&self) {
        if let Some(Open {
            context: Some(context),
            client,
        }) = self.open.get()
            && client.has_answered()
            && let Ok(files) = self.files()
        {
            files.remember_head(context, client.head());
        }
    }

    /// Asks before something that cannot be undone.
    ///
    /// # Errors
    /// When nobody can be asked and `--yes` was not given, or the answer is no.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if self.no_input || !self.environment.stdin_tty {
            let message = format!(
                "{}; nobody can be asked",
                question.trim_end_matches(['.', '?'])
            );
            return Err(Failure::usage(message)
                .field("--yes")
                .hint("give --yes to do it"));
        }
        let answer = self.ask(&format!("{question} [y/N] "))?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::failed("nothing was done")),
        }
    }

    /// Asks for a line.
    ///
    /// # Errors
    /// When nobody can be asked.
    pub fn ask(&self, question: &str) -> Result<String, Failure> {
        self.needs_people(question)?;
        crate::output::prompt(question);
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Asks for a secret without showing it.
    ///
    /// # Errors
    /// When nobody can be asked.
    pub fn ask_secret(&self, question: &str) -> Result<String, Failure> {
        self.needs_people(question)?;
        rpassword::prompt_password(question).map_err(Failure::from)
    }

    /// Asks twice for a new secret.
    ///
    /// # Errors
    /// When nobody can be asked, or the two differ.
    pub fn ask_new_secret(&self) -> Result<String, Failure> {
        let new = self.ask_secret("New password: ")?;
        if self.ask_secret("New password again: ")? != new {
            return Err(Failure::usage("the two passwords differ").hint("try again"));
        }
        Ok(new)
    }

    fn needs_people(&self, question: &str) -> Result<(), Failure> {
        if self.environment.stdin_tty && !self.no_input {
            return Ok(());
        }
        let message = format!("nobody can be asked: {}", question.trim());
        Err(Failure::usage(message).hint("give it as an option; see --help"))
    }
}
