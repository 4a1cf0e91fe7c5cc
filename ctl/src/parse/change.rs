//! Values that are set or taken away: bounds, lists of names and groups, a person's details.
//!
//! Everywhere the word `none` takes away what there was; what is not named stays.

/// What becomes of a bound that is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change<T> {
    /// There is none any more.
    Unset,
    /// It is this.
    To(T),
}

impl<T> Change<T> {
    /// The bound from now on, given what is wanted and what there is.
    pub fn over(wanted: Option<Change<T>>, known: Option<T>) -> Option<T> {
        match wanted {
            None => known,
            Some(Change::Unset) => None,
            Some(Change::To(value)) => Some(value),
        }
    }
}

/// A bound in the words of `value`, or `none`.
pub fn bound<T>(
    value: fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Change<T>, String> + Clone {
    move |text| match text {
        "none" => Ok(Change::Unset),
        text => value(text)
            .map(Change::To)
            .map_err(|wrong| format!("{wrong}; none takes the bound away")),
    }
}

/// How many of something.
pub fn count(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let count = text.parse().ok().filter(|_| digits);
    count.ok_or_else(|| format!("`{text}` is not a number of things: write 0, 10 or 500"))
}

/// Hours of something: `100`, `0.5`.
pub fn hours(text: &str) -> Result<f64, String> {
    let plain = super::decimal(text).and_then(|_| text.parse().ok());
    plain.ok_or_else(|| format!("`{text}` is not a number of hours: write 100 or 0.5"))
}

/// Names with commas between, or `none`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names(pub Vec<String>);

/// See [`Names`].
pub fn names(text: &str) -> Result<Names, String> {
    if text == "none" {
        return Ok(Names::default());
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err(format!(
            "`{text}` is not a list of names: write ada,bob; or none for an empty list"
        ));
    }
    Ok(Names(names))
}

/// Numbers of groups with commas between, or `none`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Groups(pub Vec<u32>);

/// See [`Groups`].
pub fn groups(text: &str) -> Result<Groups, String> {
    if text == "none" {
        return Ok(Groups::default());
    }
    let ids = text.split(',').map(|id| count(id.trim()).ok());
    let ids: Option<Vec<u32>> = ids.collect();
    ids.map(Groups)
        .ok_or_else(|| format!("`{text}` is not a list of groups: write 100,200; or none"))
}

/// An absolute directory, or `none`, which is empty.
pub fn home(text: &str) -> Result<String, String> {
    match text {
        "none" => Ok(String::new()),
        text if text.starts_with('/') => Ok(text.to_owned()),
        text => Err(format!(
            "`{text}` is not absolute: write a path that begins with /; or none"
        )),
    }
}

/// An address for mail, or `none`, which is empty.
pub fn mail(text: &str) -> Result<String, String> {
    match text {
        "none" => Ok(String::new()),
        text if text.contains('@') && !text.contains(char::is_whitespace) => Ok(text.to_owned()),
        text => Err(format!(
            "`{text}` is no address for mail: write ada@example.org; or none"
        )),
    }
}

/// Words as a shell would split them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words(pub Vec<String>);

/// See [`Words`].
pub fn words(text: &str) -> Result<Words, String> {
    let words =
        shlex::split(text).ok_or_else(|| format!("a quote is not closed in `{text}`: close it"))?;
    if words.is_empty() {
        return Err("no words: write a program, as in '/bin/sh -c'".into());
    }
    Ok(Words(words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn a_bound_is_set_taken_away_or_left_alone() {
        let cpus = bound(crate::parse::cpus);
        assert_eq!(cpus("1.5"), Ok(Change::To(1.5)));
        assert_eq!(cpus("none"), Ok(Change::Unset));
        let wrong = cpus("many").unwrap_err();
        assert!(wrong.contains("500m; none takes"), "{wrong}");
        assert_eq!(Change::over(None, Some(1)), Some(1));
        assert_eq!(Change::over(Some(Change::Unset), Some(1)), None);
        assert_eq!(Change::over(Some(Change::To(2)), Some(1)), Some(2));
    }

    #[test]
    fn counts_and_hours_are_plain_numbers() {
        assert_eq!((count("0"), count("500")), (Ok(0), Ok(500)));
        assert_eq!((hours("100"), hours("0.5")), (Ok(100.0), Ok(0.5)));
        for text in ["", "-1", "+1", "1e3", "4294967296", "ten"] {
            assert!(count(text).is_err(), "{text}");
        }
        for text in ["", "-1", "1e3", "NaN", "inf", ".5", "1h"] {
            assert!(hours(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_may_be_empty_but_not_their_parts() {
        assert_eq!(names("none"), Ok(Names::default()));
        assert_eq!(names("a, b"), Ok(Names(vec!["a".into(), "b".into()])));
        for text in ["", ",", "a,,b", "a,"] {
            assert!(names(text).is_err(), "{text}");
        }
        assert_eq!(groups("none"), Ok(Groups::default()));
        assert_eq!(groups("100,200"), Ok(Groups(vec![100, 200])));
        for text in ["", "100,", "wheel", "-1"] {
            assert!(groups(text).is_err(), "{text}");
        }
    }

    #[test]
    fn details_of_a_person() {
        assert_eq!(home("/home/ada"), Ok("/home/ada".into()));
        assert_eq!(home("none"), Ok(String::new()));
        assert!(home("ada").is_err() && home("").is_err());
        assert_eq!(mail("ada@lab"), Ok("ada@lab".into()));
        assert_eq!(mail("none"), Ok(String::new()));
        assert!(mail("ada").is_err() && mail("a @b").is_err());
    }

    #[test]
    fn words_are_split_as_by_a_shell() {
        let expected = Words(vec!["sh".into(), "-c".into(), "a b".into()]);
        assert_eq!(words("sh -c 'a b'"), Ok(expected));
        assert!(words("").is_err() && words("sh 'a").is_err());
    }
}
