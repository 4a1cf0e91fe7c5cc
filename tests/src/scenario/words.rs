//! One line of a script: positional words and `key=value` options. What a command does not take
//! is an error, so that a misspelt option never passes for its default.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result, bail, ensure};
use model::{Bytes, MilliCpus, Millis, Resources};

/// The words of a line that have not been taken yet.
pub(super) struct Words {
    positional: VecDeque<String>,
    options: BTreeMap<String, String>,
}

impl Words {
    /// Splits at spaces outside of double quotes.
    pub(super) fn parse(line: &str) -> Result<Words> {
        let (mut words, mut word, mut quoted, mut begun) =
            (Vec::new(), String::new(), false, false);
        for letter in line.chars() {
            match letter {
                '"' => {
                    quoted = !quoted;
                    begun = true;
                }
                ' ' if !quoted => {
                    if begun {
                        words.push(std::mem::take(&mut word));
                    }
                    begun = false;
                }
                other => {
                    word.push(other);
                    begun = true;
                }
            }
        }
        ensure!(!quoted, "a quote is not closed");
        if begun {
            words.push(word);
        }
        let mut split = Words {
            positional: VecDeque::new(),
            options: BTreeMap::new(),
        };
        for word in words {
            match word.split_once('=') {
                Some((key, value)) if is_key(key) => {
                    let twice = split.options.insert(key.into(), value.into());
                    ensure!(twice.is_none(), "{key} is given twice");
                }
                Some(_) | None => split.positional.push_back(word),
            }
        }
        Ok(split)
    }

    /// The next positional word.
    pub(super) fn next(&mut self, what: &str) -> Result<String> {
        self.positional
            .pop_front()
            .with_context(|| format!("{what} is missing"))
    }

    /// The next positional word, if there is one.
    pub(super) fn maybe_next(&mut self) -> Option<String> {
        self.positional.pop_front()
    }

    /// All positional words that are left.
    pub(super) fn rest(&mut self) -> Vec<String> {
        self.positional.drain(..).collect()
    }

    /// An option, if it is given.
    pub(super) fn option(&mut self, key: &str) -> Option<String> {
        self.options.remove(key).map(|value| expand(&value))
    }

    /// An option or its default.
    pub(super) fn option_or(&mut self, key: &str, default: &str) -> String {
        self.option(key).unwrap_or_else(|| default.into())
    }

    /// A number, if it is given.
    pub(super) fn number<T: std::str::FromStr>(&mut self, key: &str) -> Result<Option<T>> {
        let parse = |text: String| text.parse().ok().with_context(|| format!("{key}={text}"));
        self.option(key).map(parse).transpose()
    }

    /// A length of time, if it is given.
    pub(super) fn length(&mut self, key: &str) -> Result<Option<Millis>> {
        self.option(key).map(|text| length(&text)).transpose()
    }

    /// `cpu=` and `mem=`, with defaults.
    pub(super) fn size(&mut self, key: &str) -> Result<Option<Bytes>> {
        self.option(key).map(|text| size(&text)).transpose()
    }

    pub(super) fn resources(&mut self, cpu: &str, memory: &str) -> Result<Resources> {
        let cpu = cpus(&self.option_or("cpu", cpu))?;
        Ok(Resources {
            cpu,
            memory: size(&self.option_or("mem", memory))?,
        })
    }

    /// Says that nothing may be left.
    pub(super) fn finish(self) -> Result<()> {
        let Words {
            positional,
            options,
        } = self;
        ensure!(
            positional.is_empty() && options.is_empty(),
            "not understood: {positional:?} {options:?}"
        );
        Ok(())
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `x*200` is two hundred times `x`; `\0` and `\n` are what they look like.
pub(super) fn expand(text: &str) -> String {
    let plain = || text.replace("\\0", "\0").replace("\\n", "\n");
    match text.rsplit_once('*') {
        Some((what, count)) => match count.parse() {
            Ok(count) => what.repeat(count),
            Err(_) => plain(),
        },
        None => plain(),
    }
}

/// `250ms`, `5s`, `2m`, `1h`, `3d`.
pub(super) fn length(text: &str) -> Result<Millis> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => bail!("{text}: no unit of time is named `{other}`"),
    };
    let count: u64 = digits.parse().with_context(|| text.to_owned())?;
    Ok(Millis(count.saturating_mul(unit)))
}

/// `1.5`, `0.25`.
fn cpus(text: &str) -> Result<MilliCpus> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    ensure!(part.len() <= 3, "{text}: cpus have three decimals");
    let part: u64 = format!("{part:0<3}")
        .parse()
        .with_context(|| text.to_owned())?;
    let whole: u64 = whole.parse().with_context(|| text.to_owned())?;
    Ok(MilliCpus(whole.saturating_mul(1000).saturating_add(part)))
}

/// `512M`, `8G`, `7`.
pub(super) fn size(text: &str) -> Result<Bytes> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        other => bail!("{text}: no unit of size is named `{other}`"),
    };
    let count: u64 = digits.parse().with_context(|| text.to_owned())?;
    Ok(Bytes(count.saturating_mul(1 << shift)))
}

/// `3` or `1..4`, where both ends count.
pub(super) fn range(text: &str) -> Result<std::ops::RangeInclusive<u64>> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| {
        text.parse()
            .with_context(|| format!("`{text}` is no number"))
    };
    Ok(number(first)?..=number(last)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units() {
        assert_eq!(cpus("1.5").unwrap(), MilliCpus(1500));
        assert_eq!(cpus("0.025").unwrap(), MilliCpus(25));
        assert_eq!(size("3G").unwrap(), Bytes::mebi(3072));
        assert_eq!(length("2m").unwrap(), Millis::seconds(120));
        assert!(length("2").is_err() && size("2X").is_err() && cpus("1.0005").is_err());
        assert_eq!(range("2..4").unwrap().count(), 3);
    }

    #[test]
    fn a_word_that_nobody_takes_is_an_error() {
        let mut words = Words::parse(r#"a key="two words" b"#).unwrap();
        assert_eq!(words.next("one").unwrap(), "a");
        assert_eq!(words.option("key").unwrap(), "two words");
        assert!(words.finish().is_err());
    }
}
