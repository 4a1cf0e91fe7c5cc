//! Mistakes on the command line, in `#GO` lines and in job files: each is told with its place and
//! with what to do, ends with code 2, and nothing is sent.

mod rights;

use crate::played::{Answer, Head};
use crate::support::Home;

/// A mistake: the arguments, what is to blame, and words that must be told.
type Mistake = (
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
);

const ARGUMENTS: [Mistake; 34] = [
    (
        &["submit", "--cpu", "many", "--", "true"],
        "--cpu",
        &["`many`", "write 2, 0.5 or 500m"],
    ),
    (
        &["submit", "--cpu", "0", "--", "true"],
        "--cpu",
        &["`0`", "write 2"],
    ),
    (
        &["submit", "--cpu=-1", "--", "true"],
        "--cpu",
        &["`-1`", "write 2"],
    ),
    (
        &["submit", "--mem", "8X", "--", "true"],
        "--mem",
        &["`8X`", "512M, 8G"],
    ),
    (
        &["submit", "--mem", "99999999999T", "--", "true"],
        "--mem",
        &["is not a size"],
    ),
    (
        &["submit", "--time", "soon", "--", "true"],
        "--time",
        &["`soon`", "1h30m"],
    ),
    (
        &["submit", "--time", "0", "--", "true"],
        "--time",
        &["more than 0", "no limit"],
    ),
    (
        &["submit", "--time", "1:99", "--", "true"],
        "--time",
        &["`1:99`", "2:30:00"],
    ),
    (
        &["submit", "--grace", "1y", "--", "true"],
        "--grace",
        &["`1y`", "30s"],
    ),
    (
        &["submit", "--pull", "often", "--", "true"],
        "--pull",
        &["missing, always, never"],
    ),
    (
        &["submit", "--on-lost", "cry", "--", "true"],
        "--on-lost",
        &["hold, requeue"],
    ),
    (
        &["submit", "--env", "1A=2", "--", "true"],
        "--env",
        &["`1A`", "NAME=VALUE"],
    ),
    (
        &["submit", "--env", "=2", "--", "true"],
        "--env",
        &["NAME=VALUE"],
    ),
    (
        &["submit", "--env", "UNSET_HERE", "--", "true"],
        "--env",
        &["not set", "UNSET_HERE=VALUE"],
    ),
    (
        &["submit", "-v", "data:rw", "--", "true"],
        "--volume",
        &["`:rw`", "data:ro"],
    ),
    (
        &["submit", "-v", "/srv/data", "--", "true"],
        "--volume",
        &["goctl volumes"],
    ),
    (
        &["submit", "-v", "data:", "--", "true"],
        "--volume",
        &["NAME or NAME:ro"],
    ),
    (&["submit", "--tag", "", "--", "true"], "--tag", &["--tag"]),
    (
        &["submit", "--memm", "1G", "--", "true"],
        "--memm",
        &["unexpected", "'--mem'"],
    ),
    (
        &["submit", "--wrap", "a", "--file", "b"],
        "--wrap",
        &["cannot be used with"],
    ),
    (
        &["submit", "--wrap", " "],
        "--wrap",
        &["is empty", "give it a line"],
    ),
    (&["submit"], "SCRIPT", &["nothing to run", "--wrap LINE"]),
    (&["submit", "echo"], "SCRIPT", &["echo", "-- echo"]),
    (&["submit", "."], "SCRIPT", &["directory"]),
    (&["submit", "-f", "job.xml"], "--file", &["job.xml"]),
    (&["show", "twelve"], "JOB", &["`twelve`", "number"]),
    (&["cancel", "5-3"], "JOB", &["`5-3`", "40-50"]),
    (&["wait"], "JOB", &["required"]),
    (
        &["ps", "--state", "happy"],
        "--state",
        &["`happy`", "pending"],
    ),
    (
        &["ps", "--since", "yesterday"],
        "--since",
        &["`yesterday`", "-6h"],
    ),
    (
        &["ps", "--columns", "colour"],
        "",
        &["`colour`", "columns: job,name"],
    ),
    (&["login", "head1:8443"], "URL", &["https://HOST:PORT"]),
    (&["login", "http://10.0.0.1:1"], "URL", &["not encrypted"]),
    (&["admin", "settings", "set"], "--heartbeat", &["--lease"]),
];

#[test]
fn mistakes_in_arguments() {
    let head = Head::new(|_, _| Answer::json(200, &serde_json::json!({"items": []})));
    let home = Home::with_heads(&[&head.url()]);
    for (args, field, told) in ARGUMENTS.into_iter().chain(rights::ARGUMENTS) {
        let args = [args, &["-o", "json"]].concat();
        // Behind `--` options are words of the job: they go to the front.
        let args = match args.iter().position(|word| *word == "--") {
            Some(at) => [&["-o", "json"], &args[..at], &args[at..args.len() - 2]].concat(),
            None => args,
        };
        // Columns are told only when there are some: as a table.
        let table = args.contains(&"--columns");
        let ran = match table {
            true => home.run(&args[..args.len() - 2]),
            false => home.run(&args),
        };
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert_eq!(ran.out, "", "{args:?}");
        for words in told {
            assert!(
                ran.err.contains(words),
                "{args:?}: no `{words}` in {}",
                ran.err
            );
        }
        if !table {
            let error = ran.error();
            assert_eq!(error["code"], "USAGE", "{args:?}");
            assert_eq!(
                error["field"].as_str().unwrap_or_default(),
                field,
                "{args:?}: {error}"
            );
        }
    }
    let sent = head.calls();
    assert!(sent.iter().all(|call| call == "GET /jobs"), "{sent:?}");
}

/// A script, its wrong line, what is to blame, and words that must be told.
type WrongScript = (&'static str, usize, &'static str, &'static [&'static str]);

const SCRIPTS: [WrongScript; 17] = [
    (
        "#!/bin/sh\n#GO --memm 1G\n",
        2,
        "--memm",
        &["unexpected", "'--mem'"],
    ),
    ("#GO --mem lots\n", 1, "--mem", &["`lots`", "512M"]),
    ("\n\n# x\n#GO --cpu\n", 4, "--cpu", &["value is required"]),
    ("#GO --name 'a b\n", 1, "#GO", &["quote"]),
    ("#GO\n", 1, "#GO", &["no options"]),
    ("#GO   \n", 1, "#GO", &["no options"]),
    ("#GO --cpu 1 file.txt\n", 1, "file.txt", &["unexpected"]),
    ("#GO --cpu 1\n#GO --time never\n", 2, "--time", &["`never`"]),
    (
        "#GO --wait\n",
        1,
        "--wait",
        &["unexpected", "goctl help submit"],
    ),
    ("#GO -o json\n", 1, "-o", &["unexpected"]),
    ("#GO --file other.toml\n", 1, "--file", &["unexpected"]),
    ("#GO -v data:ro:rw\n", 1, "--volume", &["`:ro:rw`"]),
    (
        "#GO --pull sometimes\n",
        1,
        "--pull",
        &["missing, always, never"],
    ),
    ("#GO -e 'A B=1'\n", 1, "--env", &["`A B`"]),
    ("#GO --network host\n", 1, "--network", &["none, bridge"]),
    ("#GO -v data/./x\n", 1, "--volume", &["`./x`"]),
    (
        "#GO --output-max 1Q\n",
        1,
        "--output-max",
        &["`1Q`", "512M"],
    ),
];

#[test]
fn mistakes_in_scripts() {
    let home = Home::with_heads(&[&Head::dead()]);
    for (text, line, field, told) in SCRIPTS {
        home.write("job.sh", text);
        let ran = home.run(&["submit", "job.sh", "-o", "json"]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{text:?}: {ran:?}");
        let error = ran.error();
        let place = format!("job.sh:{line}: ");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(&place), "{text:?}: {message}");
        assert_eq!(error["field"], field, "{text:?}: {error}");
        assert!(error["hint"].is_string(), "{text:?}: {error}");
        for words in told {
            assert!(
                ran.err.contains(words),
                "{text:?}: no `{words}` in {}",
                ran.err
            );
        }
    }
}

/// A file for `submit -f`, and words that must be told.
const FILES: [(&str, &str, &[&str]); 8] = [
    (
        "job.toml",
        "argv = [\"a\"]\nmemroy_bytes = 1\n",
        &["line 2", "memroy_bytes", "memory_bytes"],
    ),
    ("job.toml", "argv = [\"a\"\n", &["line"]),
    ("job.toml", "cpu = \"two\"\n", &["line 1"]),
    ("job.json", "{\"argv\":[\"a\"],}", &["line 1 column"]),
    (
        "job.json",
        "{\"argv\":[\"a\"],\"pull\":\"often\"}",
        &["often", "missing"],
    ),
    ("job.yaml", "argv: a\n", &["argv"]),
    (
        "job.yaml",
        "argv: [a]\nscript: b\n",
        &["both a script and an argv", "leave one"],
    ),
    (
        "job.txt",
        "argv: [a]\n",
        &["neither TOML, YAML nor JSON", ".toml"],
    ),
];

#[test]
fn mistakes_in_job_files() {
    let home = Home::with_heads(&[&Head::dead()]);
    for (name, text, told) in FILES {
        home.write(name, text);
        let ran = home.run(&["submit", "-f", name]);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (2, ""),
            "{name} {text:?}: {ran:?}"
        );
        assert!(ran.err.contains("hint: "), "{ran:?}");
        for words in told {
            assert!(
                ran.err.contains(words),
                "{name} {text:?}: no `{words}` in {}",
                ran.err
            );
        }
    }
}

#[test]
fn what_is_no_text_or_too_large_is_not_sent() {
    let home = Home::with_heads(&[&Head::dead()]);
    std::fs::write(home.path("program"), [0x7f, b'E', b'L', b'F', 0xff]).unwrap();
    let ran = home.run(&["submit", "program"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("byte 4") && ran.err.contains("behind --"),
        "{ran:?}"
    );
    home.write("large.sh", &"# x\n".repeat(300_000));
    let ran = home.run(&["submit", "large.sh"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("larger than 1024 KiB") && ran.err.contains("volume"),
        "{ran:?}"
    );
    home.write("empty.sh", "\n \n");
    let ran = home.run(&["submit", "empty.sh"]);
    assert!(ran.code == 2 && ran.err.contains("is empty"), "{ran:?}");
}

#[test]
fn a_wide_selection_is_not_ended_without_asking() {
    let list =
        serde_json::json!({"items": [crate::support::job(4, "running", &serde_json::json!({}))]});
    let head = Head::new(move |_, _| Answer::json(200, &list));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["cancel", "all"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("1 job will be ended") && ran.err.contains("--yes"),
        "{ran:?}"
    );
    assert_eq!(head.calls(), ["GET /jobs"]);
}
