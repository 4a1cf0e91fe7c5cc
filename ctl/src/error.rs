//! What can go wrong, and the exit code that tells it to scripts.

use std::fmt;

use api_types::problem::{Problem, code};

/// Kinds of failure that a script can tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The server refused, or something failed here.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// No such thing.
    NotFound,
    /// Not logged in, or the token has ended.
    LoggedOut,
    /// Not allowed, or a bound is reached.
    Forbidden,
    /// No head answers, or none has a quorum.
    Unreachable,
    /// `--timeout` has passed.
    TimedOut,
    /// It collides with what is there.
    Conflict,
    /// Interrupted by the user.
    Interrupted,
    /// Whoever reads our output has gone; nothing is left to say.
    Unread,
}

impl Kind {
    /// The exit code of goctl.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::NotFound => 3,
            Kind::LoggedOut => 4,
            Kind::Forbidden => 5,
            Kind::Unreachable => 7,
            Kind::TimedOut => 8,
            Kind::Conflict => 9,
            Kind::Interrupted => 130,
            Kind::Unread => 141,
        }
    }

    /// The code in JSON errors that do not come from the server.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Failed => "FAILED",
            Kind::Usage => "USAGE",
            Kind::NotFound => code::NOT_FOUND,
            Kind::LoggedOut => "LOGGED_OUT",
            Kind::Forbidden => code::FORBIDDEN,
            Kind::Unreachable => "UNREACHABLE",
            Kind::TimedOut => "TIMED_OUT",
            Kind::Conflict => code::CONFLICT,
            Kind::Interrupted => "INTERRUPTED",
            Kind::Unread => "UNREAD",
        }
    }

    fn of(problem: &Problem) -> Kind {
        match (problem.status, problem.code.as_str()) {
            (_, code::LIMIT_REACHED) => Kind::Forbidden,
            (401, _) => Kind::LoggedOut,
            (403, _) => Kind::Forbidden,
            (404, _) => Kind::NotFound,
            (409, _) => Kind::Conflict,
            (503, _) => Kind::Unreachable,
            (_, _) => Kind::Failed,
        }
    }
}

/// A failure: what, and what to do about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What a script may do about it.
    pub kind: Kind,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What is to blame on this side: an option, a file, a setting.
    pub field: Option<String>,
    /// What the server said, if it comes from there.
    pub problem: Option<Box<Problem>>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            message: message.into(),
            hint: None,
            field: None,
            problem: None,
        }
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Usage, message)
    }

    /// Something failed on this side.
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Failed, message)
    }

    /// What the server answered instead of what was asked.
    pub fn refused(problem: Problem) -> Failure {
        let message = match (problem.detail.is_empty(), problem.title.is_empty()) {
            (false, _) => problem.detail.clone(),
            (true, false) => problem.title.clone(),
            (true, true) => format!("the server answered with status {}", problem.status),
        };
        let many = problem.problems.len();
        let first = problem.problems.first();
        let message = match first.filter(|_| many > 1) {
            Some(first) if message.starts_with(&first.field) => format!("{many} fields are wrong"),
            Some(_) | None => message,
        };
        let mut hint = problem.hint.clone();
        if hint.is_none() && problem.code == code::UNAUTHENTICATED {
            hint = Some("goctl login".into());
        }
        Failure {
            kind: Kind::of(&problem),
            message,
            hint,
            field: None,
            problem: Some(Box::new(problem)),
        }
    }

    /// The same failure with advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, with what is to blame.
    pub fn field(mut self, field: impl Into<String>) -> Failure {
        self.field = Some(field.into());
        self
    }

    /// Whether the server gave this code.
    pub fn is(&self, code: &str) -> bool {
        self.problem
            .as_ref()
            .is_some_and(|problem| problem.code == code)
    }
}

impl fmt::Display for Failure {
    /// The whole text for people, without a newline at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Interrupted => write!(f, "{}", self.message)?,
            Kind::Failed
            | Kind::Usage
            | Kind::NotFound
            | Kind::LoggedOut
            | Kind::Forbidden
            | Kind::Unreachable
            | Kind::TimedOut
            | Kind::Conflict
            | Kind::Unread => write!(f, "error: {}", self.message)?,
        }
        let problem = self.problem.as_deref();
        let listed = problem
            .map(|problem| &problem.problems[..])
            .unwrap_or_default();
        // One problem is told by the message and the hint already.
        let alone = listed.len() == 1 && self.message.contains(&listed[0].message);
        for field in listed.iter().filter(|_| !alone) {
            write!(f, "\n  {}: {}", field.field, field.message)?;
            if !field.remedy.is_empty() {
                write!(f, " ({})", field.remedy)?;
            }
        }
        let told = |hint: &&String| !alone && listed.iter().any(|field| field.remedy == **hint);
        if let Some(hint) = self.hint.as_ref().filter(|hint| !told(hint)) {
            write!(f, "\n  hint: {hint}")?;
        }
        if let Some(problem) = problem.filter(|problem| !problem.code.is_empty()) {
            write!(f, "\n  [{}]", problem.code)?;
            if !problem.request_id.is_empty() {
                write!(f, " request {}", problem.request_id)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::new(Kind::Unread, "nobody reads"),
            _ => Failure::failed(error.to_string()),
        }
    }
}
