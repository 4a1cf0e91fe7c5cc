//! A page about one thing: names on the left, what there is to say on the right.

/// Lines of names and values; what has no value has no line.
pub fn page(fields: &[(&str, Option<String>)]) -> String {
    let shown = || {
        fields
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
    };
    let width = shown().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in shown() {
        let mut lines = value.lines();
        let first = lines.next().unwrap_or_default();
        text.push_str(format!("{name:width$}  {first}").trim_end());
        text.push('\n');
        for line in lines {
            text.push_str(format!("{:width$}  {line}", "").trim_end());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn values_stand_below_each_other_and_nothing_is_left_blank() {
        let fields = [
            ("job", Some("1".into())),
            ("reason", None),
            ("image", Some("a\nb".into())),
        ];
        assert_eq!(page(&fields), "job    1\nimage  a\n       b\n");
    }
}
