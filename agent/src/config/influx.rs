//! `[influxdb]`: where a head that leads pushes its series.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The longest pause between two pushes, in seconds.
const EVERY_SECONDS_MAX: u64 = 3_600;

/// Where a head that leads pushes its series.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InfluxConfig {
    /// `http://host:port` or `https://…`; empty: nothing is pushed.
    pub url: String,
    /// The database of an InfluxDB 1.
    pub database: String,
    /// The organisation of an InfluxDB 2, with `bucket` in place of `database`.
    pub org: String,
    /// The bucket of an InfluxDB 2.
    pub bucket: String,
    /// Who pushes, if a password is asked for.
    pub user: String,
    /// The file with the user's password.
    pub password_file: PathBuf,
    /// The file with a token, in place of a user.
    pub token_file: PathBuf,
    /// The authority (PEM) that has signed the server's certificate; empty: those of the system.
    pub ca_file: PathBuf,
    /// Seconds between two pushes.
    pub every_seconds: u64,
}

impl Default for InfluxConfig {
    fn default() -> Self {
        InfluxConfig {
            url: String::new(),
            database: String::new(),
            org: String::new(),
            bucket: String::new(),
            user: String::new(),
            password_file: PathBuf::new(),
            token_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            every_seconds: 10,
        }
    }
}

impl InfluxConfig {
    /// Whether anything is pushed.
    pub fn is_wanted(&self) -> bool {
        !self.url.is_empty()
    }

    /// The key that is wrong, and what to write.
    pub(super) fn mistake(&self) -> Option<(&'static str, String)> {
        if !self.is_wanted() {
            return None;
        }
        let rest = self.url.split_once("://");
        let plain = |rest: &str| !rest.is_empty() && !rest.contains(['@', '?', '#']);
        if !rest.is_some_and(|(scheme, rest)| matches!(scheme, "http" | "https") && plain(rest)) {
            let why = "`http://host:8086` or `https://…`, without names, passwords and queries";
            return Some(("influxdb.url", why.into()));
        }
        let bucket = !self.org.is_empty() && !self.bucket.is_empty();
        let any_bucket = !self.org.is_empty() || !self.bucket.is_empty();
        if self.database.is_empty() != bucket || any_bucket != bucket {
            let why = "name it for InfluxDB 1, or `org` and `bucket` for InfluxDB 2";
            return Some(("influxdb.database", why.into()));
        }
        if self.user.is_empty() != is_empty(&self.password_file) {
            let why = "`user` and `password_file` belong together";
            return Some(("influxdb.password_file", why.into()));
        }
        if !self.user.is_empty() && !is_empty(&self.token_file) {
            let why = "name a token or a user, not both";
            return Some(("influxdb.token_file", why.into()));
        }
        if !(1..=EVERY_SECONDS_MAX).contains(&self.every_seconds) {
            let why = format!("1 to {EVERY_SECONDS_MAX}");
            return Some(("influxdb.every_seconds", why));
        }
        None
    }
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_said_target_is_refused_by_its_key() {
        let good = InfluxConfig {
            url: "http://influx:8086".into(),
            database: "godocker".into(),
            ..InfluxConfig::default()
        };
        assert_eq!(
            (InfluxConfig::default().mistake(), good.mistake()),
            (None, None)
        );
        type Change = fn(&mut InfluxConfig);
        let cases: [(Change, &str); 9] = [
            (|it| it.url = "influx:8086".into(), "influxdb.url"),
            (
                |it| it.url = "http://me:secret@influx".into(),
                "influxdb.url",
            ),
            (|it| it.url = "ftp://influx".into(), "influxdb.url"),
            (|it| it.database.clear(), "influxdb.database"),
            (|it| it.org = "lab".into(), "influxdb.database"),
            (
                |it| (it.org, it.bucket) = ("lab".into(), "b".into()),
                "influxdb.database",
            ),
            (|it| it.user = "me".into(), "influxdb.password_file"),
            (|it| it.every_seconds = 0, "influxdb.every_seconds"),
            (
                |it| {
                    it.user = "me".into();
                    it.password_file = "/p".into();
                    it.token_file = "/t".into();
                },
                "influxdb.token_file",
            ),
        ];
        for (change, key) in cases {
            let mut changed = good.clone();
            change(&mut changed);
            assert_eq!(changed.mistake().map(|(key, _)| key), Some(key));
        }
    }
}
